package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// Apply sends actions, each as one request, 20 in an HTTP request. Each must be for
// another account, because Graph handles the items of a batch at the same time. Each
// costs one write unit.
func (c *Client) Apply(ctx context.Context, actions []plan.Action) []reconcile.Result {
	results := make([]reconcile.Result, len(actions))
	actions = c.withSiblings(ctx, actions, results)
	var requests []request
	for i, action := range actions {
		results[i].ID = action.EntraID
		if results[i].Err != nil {
			continue
		}
		item, needed, err := c.requestFor(ctx, strconv.Itoa(i), action)
		if err != nil {
			results[i].Err = fault.Wrap(err, fault.Internal, "entra."+string(action.Type))
		} else if needed {
			item.urgency = urgencyOf(action)
			requests = append(requests, item)
		}
	}
	answers := c.send(ctx, requests)
	for i, action := range actions {
		if answer, sent := answers[strconv.Itoa(i)]; sent {
			results[i] = c.applied(ctx, action, answer)
		}
	}
	c.forgiveAbsent(ctx, actions, results)
	return results
}

// forgiveAbsent finds out why Graph found nothing where something was to be removed. Of a
// manager it says the same for an account that has none, which is as it should be, and for one
// that is gone (assumed). An account that was to be deleted is gone already, or a replica does
// not know it yet. So those accounts are read, 20 in an HTTP request.
func (c *Client) forgiveAbsent(ctx context.Context, actions []plan.Action, results []reconcile.Result) {
	var unclear []int
	var accounts []directory.EntraID
	for i, action := range actions {
		if (clearsManager(action) || action.Type == plan.DeleteAccount) && fault.Is(results[i].Err, fault.NotFound) {
			unclear, accounts = append(unclear, i), append(accounts, action.EntraID)
		}
	}
	if len(unclear) == 0 {
		return
	}
	for n, found := range c.Read(ctx, accounts, nil) {
		i := unclear[n]
		switch deleted := actions[i].Type == plan.DeleteAccount; {
		case found.Err != nil:
			results[i].Err = found.Err
		case deleted && found.Account != nil:
			results[i].Err = because(fault.Transient, directory.Unavailable, "", "Entra does not know the account everywhere yet: it is tried again by itself")
		case deleted || found.Account != nil:
			results[i].Err = nil
		}
	}
}

// requestFor is the request for an action. None is needed when there is nothing to
// write, as for an account that is taken over and has the right values.
func (c *Client) requestFor(ctx context.Context, id string, action plan.Action) (item request, needed bool, err error) {
	var info *abstractions.RequestInformation
	account := c.users.ByUserId(string(action.EntraID))
	manager, isManager := action.Value(directory.Manager)
	switch {
	case action.Type == plan.EndSessions:
		info, err = account.RevokeSignInSessions().ToPostRequestInformation(ctx, nil)
	case action.Type == plan.Restore:
		info = c.restoration(action.EntraID)
	case action.Type == plan.DeleteAccount:
		info, err = account.ToDeleteRequestInformation(ctx, nil)
	case action.Type == plan.RemoveLicenses, action.Type == plan.AssignLicenses:
		if info, needed, err = c.licensing(action); !needed {
			return request{}, false, err
		}
	case isManager && len(manager) == 0:
		info, err = account.Manager().Ref().ToDeleteRequestInformation(ctx, nil)
	case isManager:
		info, err = account.Manager().Ref().ToPutRequestInformation(ctx, c.reference(manager), nil)
	case len(action.Changes) == 0:
		return request{}, false, nil
	default:
		body := model(action)
		if action.Type == plan.Provision {
			info, err = c.users.ToPostRequestInformation(ctx, body, nil)
		} else {
			info, err = account.ToPatchRequestInformation(ctx, body, nil)
		}
	}
	if err != nil {
		return request{}, false, err
	}
	item, err = c.item(id, info)
	return item, true, err
}

// restoration is the request that restores a deleted account or group. The SDK's
// builder is not used: its package would link the complete directory.
func (c *Client) restoration(id directory.EntraID) *abstractions.RequestInformation {
	return abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		abstractions.POST, "{+baseurl}/directory/deletedItems/{id}/restore", map[string]string{"baseurl": c.baseURL, "id": string(id)})
}

// address is the URL by which a body names another object.
func (c *Client) address(id string) string { return c.baseURL + "/directoryObjects/" + id }

// reference is the body that names another account.
func (c *Client) reference(id directory.Value) models.ReferenceUpdateable {
	address := c.address(id.String())
	ref := models.NewReferenceUpdate()
	ref.SetOdataId(&address)
	return ref
}

// applied reads the result of an action.
func (c *Client) applied(ctx context.Context, action plan.Action, answer response) reconcile.Result {
	result := reconcile.Result{ID: action.EntraID}
	switch {
	case answer.err != nil:
		result.Err = answer.err
	case answer.Status >= http.StatusMultipleChoices:
		f := refusal("entra."+string(action.Type), answer.Status, answer.header(), answer.Body)
		if answer.Status == http.StatusConflict && f.Kind == fault.Conflict && len(action.Changes) > 0 && !action.WritesUnique() {
			passing(f)
		}
		result.Err = c.tokens.forbidden(action.Cause, c.explainRefusal(ctx, action, f))
	case action.Type == plan.Provision:
		result.ID, result.Err = createdID(answer.Body)
	}
	return result
}

// passing makes a 409 a transient fault where no value of the change must be unique:
// another write was running (assumed: it is documented only that
// Directory_ConcurrencyViolation passes).
func passing(f *fault.Error) {
	f.Kind, f.Reason, f.Subject = fault.Transient, directory.Unavailable, ""
	f.Message = "Graph says that something is in the way of the change: it is tried again by itself"
}

// federates reports whether a sign-in name is in a federated domain, as far as it is
// known.
func (c *Client) federates(ctx context.Context, upn directory.UPN) bool {
	tenant, err := c.Tenant(ctx, nil, time.Time{})
	return err == nil && tenant.Federates(upn)
}

// outdated reads which domains of the tenant are federated, unless they were read just
// now, and reports whether they changed since they were last read.
func (c *Client) outdated(ctx context.Context) bool {
	c.mu.Lock()
	known, age := c.known, time.Since(c.described)
	c.mu.Unlock()
	if age < unverifiedLife {
		return false
	}
	now, err := c.Describe(ctx)
	return err == nil && known.ID != "" && !slices.Equal(known.FederatedDomains, now.FederatedDomains)
}

// clearsManager reports whether an action clears the manager.
func clearsManager(action plan.Action) bool {
	manager, is := action.Value(directory.Manager)
	return is && len(manager) == 0
}

// createdID reads the object id of a new account.
func createdID(body []byte) (directory.EntraID, error) {
	var created struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &created); err != nil || created.ID == "" {
		return "", &fault.Error{Op: "entra.provision", Kind: fault.Transient, Message: "Graph created the account and did not return its id: it is tried again by itself", Err: err}
	}
	return directory.EntraID(created.ID), nil
}

// explainRefusal completes a refusal with what was attempted.
func (c *Client) explainRefusal(ctx context.Context, action plan.Action, f *fault.Error) error {
	value, _ := action.Value(directory.UserPrincipalName)
	upn := directory.UPN(value.String())
	switch {
	case f.Kind == fault.Invalid && (upn != "" || action.Writes(directory.ImmutableID)) && c.outdated(ctx):
		f.Kind, f.Reason = fault.Transient, directory.Unavailable
		f.Message = "the domains of the tenant are not as they were a moment ago: it is tried again"
	case f.Kind == fault.Invalid && (action.Type == plan.HideFromAddressLists || action.Type == plan.ShowInAddressLists):
		f.Message = "Entra does not let entrasync write whether the account is in the address lists, which may belong to Exchange: hide or show it in the Microsoft 365 admin center"
	case f.Reason == directory.DomainNotVerified && c.federates(ctx, upn): // Graph says the same of both
		f.Reason = directory.DomainFederated
		f.Message = fmt.Sprintf("Entra does not let the account have a sign-in name in %s, which is a federated domain: check its onPremisesImmutableId: it must be set, and no other account may have the same", upn.Domain())
	case f.Reason == directory.DomainNotVerified:
		f.Message = fmt.Sprintf("%s is not a verified domain of tenant %s: verify it in Entra or change the user's e-mail",
			upn.Domain(), c.tenantName(ctx))
	case f.Reason == directory.ProtectedAccount && (action.Type == plan.EndSessions || action.Type == plan.Provision):
		// A new account cannot be protected, and ending sessions needs no role.
		f.Reason = directory.PermissionMissing
		if action.Type == plan.Provision {
			f.Kind = fault.Unauthorized // it concerns everybody, and consent comes back for everybody
		}
		f.Message = "Entra does not allow the application to " + strings.ReplaceAll(string(action.Type), "_", " ") + ": give it the permissions that the README lists, with admin consent"
	}
	return f
}
