package admin

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
)

// organizationDetail is an organization as the API shows one alone.
type organizationDetail struct {
	OrganizationView
	CatchUp catchUpView `json:"catchUp" doc:"How it goes to find the events whose webhook did not come"`
}

// catchUpView is how the catch-up of an organization goes.
type catchUpView struct {
	LastRunAt time.Time `json:"lastRunAt,omitzero" doc:"When JumpCloud's events were last read up to that time; missing if they never were"`
	// ReadFrom is where the next window begins.
	ReadFrom      time.Time    `json:"readFrom,omitzero" doc:"What happened before is read for good; what happened since is read again, because JumpCloud shows events late"`
	Found         int          `json:"found" doc:"How many events were found whose webhook did not come"`
	LastFoundAt   time.Time    `json:"lastFoundAt,omitzero" doc:"When the last of them was found"`
	LastWebhookAt time.Time    `json:"lastWebhookAt,omitzero" doc:"When an event was last processed that a webhook brought"`
	Trouble       *feedTrouble `json:"trouble,omitempty" doc:"Why the events cannot be read; missing if they can"`
	NextTryAt     time.Time    `json:"nextTryAt,omitzero" doc:"When it is tried again; missing for within the usual minute"`
	Unread        *feedGap     `json:"unread,omitempty" doc:"The time of which no events could be read, because JumpCloud says that the plan does not show them. It is tried again each hour; a resync finds what changed then"`
}

// feedTrouble is why the events of an organization cannot be read.
type feedTrouble struct {
	Reason  directory.Reason `json:"reason"`
	Message string           `json:"message"`
	Remedy  string           `json:"remedy,omitempty" doc:"What to do about it"`
	Since   time.Time        `json:"since"`
}

// feedGap is a time of which no events could be read.
type feedGap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// catchUp reads how the catch-up of an organization goes.
func (a API) catchUp(ctx context.Context, id directory.OrganizationID) (catchUpView, error) {
	kept, err := a.Store.CatchUp(ctx, id)
	if err != nil {
		return catchUpView{}, err
	}
	view := catchUpView{LastRunAt: kept.LastRunAt, ReadFrom: kept.From, Found: kept.Found, LastFoundAt: kept.LastFoundAt, LastWebhookAt: kept.LastWebhookAt, NextTryAt: kept.NextTryAt}
	if t := kept.Trouble; t != nil {
		view.Trouble = &feedTrouble{Reason: t.Reason, Message: t.Message, Remedy: directory.Remedy(t.Reason), Since: t.Since}
	}
	if u := kept.Unread; u != nil {
		view.Unread = &feedGap{From: u.From, To: u.To}
	}
	// The catch-up reads which webhooks came only where the feed has events.
	last, err := a.Store.LastSeen(ctx, id, jumpcloud.ByWebhook.String())
	if last.After(view.LastWebhookAt) {
		view.LastWebhookAt = last
	}
	return view, err
}
