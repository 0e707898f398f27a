package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// FindByUPN looks accounts up by sign-in name, 20 to an HTTP request. It costs
// one resource unit a name and no write unit.
func (c *Client) FindByUPN(ctx context.Context, upns []directory.UPN, attributes []directory.Attribute) []reconcile.Found {
	found := make([]reconcile.Found, len(upns))
	config := &users.UserItemRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{Select: fields(attributes)},
	}
	var requests []request
	for i, upn := range upns {
		info, err := c.users.ByUserId(string(upn)).ToGetRequestInformation(ctx, config)
		if err != nil {
			found[i].Err = fault.Wrap(err, fault.Internal, "entra.look up")
			continue
		}
		item, err := c.item(strconv.Itoa(i), info)
		if err != nil {
			found[i].Err = err
			continue
		}
		requests = append(requests, item)
	}
	answers := c.send(ctx, requests)
	for i := range found {
		answer, sent := answers[strconv.Itoa(i)]
		if !sent {
			continue
		}
		found[i].Account, found[i].Err = c.lookedUp(answer, attributes)
	}
	return found
}

// fields are what to select of an account.
func fields(attributes []directory.Attribute) []string {
	selected := slices.Clone(accountFields)
	for _, name := range attributes {
		if !slices.Contains(selected, string(name)) {
			selected = append(selected, string(name))
		}
	}
	return selected
}

// lookedUp reads the answer of one look-up: no account and no error for a 404.
func (c *Client) lookedUp(answer response, attributes []directory.Attribute) (*directory.Account, error) {
	switch {
	case answer.err != nil:
		return nil, answer.err
	case answer.Status == http.StatusNotFound:
		return nil, nil
	case answer.Status != http.StatusOK:
		f := refusal("entra.look up", answer.Status, answer.header(), answer.Body)
		if f.Reason == string(directory.ProtectedAccount) { // everybody's account may be read
			f.Kind, f.Reason = fault.Unauthorized, string(directory.PermissionMissing)
			f.Message = "Entra does not allow the application to read accounts: give it the permissions that the README lists, with admin consent"
		}
		return nil, f
	default:
		return accountOf(answer.Body, attributes)
	}
}

// Apply sends actions, each as one request, 20 to an HTTP request. Each must be
// for another account, because Graph handles the items of a batch side by side.
// Each costs one write unit.
func (c *Client) Apply(ctx context.Context, actions []plan.Action) []reconcile.Result {
	results := make([]reconcile.Result, len(actions))
	var requests []request
	for i, action := range actions {
		results[i].ID = action.EntraID
		item, needed, err := c.requestFor(ctx, strconv.Itoa(i), action)
		if err != nil {
			results[i].Err = fault.Wrap(err, fault.Internal, "entra."+string(action.Type))
		} else if needed {
			requests = append(requests, item)
		}
	}
	answers := c.send(ctx, requests)
	for i, action := range actions {
		if answer, sent := answers[strconv.Itoa(i)]; sent {
			results[i] = c.applied(ctx, action, answer)
		}
	}
	return results
}

// requestFor is the request that an action is in Graph. None is needed when there
// is nothing to write, as for an account that is taken over and right already.
func (c *Client) requestFor(ctx context.Context, id string, action plan.Action) (item request, needed bool, err error) {
	var info *abstractions.RequestInformation
	account := c.users.ByUserId(string(action.EntraID))
	switch {
	case action.Type == plan.EndSessions:
		info, err = account.RevokeSignInSessions().ToPostRequestInformation(ctx, nil)
	case len(action.Changes) == 0:
		return request{}, false, nil
	default:
		body, wrong := model(action)
		if wrong != nil {
			return request{}, false, wrong
		}
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

// applied reads what became of an action.
func (c *Client) applied(ctx context.Context, action plan.Action, answer response) reconcile.Result {
	result := reconcile.Result{ID: action.EntraID}
	switch {
	case answer.err != nil:
		result.Err = answer.err
	case answer.Status >= http.StatusMultipleChoices:
		result.Err = c.sayWhat(ctx, action, refusal("entra."+string(action.Type), answer.Status, answer.header(), answer.Body))
	case action.Type == plan.Provision:
		result.ID, result.Err = createdID(answer.Body)
	}
	return result
}

// createdID reads the object id of a new account.
func createdID(body []byte) (directory.EntraID, error) {
	var created struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &created); err != nil || created.ID == "" {
		return "", &fault.Error{Op: "entra.provision", Kind: fault.Transient, Message: "Graph created the account and did not say its id: it is looked up", Err: err}
	}
	return directory.EntraID(created.ID), nil
}

// sayWhat completes a refusal that only makes sense with what was attempted.
func (c *Client) sayWhat(ctx context.Context, action plan.Action, f *fault.Error) error {
	switch {
	case f.Reason == string(directory.DomainNotVerified):
		upn, _ := action.Value(directory.UserPrincipalName)
		f.Message = fmt.Sprintf("%s is not a verified domain of tenant %s: verify it in Entra or change the user's e-mail",
			directory.UPN(upn.String()).Domain(), c.tenantName(ctx))
	case f.Reason == string(directory.ProtectedAccount) && (action.Type == plan.EndSessions || action.Type == plan.Provision):
		// A new account cannot be protected, and ending sessions needs no role.
		f.Reason = string(directory.PermissionMissing)
		if action.Type == plan.Provision {
			f.Kind = fault.Unauthorized // it concerns everybody, and consent comes back for everybody
		}
		f.Message = "Entra does not allow the application to " + strings.ReplaceAll(string(action.Type), "_", " ") + ": give it the permissions that the README lists, with admin consent"
	}
	return f
}
