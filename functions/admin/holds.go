package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// holdView is a hold as the API shows it.
type holdView struct {
	ID        string           `json:"id"`
	Kind      plan.HoldKind    `json:"kind" enum:"removals,suspensions" doc:"removals: people left, were disconnected or deleted, or are taken out of a group; suspensions: they are suspended, locked out or have an expired password"`
	Status    store.HoldStatus `json:"status" enum:"open,approved,rejected,over" doc:"over: nobody asked for any of it any more before somebody decided"`
	Since     time.Time        `json:"since"`
	Message   string           `json:"message" doc:"Why it began, with the numbers, and how many wait by now if it has grown much since"`
	Cause     plan.Cause       `json:"cause" doc:"Of the first action in it"`
	Count     int              `json:"count" doc:"How many actions wait in it; of one that was decided, how many did"`
	Accounts  int              `json:"accounts" doc:"How many of them disable an account"`
	Members   int              `json:"members" doc:"How many of them take somebody out of a group; whoever is to lose both is counted in both"`
	Joined    int              `json:"joined" doc:"How many actions have joined it since it began, also those that nobody asks for any more. An approval names this number, so that nothing is let through that came after it was read"`
	GrownAt   *time.Time       `json:"grownAt,omitempty" doc:"When it was announced once more because it had grown by more than the guard lets through"`
	By        string           `json:"by,omitempty" doc:"Who decided"`
	Reason    string           `json:"reason,omitempty" doc:"Why, as the one who decided said"`
	DecidedAt *time.Time       `json:"decidedAt,omitempty"`
	ExpiresAt *time.Time       `json:"expiresAt,omitempty" doc:"Until when an approval is valid: what is not done by then waits again"`
}

// viewOfHold shows a hold.
func viewOfHold(h store.Hold) holdView {
	return holdView{ID: h.ID, Kind: h.Kind, Status: h.Status, Since: h.Since, Message: h.Sentence(), Cause: h.Cause, Count: h.Count, Accounts: h.Accounts, Members: h.Count - h.Accounts,
		Joined: h.Joined, GrownAt: known(h.GrownAt), By: h.By, Reason: h.Note, DecidedAt: known(h.DecidedAt), ExpiresAt: known(h.ExpiresAt)}
}

// heldView is one action in a hold.
type heldView struct {
	User      directory.UserID  `json:"userId,omitempty" doc:"Who would lose access; missing if nobody in JumpCloud is known to have the account"`
	EntraID   directory.EntraID `json:"entraId,omitempty"`
	Name      string            `json:"name,omitempty"`
	Group     directory.GroupID `json:"groupId,omitempty" doc:"The group out of which the person would be taken; missing if the account would be disabled"`
	GroupName string            `json:"groupName,omitempty"`
	Action    plan.Type         `json:"action" doc:"What would be done, such as deprovision or remove_members"`
	Reason    directory.Reason  `json:"reason,omitempty" doc:"Why"`
	Cause     plan.Cause        `json:"cause"`
	Since     time.Time         `json:"since"`
}

// HoldPath names a hold of a directory. It is exported because huma ignores unexported embedded
// types, as DecisionBody is.
type HoldPath struct {
	ID   string `path:"id" doc:"The directory"`
	Hold string `path:"holdId" doc:"The hold"`
}

// DecisionBody is why somebody decides.
type DecisionBody struct {
	By     string `json:"by,omitempty" minLength:"1" maxLength:"200" doc:"Who decides; missing: whom the token belongs to"`
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why; it is kept and shown"`
}

// approvalBody is a decision about what was read, with its end.
type approvalBody struct {
	DecisionBody
	Joined    int        `json:"joined" minimum:"0" doc:"The number joined of the hold as it was read. If more have joined it since, the approval is 409 with the new number, and nothing is let through"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty" doc:"Until when the approval is valid: a time in the next 30 days; missing: for a day"`
}

// rejectionBody is a decision about what was read, if that is said.
type rejectionBody struct {
	DecisionBody
	Joined *int `json:"joined,omitempty" minimum:"0" doc:"The number joined of the hold as it was read; missing: whatever is in the hold is rejected. If more have joined it since, the answer is 409 with the new number"`
}

// How long an approval is valid, and how long it may be.
const (
	approvalLife    = 24 * time.Hour
	longestApproval = 30 * 24 * time.Hour
)

// holds registers the operations on holds.
func (a API) holds(on huma.API) {
	const path = "/v1/directories/{id}/holds"
	list := api.Operation("listHolds", http.MethodGet, path, "What the guard holds, and held", http.StatusOK, http.StatusNotFound)
	list.Description = "The newest first. A hold of a kind begins when one more person would be too many for the setting guard; while it is open, everything of its kind joins it. With status a page may be short and still have a cursor."
	huma.Register(on, list, a.listHolds)
	items := api.Operation("listHeld", http.MethodGet, path+"/{holdId}/items", "Who is in a hold, and why", http.StatusOK, http.StatusNotFound)
	items.Description = "Of a hold that was decided: what is not done yet, and what was rejected."
	huma.Register(on, items, a.listHeld)
	approve := api.Operation("approveHold", http.MethodPost, path+"/{holdId}/approve", "Let exactly what is in the hold through", http.StatusAccepted, http.StatusNotFound, http.StatusConflict)
	approve.Description = "What is in the hold is done, and does not count for the guard. The body names as joined what was read: a hold that has grown since answers 409 with the new number, and nothing is done. What JumpCloud does not ask for any more is dropped. What comes later is judged anew. Approving it again changes nothing."
	huma.Register(on, approve, func(ctx context.Context, in *struct {
		HoldPath
		Body approvalBody
	},
	) (*api.Answer[holdView], error) {
		until := time.Now().UTC().Add(approvalLife)
		if in.Body.ExpiresAt != nil {
			until = in.Body.ExpiresAt.UTC()
		}
		if left := time.Until(until); left <= 0 || left > longestApproval {
			return nil, api.Refuse(fault.New(fault.Invalid, "admin.approve", "expiresAt must be in the future, and in the next 30 days"), "body.expiresAt", nil)
		}
		return a.decideHold(ctx, in.HoldPath, in.Body.DecisionBody, store.HoldApproved, until, in.Body.Joined)
	})
	reject := api.Operation("rejectHold", http.MethodPost, path+"/{holdId}/reject", "Leave the accounts and groups in the hold as they are", http.StatusAccepted, http.StatusNotFound, http.StatusConflict)
	reject.Description = "The same is not asked again of the same person until its cause changes: JumpCloud has another reason, or none any more, and does not count for the guard. Rejecting it again changes nothing."
	huma.Register(on, reject, func(ctx context.Context, in *struct {
		HoldPath
		Body rejectionBody
	},
	) (*api.Answer[holdView], error) {
		var read []int
		if in.Body.Joined != nil {
			read = append(read, *in.Body.Joined)
		}
		return a.decideHold(ctx, in.HoldPath, in.Body.DecisionBody, store.HoldRejected, time.Time{}, read...)
	})
}

// listHolds lists the holds of a directory.
func (a API) listHolds(ctx context.Context, in *struct {
	ID     string           `path:"id" doc:"The directory"`
	Status store.HoldStatus `query:"status" enum:"open,approved,rejected,over" doc:"Only those of this status"`
	api.Paging
},
) (*api.Answer[api.Page[holdView]], error) {
	dir, err := a.shownDirectory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list, err := a.Store.Holds(ctx, dir.ID, in.Status, in.Limit, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	shown := api.Page[holdView]{Items: make([]holdView, len(list.Items)), Cursor: list.Cursor}
	for i, h := range list.Items {
		shown.Items[i] = viewOfHold(h)
	}
	return &api.Answer[api.Page[holdView]]{Body: shown}, nil
}

// listHeld lists what is in a hold.
func (a API) listHeld(ctx context.Context, in *struct {
	HoldPath
	api.Paging
},
) (*api.Answer[api.Page[heldView]], error) {
	if _, err := a.Store.Hold(ctx, directory.ID(in.ID), in.Hold); err != nil {
		return nil, api.Refuse(err, "path.holdId", in.Hold)
	}
	list, err := a.Store.HeldItems(ctx, in.Hold, in.Limit, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	shown := api.Page[heldView]{Items: make([]heldView, len(list.Items)), Cursor: list.Cursor}
	for i, item := range list.Items {
		shown.Items[i] = heldView{User: item.User, EntraID: item.Account, Name: item.Name, Group: item.Group, GroupName: item.GroupName,
			Action: item.Action, Reason: item.Reason, Cause: item.Cause, Since: item.Since}
	}
	return &api.Answer[api.Page[heldView]]{Body: shown}, nil
}

// decideHold approves or rejects a hold and sends the tasks for what is in it. What it does not
// send, because there is no time or because it fails, the sweep sends.
func (a API) decideHold(ctx context.Context, at HoldPath, why DecisionBody, status store.HoldStatus, until time.Time, read ...int) (*api.Answer[holdView], error) {
	by := why.By
	if by == "" {
		by = api.CallerOf(ctx).Name()
	}
	hold, err := a.Store.DecideHold(ctx, directory.ID(at.ID), at.Hold, status, func(h *store.Hold) {
		h.By, h.Note, h.ExpiresAt = by, why.Reason, until
	}, read...)
	switch {
	case len(read) > 0 && fault.Is(err, fault.Conflict) && hold.Status == store.HoldOpen:
		return nil, api.Refuse(err, "body.joined", read[0])
	case err != nil:
		return nil, api.Refuse(err, "path.holdId", at.Hold)
	}
	tasks := reconcile.HeldTasks{Store: a.Store, Users: a.Lanes.UsersBulk, Groups: a.Lanes.GroupsBulk}
	if reconcile.Few(hold) {
		tasks.Users, tasks.Groups = a.Lanes.UsersLive, a.Lanes.GroupsLive
	}
	if hold.Passes > 0 {
		if _, err := tasks.Send(ctx, hold); err != nil {
			return nil, api.Refuse(&fault.Error{Op: "admin.decide hold", Kind: fault.KindOf(err), Err: err, Message: "the decision is kept: entrasync sends the tasks by itself within some minutes"}, "", nil)
		}
	}
	return &api.Answer[holdView]{Body: viewOfHold(hold)}, nil
}
