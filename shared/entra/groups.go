package entra

import (
	"context"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// pageSize is the highest number of groups or members that Graph returns on a page
// (observed by its users; the default is 100).
const pageSize int32 = 999

// groupFields are read of every group. Graph returns isManagementRestricted only if it
// is selected.
var groupFields = []string{
	"id", "displayName", "uniqueName", "groupTypes", "mailEnabled", "securityEnabled",
	"onPremisesSyncEnabled", "isAssignableToRole", "isManagementRestricted",
}

// FindGroups reads groups of every kind by display name, 20 names in an HTTP request.
// It costs one resource unit for each name, for up to 999 groups whose name begins with
// it, and no write unit.
//
// Names are compared without case and without white space around them. A group whose
// name begins with white space in Entra is not found: no filter of Graph finds it.
func (c *Client) FindGroups(ctx context.Context, names []string) []reconcile.FoundGroups {
	const op = "entra.find groups"
	found := make([]reconcile.FoundGroups, len(names))
	errands := make([]*errand, len(names))
	for i, name := range names {
		first, err := c.beginningWith(ctx, strings.TrimSpace(name))
		errands[i] = c.pages(op, first, err, func(page []byte) (err error) {
			found[i].Groups, err = appendNamed(found[i].Groups, page, name)
			return err
		}, func(err error) { found[i] = reconcile.FoundGroups{Err: err} })
	}
	c.run(ctx, errands)
	return found
}

// beginningWith is the request for the groups whose name begins with a text. An eq
// would not find a name that ends with a space or a line break (observed by users), and
// does not accept a long name either. So every name takes one item, and [appendNamed]
// drops the groups with other names. That costs more only where more than one page of
// groups begins with the name. It is a plain filter, which the directory itself
// answers, not the index of the advanced queries, which lags more (Microsoft Graph
// documentation, advanced queries).
func (c *Client) beginningWith(ctx context.Context, name string) (request, error) {
	if name == "" { // every group begins so
		return request{}, fault.New(fault.Internal, "entra.find groups", "no name is given")
	}
	filter, top := "startswith(displayName,"+beginning(name)+")", pageSize
	return c.asItem(c.groups.ToGetRequestInformation(ctx, &groups.GroupsRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{Filter: &filter, Select: groupFields, Top: &top},
	}))
}

// appendNamed adds the groups on a page that have exactly the name. It does not rely on
// how Graph compares names: it is only assumed that Graph ignores case.
func appendNamed(list []directory.SecurityGroup, page []byte, name string) ([]directory.SecurityGroup, error) {
	found, err := elementsOf[shownGroup](page)
	if err != nil {
		return nil, err
	}
	for _, g := range found {
		if strings.EqualFold(strings.TrimSpace(g.DisplayName), strings.TrimSpace(name)) {
			list = append(list, g.group())
		}
	}
	return list, nil
}

// shownGroup is a group in an answer of Graph.
type shownGroup struct {
	ID                     directory.EntraID `json:"id"`
	DisplayName            string            `json:"displayName"`
	UniqueName             string            `json:"uniqueName"`
	GroupTypes             []string          `json:"groupTypes"`
	MailEnabled            bool              `json:"mailEnabled"`
	SecurityEnabled        bool              `json:"securityEnabled"`
	OnPremisesSyncEnabled  bool              `json:"onPremisesSyncEnabled"`
	IsAssignableToRole     bool              `json:"isAssignableToRole"`
	IsManagementRestricted bool              `json:"isManagementRestricted"`
}

// group is the group in our words.
func (g shownGroup) group() directory.SecurityGroup {
	return directory.SecurityGroup{
		ID: g.ID, Name: g.DisplayName, UniqueName: g.UniqueName, Security: g.SecurityEnabled, MailEnabled: g.MailEnabled,
		Dynamic: slices.Contains(g.GroupTypes, "DynamicMembership"), Microsoft365: slices.Contains(g.GroupTypes, "Unified"),
		SyncedFromOnPremises: g.OnPremisesSyncEnabled, RoleAssignable: g.IsAssignableToRole, ManagementRestricted: g.IsManagementRestricted,
	}
}
