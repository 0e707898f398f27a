package jumpcloud

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// UserQuery names the users that [Client.FindUsers] looks for.
type UserQuery struct {
	Emails, Usernames []string
	IDs               []directory.UserID
}

// FindUsers finds the users who have one of the company e-mail addresses, usernames or
// ids, in order of their ids. JumpCloud's filters distinguish upper and lower case: an
// address and a username are searched as they are and in lower case.
//
// A user that is not found may still exist, as one that was created a moment ago or whose
// name is in another case. But a filter that JumpCloud refuses, or does not apply, is a
// fault, and never an empty answer.
func (c *Client) FindUsers(ctx context.Context, q UserQuery) ([]directory.User, error) {
	terms := q.terms()
	asked := map[term]bool{}
	for _, t := range terms {
		asked[t.folded()] = true
	}
	found := map[directory.UserID]directory.User{}
	for _, batch := range batches(terms) {
		if err := c.findAll(ctx, batch, asked, found); err != nil {
			return nil, err
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b directory.User) int { return cmp.Compare(a.ID, b.ID) }), nil
}

// term is a value that a field of a user can have.
type term struct{ field, value string }

// folded is the term for comparisons without case.
func (t term) folded() term { return term{t.field, strings.ToLower(t.value)} }

// escaped is the value as an element of $in, which | separates and \ escapes (JumpCloud
// API documentation, filter).
func (t term) escaped() string {
	return strings.NewReplacer(`\`, `\\`, `|`, `\|`).Replace(t.value)
}

// terms are the values of the query, each once. A text that is no id is left out: no user
// has it.
func (q UserQuery) terms() (all []term) {
	seen := map[term]bool{}
	add := func(field, value string) {
		if t := (term{field, value}); value != "" && !seen[t] {
			seen[t] = true
			all = append(all, t)
		}
	}
	for _, email := range q.Emails {
		add("email", strings.ToLower(email))
		add("email", email)
	}
	for _, username := range q.Usernames {
		add("username", username)
		add("username", strings.ToLower(username))
	}
	for _, id := range q.IDs {
		if isObjectID(string(id)) {
			add("_id", string(id))
		}
	}
	return all
}

// batches splits terms so that each filter is short enough for a URL.
func batches(terms []term) (all [][]term) {
	length := 0
	for _, t := range terms {
		size := len(url.QueryEscape("|" + t.escaped()))
		if len(all) == 0 || length+size > longestFilter {
			all, length = append(all, nil), 0
		}
		all[len(all)-1] = append(all[len(all)-1], t)
		length += size
	}
	return all
}

// findAll adds to found the users who have one of the terms. It asks for all fields at
// once, which saves requests; where JumpCloud refuses that, for each field.
func (c *Client) findAll(ctx context.Context, terms []term, asked map[term]bool, found map[directory.UserID]directory.User) error {
	var conditions []string
	for _, field := range []string{"email", "username", "_id"} {
		var values []string
		for _, t := range terms {
			if t.field == field {
				values = append(values, t.escaped())
			}
		}
		if len(values) > 0 {
			conditions = append(conditions, field+":$in:"+strings.Join(values, "|"))
		}
	}
	if len(conditions) > 1 {
		either := url.Values{}
		for i, condition := range conditions {
			either.Set(fmt.Sprintf("filter[or][%d]", i), condition)
		}
		if err := c.eachFound(ctx, either, asked, found); !fault.Is(err, fault.Invalid) {
			return err
		}
	}
	for _, condition := range conditions {
		if err := c.eachFound(ctx, url.Values{"filter": {condition}}, asked, found); err != nil {
			return err
		}
	}
	return nil
}

// eachFound reads a filtered list to its end. A user who was not asked for shows that
// JumpCloud does not apply the filter, so nothing can be concluded from the list.
func (c *Client) eachFound(ctx context.Context, filter url.Values, asked map[term]bool, found map[directory.UserID]directory.User) error {
	what := call{op: "jumpcloud.find users", url: c.api + "/systemusers"}
	filter.Set("sort", "_id")
	return c.eachPage(ctx, what, filter, (*Client).wrappedList, func(_ int, p page) error {
		for _, user := range usersOn(p) {
			names := []term{{"email", user.Email}, {"username", user.Username}, {"_id", string(user.ID)}}
			if !slices.ContainsFunc(names, func(t term) bool { return asked[t.folded()] }) {
				return unexpected(what, "JumpCloud's filtered list has users who were not asked for")
			}
			found[user.ID] = user
		}
		return nil
	})
}

// CountUsers is the number of users of the organization.
func (c *Client) CountUsers(ctx context.Context) (int, error) {
	what := call{op: "jumpcloud.count users", method: http.MethodGet, url: c.api + "/systemusers?limit=1"}
	p, err := c.wrappedList(ctx, what)
	if err != nil {
		return 0, err
	}
	if p.total == 0 && len(p.elements) > 0 {
		return 0, unexpected(what, "JumpCloud does not say how many users there are")
	}
	return p.total, nil
}
