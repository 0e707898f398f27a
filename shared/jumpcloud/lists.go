package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// page is one page of a list: its elements, and the total that the list states, 0 if it
// states none.
type page struct {
	elements []json.RawMessage
	total    int
}

// reader reads one page of a list in one of its forms.
type reader func(*Client, context.Context, call) (page, error)

// eachPage reads a list to its end and passes every page to take, with the number of
// places before it. An error of take ends the walk and is returned unchanged.
//
// A page that is shorter than requested is not the last one: memberships of deleted
// objects take a place in their page and count in the total, but are left out or are
// null (JumpCloud's PowerShell module, issues 239, 369 and 370). So the walk advances
// by the requested page size until it has requested as many places as the total or,
// where JumpCloud states no total, until a page is empty. A list that returns one page
// again and again, or that has no end, is a fault of kind Transient.
func (c *Client) eachPage(ctx context.Context, what call, query url.Values, read reader, take func(before int, p page) error) error {
	what.method = http.MethodGet
	for at := (directory.ListPlace{}); !at.End; {
		p, next, err := c.pageAt(ctx, what, query, read, at)
		if err != nil {
			return err
		}
		if err := take(at.Pages*pageSize, p); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// pageAt reads the page of a list at a place, and returns the place after it.
func (c *Client) pageAt(ctx context.Context, what call, query url.Values, read reader, at directory.ListPlace) (page, directory.ListPlace, error) {
	if at.Pages == maxPages {
		return page{}, at, unexpected(what, "JumpCloud's list does not end")
	}
	query.Set("limit", strconv.Itoa(pageSize))
	query.Set("skip", strconv.Itoa(at.Pages*pageSize))
	one := what
	one.url += "?" + query.Encode()
	p, err := read(c, ctx, one)
	if err != nil {
		return page{}, at, err
	}
	next := directory.ListPlace{Pages: at.Pages + 1, Elements: at.Elements + len(p.elements), Total: p.total, First: firstName(p.elements)}
	if next.First != "" && next.First == at.First {
		return page{}, at, unexpected(what, "JumpCloud gives the same page of a list again and again")
	}
	next.End = p.total > 0 && max(next.Elements, next.Pages*pageSize) >= p.total || p.total == 0 && len(p.elements) == 0
	return p, next, nil
}

// firstName is the id of the first element with an id.
func firstName(elements []json.RawMessage) string {
	for _, raw := range elements {
		o := objectOf(raw)
		for _, id := range []string{o.text("_id"), o.text("objectId"), nodeOf(o).ID} {
			if id != "" {
				return id
			}
		}
	}
	return ""
}

// bareList reads a page of a list of version 2: an array, with the total in a
// header (JumpCloud's PowerShell module).
func (c *Client) bareList(ctx context.Context, what call) (page, error) {
	got, err := c.do(ctx, what)
	if err != nil {
		return page{}, err
	}
	var elements []json.RawMessage
	if err := decode(what, got.body, &elements); err != nil {
		return page{}, err
	}
	said := got.header.Get("X-Total-Count")
	if elements == nil && said != "0" { // null
		return page{}, unexpected(what, "JumpCloud's list holds no elements")
	}
	return page{elements, totalOf(said)}, nil
}

// wrappedList reads a page of a list of version 1: an object with results and
// their total.
func (c *Client) wrappedList(ctx context.Context, what call) (page, error) {
	got, err := c.do(ctx, what)
	if err != nil {
		return page{}, err
	}
	var list object
	if err := decode(what, got.body, &list); err != nil {
		return page{}, err
	}
	said := list.text("totalCount")
	var elements []json.RawMessage
	if json.Unmarshal(list["results"], &elements) != nil || elements == nil && said != "0" {
		return page{}, unexpected(what, "JumpCloud's list has no results")
	}
	return page{elements, totalOf(said)}, nil
}

// totalOf reads a total; 0 if it cannot be read.
func totalOf(said string) int {
	total, _ := strconv.Atoi(said)
	return max(0, total)
}

// unexpected is the fault for an answer that cannot be right.
func unexpected(what call, message string) error {
	return &fault.Error{Op: what.op, Subject: what.subject, Kind: fault.Transient, Message: message}
}
