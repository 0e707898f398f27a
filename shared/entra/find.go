package entra

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// FindByUPN reads accounts by sign-in name, and the deleted ones that had the name, ten
// names in an HTTP request. It costs two resource units for each name and no write
// unit.
func (c *Client) FindByUPN(ctx context.Context, upns []directory.UPN, attributes []directory.Attribute) []reconcile.Found {
	found := make([]reconcile.Found, len(upns))
	var requests []request
	for i, upn := range upns {
		live, err := c.lookUp(ctx, liveID(i), string(upn), attributes)
		if err != nil {
			found[i].Err = err
			continue
		}
		deleted, err := c.lookUpDeleted(deletedID(i), upn)
		if err != nil {
			found[i].Err = err
			continue
		}
		requests = append(requests, live, deleted)
	}
	answers := c.send(ctx, requests)
	errands := make([]*errand, 0, len(upns))
	for i, upn := range upns {
		if found[i].Err != nil {
			continue
		}
		if found[i].Account, found[i].Err = c.lookedUp(answers[liveID(i)], attributes); found[i].Err == nil {
			errands = append(errands, c.twins(answers[deletedID(i)], upn, &found[i]))
		}
	}
	c.run(ctx, errands)
	return found
}

// The ids of the two items of a name.
func liveID(i int) string    { return strconv.Itoa(i) }
func deletedID(i int) string { return "d" + strconv.Itoa(i) }

// lookUp is the request for an account, by its id or sign-in name.
func (c *Client) lookUp(ctx context.Context, item, name string, attributes []directory.Attribute) (request, error) {
	query := &users.UserItemRequestBuilderGetQueryParameters{Select: selected(accountFields, attributes)}
	if slices.Contains(attributes, directory.Manager) {
		query.Expand = []string{"manager($select=id)"}
	}
	info, err := c.users.ByUserId(name).ToGetRequestInformation(ctx, &users.UserItemRequestBuilderGetRequestConfiguration{QueryParameters: query})
	if err != nil {
		return request{}, fault.Wrap(err, fault.Internal, "entra.look up")
	}
	return c.item(item, info)
}

// selected are the properties to select of an account: some fields, and those of the
// attributes; parts of properties cannot be selected.
func selected(fields []string, attributes []directory.Attribute) []string {
	properties := slices.Clone(fields)
	for _, name := range attributes {
		property, _, _ := name.Parts()
		if name == directory.AssignedLicenses {
			properties = append(properties, licenseStates)
		}
		if !name.Facts().Apart && !slices.Contains(properties, property) {
			properties = append(properties, property)
		}
	}
	return properties
}

// lookedUp reads the answer of one lookup: no account and no error for a 404.
func (c *Client) lookedUp(answer response, attributes []directory.Attribute) (*directory.Account, error) {
	switch {
	case answer.err != nil:
		return nil, answer.err
	case answer.Status == http.StatusNotFound:
		return nil, nil
	case answer.Status != http.StatusOK:
		return nil, readable(refusal("entra.look up", answer.Status, answer.header(), answer.Body))
	default:
		return accountOf(answer.Body, attributes)
	}
}

// readable is the fault for accounts that Graph did not return. Everybody's account may be
// read, so a refusal is about the permissions of the application.
func readable(f *fault.Error) *fault.Error {
	if f.Reason == directory.ProtectedAccount {
		f.Kind, f.Reason = fault.Unauthorized, directory.PermissionMissing
		f.Message = "Entra does not allow the application to read accounts: give it the permissions that the README lists, with admin consent"
	}
	return f
}

// lookUpDeleted is the request for the deleted accounts whose name ends with a sign-in
// name: Entra puts the object id before the name of a deleted account (observed by
// users of deletedItems), so only an advanced query finds it.
func (c *Client) lookUpDeleted(item string, upn directory.UPN) (request, error) {
	return c.searchDeleted(item, "endsWith(userPrincipalName,"+ending(string(upn))+")")
}

// searchDeleted is the request for the deleted accounts that match a filter.
func (c *Client) searchDeleted(item, filter string) (request, error) {
	info := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		abstractions.GET, "{+baseurl}/directory/deletedItems/graph.user{?%24count,%24filter,%24select}", map[string]string{"baseurl": c.baseURL})
	count := true
	info.AddQueryParameters(struct {
		Count  *bool    `uriparametername:"%24count"`
		Filter *string  `uriparametername:"%24filter"`
		Select []string `uriparametername:"%24select"`
	}{&count, &filter, []string{"id", "userPrincipalName", "deletedDateTime", "onPremisesImmutableId", "onPremisesSyncEnabled", "userType"}})
	r, err := c.item(item, info)
	r.Headers = map[string]string{"ConsistencyLevel": "eventual"}
	return r, err
}

// unsearched notes why the deleted accounts could not be searched: if a retry may change
// that, the complete answer is missing.
func unsearched(found *reconcile.Found, f *fault.Error) {
	if f.Kind.Decide() == fault.Retry {
		found.Err = f
	} else {
		found.Unsearched = f
	}
}

// twins is the errand that finds, among the deleted accounts of a name, the one deleted
// last. The first page of their list was read already. If Graph refuses to search, a
// retry would not help; the result says why then, because a new account may be created
// although a deleted one could be restored.
func (c *Client) twins(first response, upn directory.UPN, found *reconcile.Found) *errand {
	if first.err != nil {
		found.Err = first.err
		return &errand{}
	}
	if first.Status != http.StatusOK {
		unsearched(found, refusal(opDeleted, first.Status, first.header(), first.Body))
		return &errand{}
	}
	search, err := c.lookUpDeleted("", upn)
	e := c.pages(opDeleted, search, err, func(page []byte) (err error) {
		found.Deleted, err = laterTwin(found.Deleted, page, upn)
		return err
	}, func(err error) {
		f := *fault.Of(err)
		if f.Kind != fault.Throttled && f.Kind != fault.Unauthorized { // who was found so far need not be the last one
			f.Kind, f.Reason = fault.Transient, directory.Unavailable
			f.Message = "Graph does not give its list of deleted accounts to the end: it is tried again by itself"
		}
		found.Deleted, found.Err = nil, &f
	})
	if len(e.requests) > 0 { // its answer is here already
		e.requests = nil
		e.then([]response{first})
	}
	return e
}

const opDeleted = "entra.look up deleted"

// deletedUser is a deleted account as Graph lists it.
type deletedUser struct {
	ID                    string    `json:"id"`
	Type                  string    `json:"@odata.type"`
	UserPrincipalName     string    `json:"userPrincipalName"`
	DeletedDateTime       time.Time `json:"deletedDateTime"`
	OnPremisesImmutableID string    `json:"onPremisesImmutableId"`
	OnPremisesSyncEnabled bool      `json:"onPremisesSyncEnabled"`
	UserType              string    `json:"userType"`
}

// prefix is what Entra puts before the name.
func (d deletedUser) prefix() string { return strings.ReplaceAll(d.ID, "-", "") }

// account is the deleted account with the sign-in name that it had.
func (d deletedUser) account(upn directory.UPN) *directory.DeletedAccount {
	return &directory.DeletedAccount{ID: directory.EntraID(d.ID), UPN: upn, ImmutableID: d.OnPremisesImmutableID, At: d.DeletedDateTime,
		Guest: isGuest(d.UserType), Agent: isAgent(d.Type), SyncedFromOnPremises: d.OnPremisesSyncEnabled}
}

// laterTwin is the twin that was deleted last: one on the page, or the twin found
// before.
func laterTwin(twin *directory.DeletedAccount, page []byte, upn directory.UPN) (*directory.DeletedAccount, error) {
	found, err := elementsOf[deletedUser](page)
	for _, each := range found {
		name := directory.UPN(each.UserPrincipalName)
		had := name.Same(upn) || name.Same(directory.UPN(each.prefix()+string(upn)))
		if had && (twin == nil || each.DeletedDateTime.After(twin.At)) {
			twin = each.account(upn)
		}
	}
	return twin, err
}
