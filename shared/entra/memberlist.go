package entra

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// pageTime is how much time must be left before one more page of a list of members is read:
// for a slow page (assumed), and some to keep the place.
const pageTime = 10 * time.Second

// ListMembersOf reads on where a list of the members of a group ended, whatever they are
// except agents, which are nobody's to add or to remove:
// until it is complete, or until there is no time for another page. It reads at least one
// page. The zero list begins a new one, and so does the list of another group, or a place
// that Graph does not know any more. With a fault it returns what it found so far, and the
// next call reads on from there.
//
// It costs two resource units for each 999 members and no write unit.
func (c *Client) ListMembersOf(ctx context.Context, group directory.EntraID, from directory.AccountList) (directory.AccountList, error) {
	list := from
	if list.Group != group || list.Began.IsZero() {
		list = newAccountList(group)
	}
	known := map[string]bool{}
	for first := true; !list.Complete && (first || deadline.Allows(ctx, pageTime)); first = false {
		known[list.Next] = true
		after, err := c.nextMembers(ctx, list)
		if fault.Is(err, fault.Invalid) && first && list.Next != "" {
			list = newAccountList(group)
			after, err = c.nextMembers(ctx, list)
		}
		if err == nil && !after.Complete && (known[after.Next] || after.Pages == maxPages) {
			return list, unreadablePage(opMembers, errors.New("the list does not end"))
		}
		if err != nil {
			return list, err
		}
		list = after
	}
	return list, nil
}

// opMembers is the operation of reading a list of members.
const opMembers = "entra.read members"

// newAccountList is a list of which nothing was read.
func newAccountList(group directory.EntraID) directory.AccountList {
	return directory.AccountList{Group: group, Began: time.Now().UTC()}
}

// nextMembers reads the next page of a list.
func (c *Client) nextMembers(ctx context.Context, list directory.AccountList) (directory.AccountList, error) {
	page, err := c.membersPage(list)
	if err != nil {
		return list, fault.Wrap(err, fault.Internal, opMembers)
	}
	var answer response
	c.run(ctx, []*errand{{requests: []request{page}, then: func(answers []response) { answer = answers[0] }}})
	if answer.err != nil || answer.Status != http.StatusOK {
		return list, readFault(opMembers, answer)
	}
	found, err := elementsOf[struct {
		ID   directory.EntraID `json:"id"`
		Type string            `json:"@odata.type"`
	}](answer.Body)
	if err == nil {
		list.Next, err = c.nextPage(answer.Body)
	}
	if err != nil {
		return list, unreadablePage(opMembers, err)
	}
	for _, m := range found {
		if !isAgent(m.Type) {
			list.Accounts = append(list.Accounts, m.ID)
		}
	}
	list.Pages, list.Complete = list.Pages+1, list.Next == ""
	return list, nil
}

// membersPage is the request for the next page of a list.
func (c *Client) membersPage(list directory.AccountList) (request, error) {
	if list.Next != "" {
		return request{Method: http.MethodGet, URL: list.Next}, nil
	}
	top := pageSize
	return c.asItem(c.groups.ByGroupId(string(list.Group)).Members().ToGetRequestInformation(context.Background(), &groups.ItemMembersRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.ItemMembersRequestBuilderGetQueryParameters{Select: []string{"id"}, Top: &top},
	}))
}
