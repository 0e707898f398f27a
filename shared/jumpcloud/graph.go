package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"entrasync/shared/fault"
)

// node is an object of JumpCloud's graph of users, groups and what they are
// associated with, as one of its lists names it.
type node struct {
	End
	through []string // the ids of the user groups that the paths to it name
}

// nodes reads a whole list of the graph, each object once, in order of the ids.
//
// An absence from such a list ends memberships, and a page shows what the list
// holds at that moment: whoever leaves while it is read makes another one slip
// from the next page to the one that was read already. So a walk that shows signs
// of that is repeated until two in a row find the same; one that did not find as many
// as the list says it holds is never believed. A sort that the list refuses is left
// out.
func (c *Client) nodes(ctx context.Context, what call, query url.Values) ([]node, error) {
	var last []node
	for attempt := range maxWalks {
		found, calm, whole, err := c.walk(ctx, what, query)
		if fault.Is(err, fault.Invalid) && query.Has("sort") {
			query.Del("sort")
			found, calm, whole, err = c.walk(ctx, what, query)
		}
		if err != nil {
			return nil, err
		}
		if whole && (calm || attempt > 0 && slices.EqualFunc(last, found, func(a, b node) bool { return a.End == b.End })) {
			return found, nil
		}
		last = found
	}
	return nil, unexpected(what, "JumpCloud's list changes while it is read")
}

// walk reads all pages of a list once. It is calm if nothing shows that the list
// changed meanwhile: no object came twice, and the total stayed. It is whole if it
// found as many as the list says it holds.
func (c *Client) walk(ctx context.Context, what call, query url.Values) (found []node, calm, whole bool, err error) {
	at := map[End]int{}
	calm = true
	for skip, total := 0, 0; ; {
		page, info, err := c.nodePage(ctx, what, query, skip)
		if err != nil {
			return nil, false, false, err
		}
		fresh := false
		for _, each := range page {
			if before, known := at[each.End]; known {
				found[before].through = append(found[before].through, each.through...)
				calm = false
				continue
			}
			at[each.End], fresh = len(found), true
			found = append(found, each)
		}
		calm = calm && (skip == 0 || info.total == total)
		total = info.total
		skip += info.length
		if !fresh || info.last(skip) {
			slices.SortFunc(found, func(a, b node) int { return strings.Compare(a.ID, b.ID) })
			return found, calm, len(found) >= total, nil
		}
	}
}

// nodePage reads one page of a list of the graph.
func (c *Client) nodePage(ctx context.Context, what call, query url.Values, skip int) ([]node, pageInfo, error) {
	query.Set("limit", strconv.Itoa(pageSize))
	query.Set("skip", strconv.Itoa(skip))
	what.method = http.MethodGet
	what.url += "?" + query.Encode()
	elements, info, err := c.bareList(ctx, what)
	if err != nil {
		return nil, pageInfo{}, err
	}
	page := make([]node, 0, len(elements))
	for _, raw := range elements {
		each := nodeOf(objectOf(raw))
		if each.ID == "" || each.Type == "" {
			return nil, pageInfo{}, unexpected(what, "JumpCloud's list has an element without id or type")
		}
		page = append(page, each)
	}
	return page, info, nil
}

// nodeOf reads an element of a list: a connection, whose other end is in to, or
// an object with its paths (JumpCloud API documentation, GraphConnection and
// GraphObjectWithPaths).
func nodeOf(o object) node {
	if to := objectOf(o["to"]); to != nil {
		return node{End: endOf(to)}
	}
	return node{End: endOf(o), through: groupsIn(o["paths"])}
}

// groupsIn is the ids of the user groups that paths lead through.
func groupsIn(paths json.RawMessage) []string {
	var steps [][]struct{ From, To json.RawMessage }
	if json.Unmarshal(paths, &steps) != nil {
		return nil
	}
	var groups []string
	for _, step := range slices.Concat(steps...) {
		for _, raw := range []json.RawMessage{step.From, step.To} {
			if end := endOf(objectOf(raw)); end.Type == typeUserGroup && end.ID != "" {
				groups = append(groups, end.ID)
			}
		}
	}
	return groups
}

// bareList reads a page of a list of version 2: an array, with the total in a
// header (JumpCloud's PowerShell module).
func (c *Client) bareList(ctx context.Context, what call) ([]json.RawMessage, pageInfo, error) {
	got, err := c.do(ctx, what)
	if err != nil {
		return nil, pageInfo{}, err
	}
	var elements []json.RawMessage
	if err := decode(what, got.body, &elements); err != nil {
		return nil, pageInfo{}, err
	}
	said := got.header.Get("X-Total-Count")
	if elements == nil && said != "0" { // null
		return nil, pageInfo{}, unexpected(what, "JumpCloud's list holds no elements")
	}
	total, _ := strconv.Atoi(said) // no total is the same as 0
	return elements, pageInfo{length: len(elements), total: total}, nil
}

// wrappedList reads a page of a list of version 1: an object with results and
// their total.
func (c *Client) wrappedList(ctx context.Context, what call) ([]json.RawMessage, pageInfo, error) {
	got, err := c.do(ctx, what)
	if err != nil {
		return nil, pageInfo{}, err
	}
	var list struct {
		Results    []json.RawMessage `json:"results"`
		TotalCount json.RawMessage   `json:"totalCount"`
	}
	if err := decode(what, got.body, &list); err != nil {
		return nil, pageInfo{}, err
	}
	said := object{"n": list.TotalCount}.text("n")
	if list.Results == nil && said != "0" {
		return nil, pageInfo{}, unexpected(what, "JumpCloud's list has no results")
	}
	total, _ := strconv.Atoi(said) // no total is the same as 0
	return list.Results, pageInfo{length: len(list.Results), total: total}, nil
}
