package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// Read reads accounts by their object ids, 20 in an HTTP request. It costs one resource
// unit for each account and no write unit.
func (c *Client) Read(ctx context.Context, accounts []directory.EntraID) []reconcile.Found {
	return c.each(ctx, len(accounts), func(i int) (request, error) {
		return c.lookUp(ctx, strconv.Itoa(i), string(accounts[i]), nil)
	}, func(answer response) (*directory.Account, error) { return c.lookedUp(answer, nil) })
}

// FindByImmutableID reads accounts by immutable id, 20 in an HTTP request. It costs one
// resource unit for each id and no write unit. It does not find deleted accounts.
func (c *Client) FindByImmutableID(ctx context.Context, ids []string) []reconcile.Found {
	return c.each(ctx, len(ids), func(i int) (request, error) {
		filter := "onPremisesImmutableId eq " + literal([]rune(ids[i]))
		info, err := c.users.ToGetRequestInformation(ctx, &users.UsersRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Filter: &filter, Select: accountFields},
		})
		if err != nil {
			return request{}, fault.Wrap(err, fault.Internal, "entra.look up")
		}
		return c.item(strconv.Itoa(i), info)
	}, c.onlyOne)
}

// each sends n requests and reads the answers, in their order.
func (c *Client) each(ctx context.Context, n int, requestFor func(int) (request, error), read func(response) (*directory.Account, error)) []reconcile.Found {
	found := make([]reconcile.Found, n)
	var requests []request
	for i := range found {
		item, err := requestFor(i)
		if found[i].Err = err; err == nil {
			requests = append(requests, item)
		}
	}
	for id, answer := range c.send(ctx, requests) {
		if i, err := strconv.Atoi(id); err == nil {
			found[i].Account, found[i].Err = read(answer)
		}
	}
	return found
}

// onlyOne reads the answer to a search for a value that at most one account has.
func (c *Client) onlyOne(answer response) (*directory.Account, error) {
	switch {
	case answer.err == nil && answer.Status == http.StatusNotFound: // the list exists as long as the tenant does
		return nil, &fault.Error{Op: "entra.look up", Kind: fault.Transient, Message: "Entra does not show its accounts: it is tried again by itself"}
	case answer.err != nil || answer.Status != http.StatusOK:
		return c.lookedUp(answer, nil)
	}
	var list struct {
		Value []json.RawMessage `json:"value"`
		Next  string            `json:"@odata.nextLink"`
	}
	if err := json.Unmarshal(answer.Body, &list); err != nil || list.Value == nil || len(list.Value) == 0 && list.Next != "" {
		return nil, &fault.Error{Op: "entra.look up", Kind: fault.Transient, Message: "Graph's answer cannot be read", Err: err}
	}
	if len(list.Value) == 0 {
		return nil, nil
	}
	return accountOf(list.Value[0], nil)
}
