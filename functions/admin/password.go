package admin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Passwords writes passwords to JumpCloud, in one organization.
type Passwords interface {
	// SetPassword sends a password once. If JumpCloud's policy refuses it, the fault is
	// of kind Invalid. After a fault of kind Transient it is unknown whether JumpCloud
	// has the password; after any other fault JumpCloud does not have it.
	SetPassword(ctx context.Context, user directory.UserID, password string) error
}

// newPassword is the body that sets a password. Its value is never in an answer or a
// log.
type newPassword struct {
	Password string `json:"password" minLength:"1" maxLength:"1000" doc:"Both sides have to take it: JumpCloud's policy and Entra's rules"`
}

// passwordAnswer is the result: 200 when all accounts have the password, 202 when some
// are still being written.
type passwordAnswer struct {
	Status int
	Body   passwordState
}

// passwordState says which systems and accounts have the password.
type passwordState struct {
	JumpCloud string            `json:"jumpcloud" enum:"set"`
	Accounts  []passwordAccount `json:"accounts" doc:"The accounts of the user in every directory that the user is connected to"`
}

// passwordAccount is the result for one account.
type passwordAccount struct {
	Directory directory.ID      `json:"directoryId"`
	EntraID   directory.EntraID `json:"entraId,omitempty"`
	UPN       directory.UPN     `json:"userPrincipalName,omitempty"`
	Status    plan.Status       `json:"status" enum:"queued,started,succeeded,failed,absent" doc:"absent: the user has no account there yet"`
	Action    string            `json:"actionId,omitempty"`
	Reason    directory.Reason  `json:"reason,omitempty"`
	Message   string            `json:"message,omitempty"`
}

// passwords registers the operation of the password gateway.
func (a API) passwords(on huma.API) {
	gateway := api.Operation("setPassword", http.MethodPut, "/v1/organizations/{id}/users/{userId}/password",
		"Set a user's password in JumpCloud and in every connected account", http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)
	gateway.Responses[strconv.Itoa(http.StatusAccepted)] = api.Also[passwordState](on, http.StatusAccepted)
	gateway.Description = "JumpCloud is written first: what its policy refuses reaches no account. Each account is then written once, as one action. " +
		"The accounts are read first, and what Entra must refuse is refused before anything is written: an account in a federated domain, also one that is still to be made, whose user signs in with JumpCloud, where the password is to be set, and one that is gone, excluded, a guest, or managed elsewhere. " +
		"202 says that some accounts are still being written; 422 gives the reasons of the side that refuses, and which account has not got the password."
	huma.Register(on, gateway, a.setPassword)
}

// setPassword is the gateway. It makes all checks before it writes anything, and then
// waits for the results of the accounts.
func (a API) setPassword(ctx context.Context, in *struct {
	OrganizationPath
	User string `path:"userId" doc:"The JumpCloud user"`
	Body newPassword
}) (*passwordAnswer, error) {
	o, err := a.organization(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	user, err := a.jumpCloudUser(ctx, o.ID, directory.UserID(in.User))
	if err != nil {
		return nil, api.Refuse(err, "path.userId", in.User)
	}
	g := &gateway{API: a, organization: o.ID, user: user, password: in.Body.Password}
	if err := g.findAccounts(ctx); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if err := g.describeTenants(ctx); err != nil {
		return nil, err
	}
	g.readAccounts(ctx)
	if err := g.checkAccounts(); err != nil {
		return nil, err
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	if err := g.seal(ctx); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if err := g.write(ctx); err != nil {
		return nil, err
	}
	g.wait(ctx)
	return g.answer()
}

// check compares the password with the rules that Entra publishes, so that JumpCloud
// does not get a password that Entra would refuse.
func (g *gateway) check() error {
	said := map[string]bool{}
	var details []error
	for _, account := range g.accounts {
		for _, rule := range directory.CheckPassword(g.password, account.upn()) {
			if !said[rule] {
				said[rule] = true
				details = append(details, about("Entra: "+rule))
			}
		}
	}
	if len(details) == 0 {
		return nil
	}
	return huma.NewError(http.StatusUnprocessableEntity, "Entra does not take this password; nothing was changed in JumpCloud or in Entra", details...)
}

// about makes a detail of a refusal about the password, without its value.
func about(message string) error {
	return &huma.ErrorDetail{Message: message, Location: "body.password"}
}

// turnLife is how long one request may stop others from setting a password of the same
// user at most. It is longer than any invocation runs.
const turnLife = time.Minute

// writeTime is how much time must be left before the first write: the time limit of the
// request to JumpCloud.
const writeTime = 9 * time.Second

// write sends the password to JumpCloud and then to the accounts. Before that it marks
// every link: the account does not have the password yet. So the links are right even
// if this process ends.
func (g *gateway) write(ctx context.Context) error {
	const op = "admin.set password"
	jc, err := g.Clients.Of(ctx, g.organization)
	if err != nil {
		return api.Refuse(err, "", nil)
	}
	if !deadline.Allows(ctx, writeTime) {
		return api.Refuse(fault.New(fault.Transient, op, "JumpCloud answers too slowly to begin; nothing was changed: try again"), "", nil)
	}
	if err := g.Store.TakePasswordTurn(ctx, g.organization, g.user.ID, time.Now().UTC().Add(turnLife)); err != nil {
		return api.Refuse(err, "path.userId", string(g.user.ID))
	}
	if err := g.mark(ctx); err != nil {
		g.unmark(ctx)
		g.endTurn(ctx)
		return api.Refuse(err, "", nil)
	}
	if err := jc.SetPassword(ctx, g.user.ID, g.password); fault.Is(err, fault.Transient) {
		// The turn is not ended here: JumpCloud may still be processing the request.
		zerolog.Ctx(ctx).Error().Err(err).Str("user", string(g.user.ID)).Msg("JumpCloud gave no clear answer to a new password")
		g.markUnknown(ctx)
		return api.Refuse(fault.New(fault.Transient, op,
			"JumpCloud gave no clear answer: it may have the new password or the old one, and nothing was written to Entra. Set the password again in a minute"), "body.password", nil)
	} else if err != nil {
		g.unmark(ctx)
		g.endTurn(ctx)
		return refusedByJumpCloud(err)
	}
	defer g.endTurn(ctx)
	return g.handOver(ctx)
}

// refusedByJumpCloud returns the answer when JumpCloud certainly has the old password.
func refusedByJumpCloud(err error) error {
	switch f := fault.Of(err); f.Kind {
	case fault.Invalid:
		var details []error
		for rule := range strings.SplitSeq(f.Message, "; ") {
			details = append(details, about("JumpCloud: "+rule))
		}
		return huma.NewError(http.StatusUnprocessableEntity, "JumpCloud refuses this password; nothing was written to Entra", details...)
	case fault.NotFound:
		return api.Refuse(err, "path.userId", nil)
	default:
		return api.Refuse(&fault.Error{Op: f.Op, Kind: f.Kind, Message: f.Message + "; nothing was changed in JumpCloud or in Entra", Err: err}, "", nil)
	}
}

// answer returns the result for all accounts.
func (g *gateway) answer() (*passwordAnswer, error) {
	answer := &passwordAnswer{Status: http.StatusOK, Body: passwordState{JumpCloud: "set", Accounts: []passwordAccount{}}}
	details := []error{about("JumpCloud: has the new password")}
	failed := 0
	for _, account := range g.accounts {
		view := account.view()
		answer.Body.Accounts = append(answer.Body.Accounts, view)
		name := fmt.Sprintf("Entra, %s in the directory %s: ", view.UPN, account.dir.Name)
		switch view.Status {
		case plan.Succeeded:
			details = append(details, about(name+"has the new password"))
		case plan.Failed:
			failed++
			has := "has the old password"
			if view.Reason == directory.PasswordUnknown || view.Reason == directory.Interrupted {
				has = "may have either password"
			}
			details = append(details, about(fmt.Sprintf("%s%s (%s): %s", name, has, view.Reason, view.Message)))
		default:
			answer.Status = http.StatusAccepted
			details = append(details, about(name+"is still being written"))
		}
	}
	if failed > 0 {
		return nil, huma.NewError(http.StatusUnprocessableEntity, fmt.Sprintf(
			"JumpCloud has the new password, and %d of %d accounts in Entra have not: mend what the reasons name, and set a password that both sides take", failed, len(g.accounts)), details...)
	}
	for _, none := range g.absent {
		answer.Body.Accounts = append(answer.Body.Accounts, none.view())
	}
	return answer, nil
}
