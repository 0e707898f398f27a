package jumpcloud

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"entrasync/shared/fault"
)

// node is an object of JumpCloud's graph, of users, groups and the objects they are
// associated with, as a list returns it.
type node struct {
	End
	through []string // the ids of the user groups on the paths to it
}

// nodes reads a complete list of the graph, each object once, in order of the ids. With
// an error it returns the objects found: they are in the list, and there may be more.
//
// A page shows the list at that moment: if an object leaves the list meanwhile, another
// object moves from the next page to the one already read. So a walk that shows signs
// of a change is repeated until one shows none, or two in a row have the same result. A
// list that keeps changing is a fault of kind Transient. A sort that the list refuses
// is left out.
func (c *Client) nodes(ctx context.Context, what call, query url.Values) ([]node, error) {
	known := nodeSet{}
	var last []node
	for walk := range maxWalks {
		found, moved, err := c.walk(ctx, what, query)
		if fault.Is(err, fault.Invalid) && query.Has("sort") {
			query.Del("sort")
			found, moved, err = c.walk(ctx, what, query)
		}
		known.add(found...)
		switch {
		case err != nil:
			return known.sorted(), err
		case !moved, walk > 0 && slices.EqualFunc(last, found, func(a, b node) bool { return a.End == b.End }):
			return found, nil
		}
		last = found
	}
	return known.sorted(), unexpected(what, "JumpCloud's list changes while it is read")
}

// walk reads all pages of a list once. The list moved if an object was on two pages or
// the total changed. Elements without an id or a type are skipped.
func (c *Client) walk(ctx context.Context, what call, query url.Values) (found []node, moved bool, err error) {
	known, total := nodeSet{}, 0
	err = c.eachPage(ctx, what, query, (*Client).bareList, func(before int, p page) error {
		var fresh []node
		for _, raw := range p.elements {
			if each := nodeOf(objectOf(raw)); each.ID != "" && each.Type != "" {
				_, twice := known[each.End]
				moved = moved || twice
				fresh = append(fresh, each)
			}
		}
		known.add(fresh...)
		moved = moved || before > 0 && p.total != total
		total = p.total
		return nil
	})
	return known.sorted(), moved, err
}

// nodeSet are objects, each once, with all groups on their paths.
type nodeSet map[End]node

func (s nodeSet) add(nodes ...node) {
	for _, each := range nodes {
		known := s[each.End]
		s[each.End] = node{End: each.End, through: append(known.through, each.through...)}
	}
}

// sorted are the objects in order of the ids.
func (s nodeSet) sorted() []node {
	return slices.SortedFunc(maps.Values(s), func(a, b node) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Type, b.Type))
	})
}

// nodeOf reads an element of a list: a connection, whose other end is in to, or an
// object with its paths (JumpCloud API documentation, GraphConnection and
// GraphObjectWithPaths).
func nodeOf(o object) node {
	if to := objectOf(o["to"]); to != nil {
		return node{End: endOf(to)}
	}
	return node{End: endOf(o), through: groupsIn(o["paths"])}
}

// groupsIn are the ids of the user groups on paths.
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
