package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// Read reads accounts by their object ids, with the values of the given attributes, 20 in
// an HTTP request. It costs one resource unit for each account and no write unit.
func (c *Client) Read(ctx context.Context, accounts []directory.EntraID, attributes []directory.Attribute) []reconcile.Found {
	return c.each(ctx, len(accounts), func(i int) (request, error) {
		return c.lookUp(ctx, strconv.Itoa(i), string(accounts[i]), attributes)
	}, func(_ int, answer response) (found reconcile.Found) {
		found.Account, found.Err = c.lookedUp(answer, attributes)
		return found
	})
}

// FindDeleted searches accounts by object id among those that can be restored, 20 in an
// HTTP request. It costs one resource unit for each account and no write unit. (That
// Graph takes a filter by id there is assumed; if it does not, Unsearched says so.)
func (c *Client) FindDeleted(ctx context.Context, accounts []directory.EntraID) []reconcile.Found {
	return c.each(ctx, len(accounts), func(i int) (request, error) {
		return c.searchDeleted(strconv.Itoa(i), "id eq "+literal([]rune(string(accounts[i]))))
	}, func(i int, answer response) reconcile.Found { return c.deletedIn(answer, accounts[i]) })
}

// deletedIn reads the answer to a search among the deleted accounts for one of them.
func (c *Client) deletedIn(answer response, id directory.EntraID) (found reconcile.Found) {
	switch {
	case answer.err != nil:
		found.Err = answer.err
		return found
	case answer.Status != http.StatusOK:
		unsearched(&found, refusal(opDeleted, answer.Status, answer.header(), answer.Body))
		return found
	}
	list, err := elementsOf[deletedUser](answer.Body)
	for _, each := range list {
		if strings.EqualFold(each.ID, string(id)) {
			found.Deleted = each.account(directory.UPN(strings.TrimPrefix(each.UserPrincipalName, each.prefix())))
			return found
		}
	}
	next, badNext := c.nextPage(answer.Body)
	if err = errors.Join(err, badNext); err == nil && next != "" {
		err = errors.New("the account would be on this page")
	}
	if err != nil {
		found.Err = unreadablePage(opDeleted, err)
	}
	return found
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
	}, func(_ int, answer response) (found reconcile.Found) {
		found.Account, found.Err = c.onlyOne(answer)
		return found
	})
}

// each sends n requests and reads the answers, in their order.
func (c *Client) each(ctx context.Context, n int, requestFor func(int) (request, error), read func(int, response) reconcile.Found) []reconcile.Found {
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
			found[i] = read(i, answer)
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
