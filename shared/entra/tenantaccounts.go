package entra

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// tenantFields are read of every account for the list and the import.
var tenantFields = []string{
	"id", "userPrincipalName", "displayName", "givenName", "surname", "mail", "mailNickname", "onPremisesImmutableId", "accountEnabled", "userType",
}

const (
	// maxByIDs is the highest number of ids in one getByIds (Microsoft Graph
	// documentation, directoryObject: getByIds).
	maxByIDs = 1000
	// maxInFilter is the highest number of values that Graph accepts in one "in"
	// (observed by users, not documented).
	maxInFilter = 15
)

// opAccounts is the operation of reading accounts for the import.
const opAccounts = "entra.read accounts"

// objectID matches the id of an object: any other text makes Graph refuse all ids of its
// request.
var objectID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// AccountsByID reads accounts by their object ids, 1,000 in an HTTP request. Those that do
// not exist are missing in the result, and so may be one that was created some seconds
// ago. The keys are the ids as they were given.
//
// Each 1,000 ids cost two resource units and no write unit. An account of which that
// request does not say whether it is enabled costs one more unit, and a twentieth of an
// HTTP request.
func (c *Client) AccountsByID(ctx context.Context, ids []directory.EntraID, attributes []directory.Attribute) (map[directory.EntraID]directory.TenantAccount, error) {
	given := map[string][]directory.EntraID{} // by the id as Graph compares it
	var distinct []string
	for _, id := range ids {
		key := strings.ToLower(string(id))
		if !objectID.MatchString(key) || slices.Contains(given[key], id) {
			continue
		}
		if given[key] == nil {
			distinct = append(distinct, key)
		}
		given[key] = append(given[key], id)
	}
	result := map[directory.EntraID]directory.TenantAccount{}
	for chunk := range slices.Chunk(distinct, maxByIDs) {
		accounts, err := c.byIDs(ctx, chunk, attributes)
		if err != nil {
			return nil, err
		}
		for _, account := range accounts {
			for _, id := range given[strings.ToLower(string(account.ID))] {
				result[id] = account
			}
		}
	}
	return result, nil
}

// byIDs reads accounts with one getByIds, and those again that it does not show
// completely.
func (c *Client) byIDs(ctx context.Context, ids []string, attributes []directory.Attribute) ([]directory.TenantAccount, error) {
	body, err := json.Marshal(map[string]any{"ids": ids, "types": []string{"user"}})
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, opAccounts)
	}
	info := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		abstractions.POST, "{+baseurl}/directoryObjects/getByIds{?%24select}", map[string]string{"baseurl": c.baseURL})
	info.AddQueryParameters(struct {
		Select []string `uriparametername:"%24select"`
	}{selected(tenantFields, attributes)})
	info.Content = body
	r, err := c.item("", info)
	if err != nil {
		return nil, err
	}
	r.urgency = live // a POST, but a read
	answer := c.ask(ctx, r)
	if answer.err != nil || answer.Status != http.StatusOK {
		return nil, accountsFault(opAccounts, answer)
	}
	found, err := accountsOn(answer.Body, attributes)
	if err != nil {
		return nil, unreadablePage(opAccounts, err)
	}
	return c.completed(ctx, found, attributes)
}

// AccountsByUPN reads accounts by their sign-in names, 300 in an HTTP request. Those that
// do not exist are missing in the result, and so may be one that was created or renamed
// some seconds ago. The keys are the names in lower case.
//
// Each 15 names cost one resource unit and no write unit.
func (c *Client) AccountsByUPN(ctx context.Context, upns []directory.UPN, attributes []directory.Attribute) (map[directory.UPN]directory.TenantAccount, error) {
	wanted := map[directory.UPN]bool{}
	for _, upn := range upns {
		wanted[directory.UPN(strings.ToLower(string(upn)))] = true
	}
	var found []foundAccount
	var failed firstError
	var errands []*errand
	short, long := namesToFind(slices.Sorted(maps.Keys(wanted)))
	for names := range slices.Chunk(short, maxInFilter) {
		first, err := c.namedIn(ctx, names, attributes)
		errands = append(errands, c.pagesOr(opAccounts, first, err, func(page []byte) error {
			accounts, err := accountsOn(page, attributes)
			found = append(found, accounts...)
			return err
		}, failed.note, accountsFault))
	}
	for _, name := range long {
		errands = append(errands, c.single(ctx, name, attributes, func(answer response) error {
			if answer.absent() {
				return nil
			}
			account, err := accountIn(answer, attributes)
			found = append(found, account)
			return err
		}, failed.note))
	}
	c.run(ctx, errands)
	if failed.err != nil {
		return nil, failed.err
	}
	accounts, err := c.completed(ctx, found, attributes)
	if err != nil {
		return nil, err
	}
	result := map[directory.UPN]directory.TenantAccount{}
	for _, account := range accounts {
		if key := directory.UPN(strings.ToLower(string(account.UPN))); wanted[key] {
			result[key] = account
		}
	}
	return result, nil
}

// namesToFind sorts sign-in names into those that a filter accepts and those that are
// perhaps too long for it, and leaves out what no account can be called: one such name
// would make Graph refuse the names that are in a request with it.
func namesToFind(upns []directory.UPN) (short, long []string) {
	for _, upn := range upns {
		name := string(upn)
		switch {
		case name == "" || len(name) > maxFilterValue || strings.ContainsFunc(name, unicode.IsControl):
		case string(fitting([]rune(name))) == name:
			short = append(short, name)
		default:
			long = append(long, name)
		}
	}
	return short, long
}

// namedIn is the request for the accounts that have one of some sign-in names.
func (c *Client) namedIn(ctx context.Context, names []string, attributes []directory.Attribute) (request, error) {
	literals := make([]string, len(names))
	for i, name := range names {
		literals[i] = literal([]rune(name))
	}
	filter := "userPrincipalName in (" + strings.Join(literals, ",") + ")"
	return c.asItem(c.users.ToGetRequestInformation(ctx, &users.UsersRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Filter: &filter, Select: selected(tenantFields, attributes)},
	}))
}

// single is the errand that reads one account, by its id or sign-in name.
func (c *Client) single(ctx context.Context, name string, attributes []directory.Attribute, take func(response) error, fail func(error)) *errand {
	r, err := c.asItem(c.users.ByUserId(name).ToGetRequestInformation(ctx, &users.UserItemRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{Select: selected(tenantFields, attributes)},
	}))
	if err != nil {
		fail(fault.Wrap(err, fault.Internal, opAccounts))
		return &errand{}
	}
	return &errand{requests: []request{r}, then: func(answers []response) {
		if err := take(answers[0]); err != nil {
			fail(err)
		}
	}}
}

// firstError keeps the first of several errors.
type firstError struct{ err error }

// note takes an error.
func (f *firstError) note(err error) {
	if f.err == nil {
		f.err = err
	}
}

// ask sends a request on its own. A missing permission is its answer's error.
func (c *Client) ask(ctx context.Context, r request) response {
	answer := c.alone(ctx, r)
	if answer.err == nil {
		answer.err = missingPermission(r, answer.Status, answer.Body, answer.token)
	}
	return answer
}

// accountsFault is the fault for accounts that Graph does not return.
func accountsFault(op string, answer response) *fault.Error {
	f := readable(answer.fault(op))
	switch f.Kind {
	case fault.NotFound: // the accounts exist as long as the tenant does
		f = because(fault.Transient, directory.Unavailable, "", "Entra does not show its accounts: it is tried again by itself")
	case fault.Invalid, fault.Conflict: // there is no value that somebody could change
		f = defect(answer.Status, errorOf(answer.Body))
	}
	f.Op = op
	return f
}

// foundAccount is an account as an answer shows it.
type foundAccount struct {
	directory.TenantAccount
	complete bool // the answer says whether it is enabled, and its sign-in name
}

// completed are the accounts, of which those that Graph did not show completely are read
// again, each by a request in a batch. getByIds does not return all properties of users:
// without $select it leaves out accountEnabled, and with it others were missing (observed
// by users: microsoft-graph-docs-contrib 8798, microsoft-graph-docs 6841); where we have
// no permission all are null (Microsoft Graph documentation, limited information returned
// for inaccessible member objects). Then nothing says that an account is disabled.
func (c *Client) completed(ctx context.Context, found []foundAccount, attributes []directory.Attribute) ([]directory.TenantAccount, error) {
	accounts := make([]directory.TenantAccount, len(found))
	var failed firstError
	var errands []*errand
	for i, f := range found {
		accounts[i] = f.TenantAccount
		if f.complete {
			continue
		}
		errands = append(errands, c.single(ctx, string(f.ID), attributes, func(answer response) error {
			again, err := accountIn(answer, attributes)
			again.Agent = again.Agent || f.Agent
			accounts[i] = again.TenantAccount
			return err
		}, failed.note))
	}
	c.run(ctx, errands)
	return accounts, failed.err
}

// accountIn reads the account in the answer to the request for it alone.
func accountIn(answer response, attributes []directory.Attribute) (foundAccount, error) {
	if answer.err != nil || answer.Status != http.StatusOK {
		return foundAccount{}, accountsFault(opAccounts, answer)
	}
	account, err := tenantAccountOf(answer.Body, attributes)
	if err == nil && !account.complete {
		err = errors.New("an account has no state or no sign-in name")
	}
	if err != nil {
		return foundAccount{}, unreadablePage(opAccounts, err)
	}
	return account, nil
}

// accountsOn reads the accounts on a page.
func accountsOn(page []byte, attributes []directory.Attribute) ([]foundAccount, error) {
	bodies, err := elementsOf[json.RawMessage](page)
	if err != nil {
		return nil, err
	}
	accounts := make([]foundAccount, len(bodies))
	for i, body := range bodies {
		if accounts[i], err = tenantAccountOf(body, attributes); err != nil {
			return nil, err
		}
	}
	return accounts, nil
}

// tenantAccountOf reads an account, with the values of the given attributes. One without
// an id is an error: left out, it would count as one that does not exist.
func tenantAccountOf(body []byte, attributes []directory.Attribute) (foundAccount, error) {
	var known struct {
		Type                  string `json:"@odata.type"`
		ID                    string `json:"id"`
		UserPrincipalName     string `json:"userPrincipalName"`
		DisplayName           string `json:"displayName"`
		GivenName             string `json:"givenName"`
		Surname               string `json:"surname"`
		Mail                  string `json:"mail"`
		MailNickname          string `json:"mailNickname"`
		OnPremisesImmutableID string `json:"onPremisesImmutableId"`
		AccountEnabled        *bool  `json:"accountEnabled"`
		UserType              string `json:"userType"`
	}
	if err := json.Unmarshal(body, &known); err != nil {
		return foundAccount{}, err
	}
	if known.ID == "" {
		return foundAccount{}, errors.New("an account has no id")
	}
	values, err := attributesIn(body, slices.DeleteFunc(slices.Clone(attributes), isApart))
	if err != nil {
		return foundAccount{}, err
	}
	return foundAccount{
		TenantAccount: directory.TenantAccount{
			ID: directory.EntraID(known.ID), UPN: directory.UPN(known.UserPrincipalName),
			DisplayName: known.DisplayName, GivenName: known.GivenName, Surname: known.Surname,
			Mail: known.Mail, Alias: known.MailNickname, ImmutableID: known.OnPremisesImmutableID,
			Enabled: known.AccountEnabled != nil && *known.AccountEnabled, Guest: isGuest(known.UserType),
			Agent: isAgent(known.Type), Attributes: values,
		},
		complete: known.AccountEnabled != nil && known.UserPrincipalName != "",
	}, nil
}

// isApart reports whether an attribute is another object, which no list of accounts has.
func isApart(name directory.Attribute) bool { return name.Facts().Apart }
