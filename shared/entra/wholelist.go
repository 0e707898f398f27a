package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// pageFields are read of every account in a list of all of them and in their changes. Whether
// it is in a restricted unit is not: that Graph tracks it is not documented.
var pageFields = slices.DeleteFunc(slices.Clone(accountFields), func(name string) bool { return name == "isManagementRestricted" })

// AccountPage reads one page of all accounts of the tenant that are not deleted, in Graph's
// order; guests and agents are among them. from is "" for the first page and Next for a later
// one; a page may be short, or empty, and still have a next one. A Next that Entra does not
// know any more is a fault with the reason [directory.ChangesForgotten].
//
// It costs one request, one resource unit (two with managers) and no write unit for up to 999
// accounts. Graph may put fewer on a page that has managers.
func (c *Client) AccountPage(ctx context.Context, from string, attributes []directory.Attribute) (directory.AccountChanges, error) {
	p, err := c.listPage(ctx, allAccounts, from, func(top *int32) (request, error) { return c.firstAccounts(ctx, attributes, top) })
	if err != nil {
		return directory.AccountChanges{}, err
	}
	items, err := changesOn(p.body, func(body []byte) (directory.AccountChange, error) { return listedAccount(body, attributes) })
	if err != nil {
		return directory.AccountChanges{}, unreadablePage(opAccountPage, err)
	}
	return directory.AccountChanges{Items: items, Next: p.next}, nil
}

// GroupPage reads one page of all groups of the tenant that are not deleted, of whatever
// kind, as [Client.AccountPage] reads accounts. It shows no members.
func (c *Client) GroupPage(ctx context.Context, from string) (directory.GroupChanges, error) {
	p, err := c.listPage(ctx, allGroups, from, func(top *int32) (request, error) {
		return c.asItem(c.groups.ToGetRequestInformation(ctx, &groups.GroupsRequestBuilderGetRequestConfiguration{
			QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{Select: groupFields, Top: top},
		}))
	})
	if err != nil {
		return directory.GroupChanges{}, err
	}
	items, err := changesOn(p.body, groupChange)
	if err != nil {
		return directory.GroupChanges{}, unreadablePage(opGroupPage, err)
	}
	return directory.GroupChanges{Items: items, Next: p.next}, nil
}

// CountAccounts counts the accounts of the tenant, and CountGroups its groups. They say how far
// a list is, and no more than that: Graph takes the numbers from an index that lags (Microsoft
// Graph documentation, advanced queries).
//
// Each costs one request, one or two resource units and no write unit.
func (c *Client) CountAccounts(ctx context.Context) (int, error) {
	return c.count(ctx, allAccounts, "users")
}

// CountGroups is [Client.CountAccounts] for groups.
func (c *Client) CountGroups(ctx context.Context) (int, error) {
	return c.count(ctx, allGroups, "groups")
}

// count counts the objects of a list. The answer is plain text.
func (c *Client) count(ctx context.Context, l listing, set string) (int, error) {
	r, err := c.asItem(abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		abstractions.GET, "{+baseurl}/{+set}/$count", map[string]string{"baseurl": c.baseURL, "set": set}), nil)
	if err != nil {
		return 0, fault.Wrap(err, fault.Internal, l.op)
	}
	r = readLater(r)
	r.Headers["ConsistencyLevel"] = "eventual"
	answer := c.ask(ctx, r)
	if answer.err != nil || answer.Status != http.StatusOK {
		return 0, l.refused(answer, false)
	}
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(answer.Body), "\ufeff")))
	if err != nil {
		return 0, unreadablePage(l.op, err)
	}
	return n, nil
}

// listPage reads the page of a list that from leads to, or the first one. If Graph refuses
// the page size, it is asked for its own: which one it takes together with $expand is not
// documented.
func (c *Client) listPage(ctx context.Context, l listing, from string, first func(top *int32) (request, error)) (page, error) {
	if from != "" {
		r, err := l.at(from)
		if err != nil {
			return page{}, err
		}
		return c.readPage(ctx, l, r, true)
	}
	top := pageSize
	for size := &top; ; size = nil {
		r, err := first(size)
		if err != nil {
			return page{}, fault.Wrap(err, fault.Internal, l.op)
		}
		answer := c.ask(ctx, readLater(r))
		if answer.err == nil && answer.Status == http.StatusBadRequest && size != nil {
			continue
		}
		return c.pageIn(l, r, answer, false)
	}
}

// firstAccounts is the request for the first page of all accounts. Graph continues the list
// with the properties and the size of the first page.
func (c *Client) firstAccounts(ctx context.Context, attributes []directory.Attribute, top *int32) (request, error) {
	query := &users.UsersRequestBuilderGetQueryParameters{Select: selected(pageFields, attributes), Top: top}
	if slices.Contains(attributes, directory.Manager) {
		query.Expand = []string{"manager($select=id)"}
	}
	return c.asItem(c.users.ToGetRequestInformation(ctx, &users.UsersRequestBuilderGetRequestConfiguration{QueryParameters: query}))
}

// listedAccount reads an account of a list, which shows all values: what is not there is
// empty, apart from what is never empty. Without a manager Graph leaves the property out.
func listedAccount(body []byte, attributes []directory.Attribute) (directory.AccountChange, error) {
	var known struct {
		Manager *reference `json:"manager"`
	}
	if err := json.Unmarshal(body, &known); err != nil {
		return directory.AccountChange{}, err
	}
	account, err := shownAccount(body, attributes)
	if err != nil {
		return directory.AccountChange{}, err
	}
	for _, name := range attributes {
		if _, shown := account.Attributes[name]; !shown && !isApart(name) && !neverEmpty(name) {
			account.Attributes[name] = nil
		}
	}
	change := directory.AccountChange{ID: account.ID, Account: account, Agent: account.Agent}
	if slices.Contains(attributes, directory.Manager) {
		change.Manager = new(directory.EntraID)
		if known.Manager != nil {
			*change.Manager = known.Manager.ID
		}
	}
	return change, nil
}
