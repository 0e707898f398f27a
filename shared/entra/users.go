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
		return nil, refusal("entra.look up", answer.Status, answer.header(), answer.Body)
	default:
		return accountOf(answer.Body, attributes)
	}
}

// Apply sends actions, 20 requests to an HTTP request. Each must be for another
// account, because Graph handles the items of a batch side by side. Each costs
// one write unit, a deprovisioning two: it also ends the sessions, once sign-in
// is blocked. The two go in one batch after the other, because Graph takes items
// that depend on each other only as one single chain.
func (c *Client) Apply(ctx context.Context, actions []plan.Action) []reconcile.Result {
	results := make([]reconcile.Result, len(actions))
	for i, action := range actions {
		results[i].ID = action.EntraID
	}
	c.each(ctx, actions, results, c.write, func(i int, answer response) {
		op := "entra." + string(actions[i].Type)
		switch {
		case answer.Status >= http.StatusMultipleChoices:
			results[i].Err = c.sayWhere(ctx, actions[i], refusal(op, answer.Status, answer.header(), answer.Body))
		case actions[i].Type == plan.Provision:
			results[i].ID, results[i].Err = createdID(answer.Body)
		}
	})
	c.each(ctx, actions, results, c.revoke, func(i int, answer response) {
		if answer.Status >= http.StatusMultipleChoices {
			results[i].Err = refusal("entra.revoke sessions", answer.Status, answer.header(), answer.Body)
		}
	})
	return results
}

// each sends one request for every action that has not failed, and hands on the
// answers. An action for which build gives no request is left as it is.
func (c *Client) each(ctx context.Context, actions []plan.Action, results []reconcile.Result,
	build func(context.Context, plan.Action) (*abstractions.RequestInformation, error), read func(int, response)) {
	var requests []request
	for i, action := range actions {
		if results[i].Err != nil {
			continue
		}
		info, err := build(ctx, action)
		if err != nil {
			results[i].Err = fault.Wrap(err, fault.Internal, "entra."+string(action.Type))
			continue
		}
		if info == nil {
			continue
		}
		item, err := c.item(strconv.Itoa(i), info)
		if err != nil {
			results[i].Err = err
			continue
		}
		requests = append(requests, item)
	}
	answers := c.send(ctx, requests)
	for i := range actions {
		answer, sent := answers[strconv.Itoa(i)]
		switch {
		case !sent:
		case answer.err != nil:
			results[i].Err = answer.err
		default:
			read(i, answer)
		}
	}
}

// write is the request that an action is in Graph: none when there is nothing to
// write, as for an account that is taken over and right already.
func (c *Client) write(ctx context.Context, action plan.Action) (*abstractions.RequestInformation, error) {
	if len(action.Changes) == 0 {
		return nil, nil
	}
	body, err := model(action)
	if err != nil {
		return nil, err
	}
	if action.Type == plan.Provision {
		return c.users.ToPostRequestInformation(ctx, body, nil)
	}
	return c.users.ByUserId(string(action.EntraID)).ToPatchRequestInformation(ctx, body, nil)
}

// revoke is the request that ends the sessions of a deprovisioned account.
func (c *Client) revoke(ctx context.Context, action plan.Action) (*abstractions.RequestInformation, error) {
	if action.Type != plan.Deprovision {
		return nil, nil
	}
	return c.users.ByUserId(string(action.EntraID)).RevokeSignInSessions().ToPostRequestInformation(ctx, nil)
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
