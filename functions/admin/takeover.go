package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// formerAccountView is the account because of which a user is parked as former_owner.
type formerAccountView struct {
	EntraID      directory.EntraID        `json:"entraId" doc:"The account that has the user's sign-in name"`
	UPN          directory.UPN            `json:"userPrincipalName,omitempty"`
	Organization directory.OrganizationID `json:"organizationId" doc:"The JumpCloud organization of who had it"`
	User         directory.UserID         `json:"userId" doc:"The JumpCloud user who had it"`
	Username     string                   `json:"username,omitempty" doc:"How that user was called then"`
	Until        *time.Time               `json:"until,omitempty" doc:"When the account was let go"`
}

// viewOfFormer shows an account that belonged to somebody else.
func viewOfFormer(former *directory.FormerAccount) *formerAccountView {
	if former == nil {
		return nil
	}
	return &formerAccountView{EntraID: former.ID, UPN: former.UPN, Organization: former.Owner.Organization, User: former.Owner.User,
		Username: former.Owner.Username, Until: known(former.Owner.Until)}
}

// confirmedView is a confirmation that was not used yet.
type confirmedView struct {
	EntraID directory.EntraID `json:"entraId" doc:"The account that the user may have"`
	By      string            `json:"by" doc:"Who confirmed it"`
	Reason  string            `json:"reason,omitempty" doc:"Why, as the one who confirmed it said"`
	At      time.Time         `json:"at"`
}

// viewOfConfirmed shows a confirmation.
func viewOfConfirmed(c *directory.TakeOver) *confirmedView {
	if c == nil {
		return nil
	}
	return &confirmedView{EntraID: c.Account.ID, By: c.By, Reason: c.Note, At: c.At}
}

// takeOverBody is the body of a confirmation.
type takeOverBody struct {
	EntraID directory.EntraID `json:"entraId,omitempty" maxLength:"100" doc:"The account that is meant: 409 if another one is in the way by now; missing: the one that formerAccount of the user names"`
	By      string            `json:"by,omitempty" minLength:"1" maxLength:"200" doc:"Who confirms; missing: whom the token belongs to"`
	Reason  string            `json:"reason,omitempty" maxLength:"1000" doc:"Why; it is kept and shown"`
}

// takeOverRequest is a request to give a user the account of a former one.
type takeOverRequest struct {
	ID   string        `path:"id" doc:"The directory"`
	User string        `path:"userId" doc:"The JumpCloud user"`
	Body *takeOverBody `required:"false"`
}

// takeOvers registers the operation that confirms that a user may have a former user's account.
func (a API) takeOvers(on huma.API) {
	confirm := api.Operation("takeOverAccount", http.MethodPost, "/v1/directories/{id}/users/{userId}/take-over", "Give a user the account of a former user: both are the same person",
		http.StatusAccepted, http.StatusNotFound, http.StatusConflict)
	confirm.Description = "A user is parked as former_owner if the account that has the user's sign-in name belonged to another JumpCloud user, with that one's mail and files. The confirmation is kept until it is used, or until it is void: " +
		"another account is in the way, or somebody else had the account since. It is valid in every directory on the tenant where the user waits for the account. Repeating it sends the task again and changes nothing else. " +
		"An event user_take_over_confirmed says who confirmed it. 409 says that the user does not wait for such an account."
	huma.Register(on, confirm, a.confirmTakeOver)
}

// confirmTakeOver stores the confirmation and sends the tasks. If they cannot be sent the
// sweep sends them.
func (a API) confirmTakeOver(ctx context.Context, in *takeOverRequest) (*api.Answer[linkView], error) {
	dir, err := a.directory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	body := takeOverBody{}
	if in.Body != nil {
		body = *in.Body
	}
	if body.By == "" {
		body.By = api.CallerOf(ctx).Name()
	}
	cause := request(reconcile.TakeOverCause)
	cause.By = body.By
	var concerned []directory.ID
	err = store.Contended(ctx, func() error {
		concerned, err = a.keepTakeOver(ctx, dir, directory.UserID(in.User), body, cause)
		return err
	})
	if err != nil {
		location, value := "path.userId", any(in.User)
		if fault.Of(err).Subject == "entraId" {
			location, value = "body.entraId", nil
		}
		return nil, api.Refuse(err, location, value)
	}
	task := reconcile.Retry(dir, directory.UserID(in.User), cause)
	return a.enqueueUser(ctx, dir, task, slices.DeleteFunc(concerned, func(id directory.ID) bool { return id == dir.ID })...)
}

// keepTakeOver stores the confirmation in the links of the user that wait for the account, and
// returns their directories.
func (a API) keepTakeOver(ctx context.Context, dir directory.Directory, id directory.UserID, body takeOverBody, cause plan.Cause) ([]directory.ID, error) {
	const op = "admin.take over"
	user, err := a.Store.User(ctx, dir.Organization, id)
	if err != nil {
		return nil, err
	}
	link, found := user.Link(dir.ID)
	switch {
	case !found:
		return nil, fault.New(fault.NotFound, op, "the user "+string(id)+" was never connected to this directory")
	case link.Former == nil:
		return nil, fault.New(fault.Conflict, op, "the user "+string(id)+" waits for no account of a former user: there is nothing to confirm")
	case body.EntraID != "" && !strings.EqualFold(string(body.EntraID), string(link.Former.ID)):
		return nil, &fault.Error{Op: op, Kind: fault.Conflict, Subject: "entraId", Message: fmt.Sprintf(
			"the account in the way is %s (%s) by now: read the user, and confirm that one if it is meant", link.Former.UPN, link.Former.ID)}
	}
	account := *link.Former
	word := directory.TakeOver{Account: account, By: body.By, Note: body.Reason, At: cause.At}
	var concerned []directory.ID
	var links []directory.Link
	for _, each := range user.Links {
		shares := each.Directory == dir.ID || slices.Contains(dir.Shares, each.Directory)
		if !shares || each.Former == nil || each.Former.ID != account.ID || !each.Former.Owner.Same(account.Owner) {
			continue
		}
		concerned = append(concerned, each.Directory)
		if !each.Confirmed.Covers(account.ID, account.Owner) {
			links = append(links, each.ConfirmedBy(word))
		}
	}
	if len(links) == 0 { // it is confirmed already
		return concerned, nil
	}
	return concerned, a.Store.ConfirmTakeOver(ctx, confirmation(link, account, cause), links...)
}

// confirmation is the action that records a confirmation.
func confirmation(link directory.Link, account directory.FormerAccount, cause plan.Cause) plan.Action {
	return plan.Action{ID: uuid.Must(uuid.NewV7()).String(), Type: plan.ConfirmTakeOver, Directory: link.Directory, EntraID: account.ID,
		Subject: plan.Subject{Kind: plan.OfUser, ID: string(link.User), Name: account.Awaiting}, Changes: []directory.Change{},
		Reason: directory.FormerOwned, Cause: cause, Status: plan.Succeeded, At: cause.At, CompletedAt: cause.At}
}
