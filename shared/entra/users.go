package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

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
	answers := c.send(ctx, slices.Collect(slices.Chunk(requests, maxBatch)))
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
		return nil, refusal("entra.look up", answer.Status, answer.header(), answer.Body)
	default:
		return accountOf(answer.Body, attributes)
	}
}

// Apply sends actions, 20 requests to an HTTP request. Each must be for another
// account, because Graph handles the items of a batch side by side. Each costs
// one write unit, a deprovisioning two: it also ends the sessions.
func (c *Client) Apply(ctx context.Context, actions []plan.Action) []reconcile.Result {
	results := make([]reconcile.Result, len(actions))
	var chunks [][]request
	for i, action := range actions {
		results[i].ID = action.EntraID
		requests, err := c.requests(ctx, strconv.Itoa(i), action)
		if err != nil {
			results[i].Err = err
			continue
		}
		if len(requests) == 0 {
			continue
		}
		last := len(chunks) - 1
		if last < 0 || len(chunks[last])+len(requests) > maxBatch {
			chunks = append(chunks, requests)
		} else {
			chunks[last] = append(chunks[last], requests...)
		}
	}
	answers := c.send(ctx, chunks)
	for i, action := range actions {
		if results[i].Err == nil {
			results[i] = c.applied(ctx, action, answers[strconv.Itoa(i)], answers[strconv.Itoa(i)+revoked])
		}
	}
	return results
}

// revoked marks the id of the request that ends the sessions of an account.
const revoked = "-revoke"

// requests are what an action is in Graph: nothing when there is nothing to
// write, as for an account that is taken over and right already.
func (c *Client) requests(ctx context.Context, id string, action plan.Action) ([]request, error) {
	if len(action.Changes) == 0 {
		return nil, nil
	}
	body, err := model(action)
	if err != nil {
		return nil, err
	}
	var info *abstractions.RequestInformation
	if action.Type == plan.Provision {
		info, err = c.users.ToPostRequestInformation(ctx, body, nil)
	} else {
		info, err = c.users.ByUserId(string(action.EntraID)).ToPatchRequestInformation(ctx, body, nil)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "entra."+string(action.Type))
	}
	write, err := c.item(id, info)
	if err != nil || action.Type != plan.Deprovision {
		return []request{write}, err
	}
	info, err = c.users.ByUserId(string(action.EntraID)).RevokeSignInSessions().ToPostRequestInformation(ctx, nil)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "entra.revoke")
	}
	revoke, err := c.item(id+revoked, info)
	revoke.DependsOn = []string{write.ID}
	return []request{write, revoke}, err
}

// applied reads what became of an action.
func (c *Client) applied(ctx context.Context, action plan.Action, write, revoke response) reconcile.Result {
	result := reconcile.Result{ID: action.EntraID}
	op := "entra." + string(action.Type)
	switch {
	case len(action.Changes) == 0:
	case write.err != nil:
		result.Err = write.err
	case write.Status >= http.StatusMultipleChoices:
		result.Err = c.sayWhere(ctx, action, refusal(op, write.Status, write.header(), write.Body))
	case action.Type == plan.Provision:
		result.ID, result.Err = createdID(write.Body)
	case action.Type == plan.Deprovision && revoke.err != nil:
		result.Err = revoke.err
	case action.Type == plan.Deprovision && revoke.Status >= http.StatusMultipleChoices:
		result.Err = refusal("entra.revoke sessions", revoke.Status, revoke.header(), revoke.Body)
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

// sayWhere completes the message of a refusal that only makes sense with the
// names of the domain and the tenant.
func (c *Client) sayWhere(ctx context.Context, action plan.Action, f *fault.Error) error {
	if f.Reason != string(directory.DomainNotVerified) {
		return f
	}
	upn, _ := action.Value(directory.UserPrincipalName)
	f.Message = fmt.Sprintf("%s is not a verified domain of tenant %s: verify it in Entra or change the user's e-mail",
		directory.UPN(upn.String()).Domain(), c.tenantName(ctx))
	return f
}
