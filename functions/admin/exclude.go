package admin

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// exclusionView is what is known of the group whose members are excluded.
type exclusionView struct {
	Group    directory.GroupID `json:"groupId"`
	ListedAt *time.Time        `json:"listedAt,omitempty" doc:"When the list of its members began to be read that counts now; its events change it since. Missing as long as the members are not known: nothing is written until then"`
	Message  string            `json:"message,omitempty" doc:"What is wrong, with what to do"`
}

// exclusion shows the group that the directory excludes; nil if it excludes none.
func (a API) exclusion(ctx context.Context, dir directory.Directory) (*exclusionView, error) {
	group := dir.Settings.Exclude.Group
	if group == "" {
		return nil, nil //nolint:nilnil // there is nothing to show
	}
	e, err := a.Store.Exclusion(ctx, dir.ID, group)
	if err != nil {
		return nil, err
	}
	view := &exclusionView{Group: group, ListedAt: known(e.ListedAt)}
	switch {
	case !e.GoneAt.IsZero():
		view.Message = fmt.Sprintf("JumpCloud has no such group since %s: who was in it then stays excluded, and nobody else can be. Name another group as exclude.group, or none", e.GoneAt.Format(time.RFC3339))
	case !e.Known():
		view.Message = "the members of the group are being read: nothing is written in this directory until they are known"
	}
	return view, nil
}

// mustHaveExcluded returns a fault if a group that is to be excluded from now on does not
// exist in JumpCloud, or cannot be read there: nothing would be written before it is.
func (a API) mustHaveExcluded(ctx context.Context, organization directory.OrganizationID, before, after directory.GroupID) error {
	if after == "" || after == before {
		return nil
	}
	const setting = "settings.exclude.group"
	jc, err := a.Clients.JumpCloud(ctx, organization)
	if err == nil {
		_, err = jc.Group(ctx, after)
	}
	switch f := fault.Of(err); {
	case err == nil:
		return nil
	case f.Kind == fault.NotFound:
		return &fault.Error{Op: "admin.exclude", Kind: fault.Invalid, Subject: setting, Message: fmt.Sprintf("JumpCloud has no group %s", after)}
	default:
		return &fault.Error{Op: "admin.exclude", Kind: f.Kind, Reason: f.Reason, Subject: setting, Err: err, RetryAfter: f.RetryAfter,
			Message: "the group cannot be read in JumpCloud, so it cannot be excluded; nothing was changed: " + f.Message}
	}
}
