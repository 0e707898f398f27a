package entra

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// opList is the operation of listing accounts.
const opList = "entra.list accounts"

// ListAccounts reads one page of the enabled accounts of the tenant. Guests and agents may
// be among them. next is the cursor of the next page, "" on the last one; a page may be
// short, or empty, and still have a next one. A cursor that is none of ours, or that Graph
// does not know any more, is a fault of kind Invalid about "cursor".
//
// It costs one GET and one resource unit, and no write unit. An account that was created
// or changed some seconds ago may be missing, or be listed as it was before.
func (c *Client) ListAccounts(ctx context.Context, q directory.AccountQuery, cursor string) (page []directory.TenantAccount, next string, err error) {
	r, err := c.accountPage(ctx, q, cursor)
	if err != nil {
		return nil, "", err
	}
	answer := c.ask(ctx, r)
	switch {
	case cursor != "" && placeLost(answer):
		return nil, "", invalidCursor(answer.fault(opList))
	case answer.err != nil || answer.Status != http.StatusOK:
		return nil, "", accountsFault(opList, answer)
	}
	found, err := accountsOn(answer.Body, q.Attributes)
	if err != nil {
		return nil, "", unreadablePage(opList, err)
	}
	link, err := c.nextPage(answer.Body)
	if err == nil && link != "" {
		link, err = usersPage(link)
	}
	if err == nil && link == r.URL {
		err = errors.New("the list does not end")
	}
	if err != nil {
		return nil, "", unreadablePage(opList, err)
	}
	if page, err = c.completed(ctx, found, q.Attributes); err != nil {
		return nil, "", err
	}
	return matching(q, page), cursorOf(link), nil
}

// accountPage is the request for a page: the first one, or the one of a cursor.
func (c *Client) accountPage(ctx context.Context, q directory.AccountQuery, cursor string) (request, error) {
	if cursor != "" {
		link, err := pageOf(cursor)
		return request{Method: http.MethodGet, URL: link}, err
	}
	top := pageSize
	if q.Limit > 0 && q.Limit < int(pageSize) {
		top = int32(q.Limit)
	}
	filter := accountFilter(q.Search)
	return c.asItem(c.users.ToGetRequestInformation(ctx, &users.UsersRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Filter: &filter, Select: selected(tenantFields, q.Attributes), Top: &top},
	}))
}

// searched are the properties in which a search is found. Graph supports startsWith for
// all of them without the advanced queries, whose index lags more (Microsoft Graph
// documentation, user resource and advanced queries).
var searched = []string{"displayName", "givenName", "surname", "mail", "userPrincipalName", "mailNickname"}

// maxSearch is how many characters of a search are in the filter, where they stand once
// for each property, and each may take nine characters of the URL: no URL that is longer
// than usual has to be accepted by anybody. The other characters are compared here.
const maxSearch = 40

// accountFilter is the filter for the enabled accounts that a search finds. It has no
// condition on userType, which is null on old accounts: an eq would lose them, and a plain
// ne is refused (observed by users: microsoft-graph-docs 594, 14586).
func accountFilter(search string) string {
	const enabled = "accountEnabled eq true"
	search = strings.TrimSpace(search)
	if search == "" {
		return enabled
	}
	text := literal(within([]rune(search), maxSearch))
	clauses := make([]string, len(searched))
	for i, property := range searched {
		clauses[i] = "startswith(" + property + "," + text + ")"
	}
	return enabled + " and (" + strings.Join(clauses, " or ") + ")"
}

// matching are the accounts that the query is about: Graph may list some that were just
// disabled, and does not see the end of a long search.
func matching(q directory.AccountQuery, page []directory.TenantAccount) []directory.TenantAccount {
	search := strings.TrimSpace(q.Search)
	cut := len(within([]rune(search), maxSearch)) < len([]rune(search))
	var found []directory.TenantAccount
	for _, a := range page {
		if a.Enabled && (!cut || begins(a, search)) {
			found = append(found, a)
		}
	}
	return found
}

// begins reports whether one of the searched properties of an account begins with a text.
func begins(a directory.TenantAccount, text string) bool {
	for _, value := range []string{a.DisplayName, a.GivenName, a.Surname, a.Mail, string(a.UPN), a.Alias} {
		if strings.HasPrefix(strings.ToLower(value), strings.ToLower(text)) {
			return true
		}
	}
	return false
}

// cursorOf is the cursor of the page with a URL below the version; "" if there is none.
// It has all of the link, because Graph's links are followed to the letter.
func cursorOf(link string) string { return base64.RawURLEncoding.EncodeToString([]byte(link)) }

// pageOf is the URL, below the version, of the page with a cursor. A cursor comes from the
// caller of our API, so it is not trusted: what is requested with our token is a later
// page of the users of our Graph, whatever the cursor says.
func pageOf(cursor string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", invalidCursor(err)
	}
	link, err := usersPage(string(raw))
	if err != nil {
		return "", invalidCursor(err)
	}
	return link, nil
}

// usersPage returns a URL below the version in the form in which it is requested, or an
// error if it is not a later page of the users.
func usersPage(link string) (string, error) {
	const path = "/users"
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return "", err
	case u.Scheme != "" || u.Host != "" || u.User != nil || !strings.EqualFold(u.EscapedPath(), path):
		return "", errors.New("it leads somewhere else")
	case !strings.Contains(strings.ToLower(u.RawQuery), "skiptoken="):
		return "", errors.New("it has no place in a list")
	}
	return path + "?" + u.RawQuery, nil
}

// placeLost reports whether Graph does not know the place in a list that a request names:
// its links expire, and it does not understand what it did not write.
func placeLost(answer response) bool {
	return answer.err == nil && (answer.Status == http.StatusBadRequest || answer.Status == http.StatusGone) && errorOf(answer.Body).Code != ""
}

// invalidCursor is the fault for a cursor with which no page can be read.
func invalidCursor(cause error) error {
	return &fault.Error{Op: opList, Kind: fault.Invalid, Subject: "cursor", Message: "the cursor does not lead to a page of the list, or not any more; start again without one", Err: cause}
}
