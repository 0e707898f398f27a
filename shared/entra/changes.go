package entra

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// maxEmptyPages is how many pages without an object may come before the link to the changes
// after now (assumed: Graph documents none, and documents empty pages elsewhere).
const maxEmptyPages = 10

// LatestAccounts returns a link from which the changes of accounts after now are read. The
// attributes decide what counts as a change: a link belongs to them, and says nothing about
// others. A tenant without a feed of changes (Entra External ID, Azure AD B2C) is a fault with
// the reason [directory.ChangesUnsupported].
//
// It costs one request, one resource unit and no write unit.
func (c *Client) LatestAccounts(ctx context.Context, attributes []directory.Attribute) (string, error) {
	return c.latest(ctx, accountChanges, "users", trackedProperties(attributes))
}

// LatestGroups is LatestAccounts for groups and their members.
func (c *Client) LatestGroups(ctx context.Context) (string, error) {
	return c.latest(ctx, groupChanges, "groups", append(slices.Clone(trackedOfGroups), "members"))
}

// trackedProperties are the properties of accounts whose changes are read.
func trackedProperties(attributes []directory.Attribute) []string {
	properties := selected(pageFields, attributes)
	if slices.Contains(attributes, directory.Manager) {
		properties = append(properties, string(directory.Manager))
	}
	return properties
}

// trackedOfGroups are the properties of groups whose changes are read, beside the members.
// That Graph tracks isManagementRestricted is not documented.
var trackedOfGroups = slices.DeleteFunc(slices.Clone(groupFields), func(name string) bool { return name == "isManagementRestricted" })

// latest is the link from which the changes of a kind of object after now are read. The
// typed builder has no $deltatoken.
func (c *Client) latest(ctx context.Context, l listing, set string, properties []string) (string, error) {
	info := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		abstractions.GET, "{+baseurl}/{+set}/delta{?%24deltatoken,%24select}", map[string]string{"baseurl": c.baseURL, "set": set})
	info.AddQueryParameters(struct {
		Token  *string  `uriparametername:"%24deltatoken"`
		Select []string `uriparametername:"%24select"`
	}{new("latest"), properties})
	r, err := c.asItem(info, nil)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, l.op)
	}
	for range maxEmptyPages {
		page, failure := c.readPage(ctx, l, readLater(r), false)
		switch {
		case failure != nil:
			return "", failure
		case page.later != "":
			return page.later, nil
		case page.next == "":
			return "", unreadablePage(l.op, errors.New("the changes have no link to what comes after them"))
		}
		if r, err = l.at(page.next); err != nil {
			return "", err
		}
	}
	return "", unreadablePage(l.op, errors.New("the changes do not end"))
}

// page is a page of a list or of changes, with the links on it as they are requested.
type page struct {
	body        []byte
	next, later string
}

// readPage reads a page. linked says that the request follows a link of Graph, which Graph may
// have forgotten.
func (c *Client) readPage(ctx context.Context, l listing, r request, linked bool) (page, error) {
	return c.pageIn(l, r, c.ask(ctx, r), linked)
}

// pageIn is the page in the answer to a request.
func (c *Client) pageIn(l listing, r request, answer response, linked bool) (page, error) {
	if answer.err != nil || answer.Status != http.StatusOK {
		return page{}, l.refused(answer, linked)
	}
	next, later, err := l.links(c, answer.Body)
	if err == nil && next == r.URL {
		err = errors.New("the list does not end")
	}
	if err != nil {
		return page{}, unreadablePage(l.op, err)
	}
	return page{answer.Body, next, later}, nil
}

// changesAt is the page of changes that a link leads to. The last one has a link to what
// changes later: without one everything would have to be read again.
func (c *Client) changesAt(ctx context.Context, l listing, link string) (page, error) {
	r, err := l.at(link)
	if err != nil {
		return page{}, err
	}
	p, err := c.readPage(ctx, l, r, true)
	if err == nil && p.next == "" && p.later == "" {
		return page{}, unreadablePage(l.op, errors.New("the changes have no link to what comes after them"))
	}
	return p, err
}

// AccountChanges reads a page of what changed in the accounts: from a link of
// [Client.LatestAccounts], or from the Next or the Link of an earlier page. Nothing is kept
// between calls, and the same page may be read again. A link that Entra does not know any
// more, after seven days at the latest, is a fault of the kind NotFound with the reason
// [directory.ChangesForgotten]: begin with a list of all accounts.
//
// It costs one request, one resource unit and no write unit.
func (c *Client) AccountChanges(ctx context.Context, from string, attributes []directory.Attribute) (directory.AccountChanges, error) {
	p, err := c.changesAt(ctx, accountChanges, from)
	if err != nil {
		return directory.AccountChanges{}, err
	}
	items, err := changesOn(p.body, func(body []byte) (directory.AccountChange, error) { return accountChange(body, attributes) })
	if err != nil {
		return directory.AccountChanges{}, unreadablePage(opAccountChanges, err)
	}
	return directory.AccountChanges{Items: items, Next: p.next, Link: p.linkWhenLast()}, nil
}

// GroupChanges is [Client.AccountChanges] for groups. A group with many new members comes on
// several pages, each time with some of them. That an account left its groups because it was
// deleted may be missing: the changes of the accounts say that.
func (c *Client) GroupChanges(ctx context.Context, from string) (directory.GroupChanges, error) {
	p, err := c.changesAt(ctx, groupChanges, from)
	if err != nil {
		return directory.GroupChanges{}, err
	}
	items, err := changesOn(p.body, groupChange)
	if err != nil {
		return directory.GroupChanges{}, unreadablePage(opGroupChanges, err)
	}
	return directory.GroupChanges{Items: items, Next: p.next, Link: p.linkWhenLast()}, nil
}

// linkWhenLast is the link to later changes, which counts on the last page only.
func (p page) linkWhenLast() string {
	if p.next != "" {
		return ""
	}
	return p.later
}

// changesOn reads the elements of a page.
func changesOn[T any](body []byte, read func([]byte) (T, error)) ([]T, error) {
	bodies, err := elementsOf[json.RawMessage](body)
	if err != nil {
		return nil, err
	}
	items := make([]T, len(bodies))
	for i, each := range bodies {
		if items[i], err = read(each); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// removal is the mark of an object, or of a reference to one, that is gone. The reason
// "deleted" of an object says that it cannot be restored, "changed" that it can (Microsoft
// Graph documentation, delta query).
type removal struct {
	Reason string `json:"reason"`
}

// checkReferences returns an error if one of the entries names nothing: read as it is, it
// would say that there is no manager.
func checkReferences(entries []reference) error {
	for _, each := range entries {
		if each.ID == "" {
			return errors.New("a manager or a member has no id")
		}
	}
	return nil
}

// forGood reports whether a deleted object cannot be restored.
func (r *removal) forGood() bool { return r != nil && strings.EqualFold(r.Reason, "deleted") }

// reference is an entry for a manager or a member in changes.
type reference struct {
	ID      directory.EntraID `json:"id"`
	Removed *removal          `json:"@removed"`
}

// accountChange reads what a page of changes says of an account. A property that is not there
// says nothing: Graph leaves out what did not change, and what is null, too (observed by
// users: microsoft-graph-docs 4946).
func accountChange(body []byte, attributes []directory.Attribute) (directory.AccountChange, error) {
	var known struct {
		ID      directory.EntraID `json:"id"`
		Removed *removal          `json:"@removed"`
		Manager []reference       `json:"manager@delta"`
	}
	err := json.Unmarshal(body, &known)
	if err == nil {
		err = checkReferences(known.Manager)
	}
	if err != nil {
		return directory.AccountChange{}, err
	}
	change := directory.AccountChange{
		ID: known.ID, Gone: known.Removed != nil, ForGood: known.Removed.forGood(),
		Manager: managerAfter(known.Manager),
	}
	account, err := shownAccount(body, attributes)
	change.Account, change.Agent = account, account.Agent
	return change, err
}

// managerAfter is the manager after the changes of that reference; nil if they say nothing.
func managerAfter(changes []reference) *directory.EntraID {
	var manager *directory.EntraID
	for _, each := range changes {
		switch {
		case each.Removed == nil:
			return &each.ID
		case manager == nil:
			manager = new(directory.EntraID)
		}
	}
	return manager
}

// shownAccount is an account with those of the attributes that an answer shows; the sign-in
// name and the state are always among them. One without an id is an error: left out, it would
// count as one that nothing happened to.
func shownAccount(body []byte, attributes []directory.Attribute) (directory.Account, error) {
	account, err := basicsOf(body)
	if err != nil {
		return directory.Account{}, err
	}
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(body, &properties); err != nil {
		return directory.Account{}, err
	}
	var shown []directory.Attribute
	for _, name := range append([]directory.Attribute{directory.UserPrincipalName, directory.AccountEnabled}, attributes...) {
		if !isApart(name) && shows(properties, name) {
			shown = append(shown, name)
		}
	}
	account.Attributes, err = valuesOf(properties, shown)
	return *account, err
}

// shows reports whether an answer shows an attribute, perhaps as empty. A part of a property
// that is null as a whole is empty; a part that is missing in one that is there says nothing.
func shows(properties map[string]json.RawMessage, name directory.Attribute) bool {
	property, part, inside := name.Parts()
	raw, there := properties[property]
	empty := string(raw) == "null"
	switch {
	case !there || empty && neverEmpty(name):
		return false
	case !inside || empty:
		return true
	}
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return true // the reader of its value says what is wrong
	}
	_, there = parts[part]
	return there
}

// neverEmpty reports whether an attribute always has a value, so that null only says that we
// may not see it: an account whose state is not shown is not disabled.
func neverEmpty(name directory.Attribute) bool {
	return name == directory.UserPrincipalName || name.Facts().Form == directory.FlagForm
}

// groupChange reads what a page of changes says of a group.
func groupChange(body []byte) (directory.GroupChange, error) {
	var known struct {
		shownGroup
		Name    *string     `json:"displayName"`
		Removed *removal    `json:"@removed"`
		Members []reference `json:"members@delta"`
	}
	if err := json.Unmarshal(body, &known); err != nil {
		return directory.GroupChange{}, err
	}
	if known.ID == "" {
		return directory.GroupChange{}, errors.New("a group has no id")
	}
	if err := checkReferences(known.Members); err != nil {
		return directory.GroupChange{}, err
	}
	change := directory.GroupChange{ID: known.ID, Gone: known.Removed != nil, ForGood: known.Removed.forGood(), Name: known.Name, Group: known.group()}
	if known.Name != nil {
		change.Group.Name = *known.Name
	}
	for _, each := range known.Members {
		if each.Removed != nil {
			change.Removed = append(change.Removed, each.ID)
		} else {
			change.Added = append(change.Added, each.ID)
		}
	}
	return change, nil
}
