package entra

import (
	"encoding/json"
	"errors"
	"net/http"

	"entrasync/shared/fault"
)

// maxPages is the number of pages, for a million members, after which a list counts as
// endless.
const maxPages = 1000

// pages is the errand that reads a list to its end, page by page. The last page is the
// one without a link to another one, however many elements it has. An error ends the
// errand and is passed to fail.
func (c *Client) pages(op string, first request, err error, take func(page []byte) error, fail func(error)) *errand {
	return c.pagesOr(op, first, err, take, fail, readFault)
}

// pagesOr is [Client.pages] with a function for the fault of a page that Graph does not
// return.
func (c *Client) pagesOr(op string, first request, err error, take func(page []byte) error, fail func(error), refused func(op string, page response) *fault.Error) *errand {
	if err != nil {
		fail(fault.Wrap(err, fault.Internal, op))
		return &errand{}
	}
	read := map[string]bool{first.URL: true}
	e := &errand{requests: []request{first}}
	e.then = func(answers []response) {
		page := answers[0]
		if page.err != nil || page.Status != http.StatusOK {
			fail(refused(op, page))
			return
		}
		next, err := c.nextPage(page.Body)
		if err == nil && (read[next] || len(read) == maxPages) {
			err = errors.New("the list does not end")
		}
		if err == nil {
			err = take(page.Body)
		}
		switch {
		case err != nil:
			fail(unreadablePage(op, err))
		case next != "":
			read[next] = true
			e.requests = []request{{Method: http.MethodGet, URL: next, Headers: first.Headers}}
		}
	}
	return e
}

// unreadablePage is the fault for a page that cannot be right.
func unreadablePage(op string, err error) error {
	return &fault.Error{Op: op, Kind: fault.Transient, Message: "Graph's answer cannot be read", Err: err}
}

// elementsOf reads the elements of a page and skips those that are null. A page without
// a list is an error, not an empty page: read as empty, it would lead to a second
// group, or hide the account to restore.
func elementsOf[T any](page []byte) ([]T, error) {
	var parsed struct {
		Value []*T `json:"value"`
	}
	if err := json.Unmarshal(page, &parsed); err != nil {
		return nil, err
	}
	if parsed.Value == nil {
		return nil, errors.New("the answer is no list")
	}
	var elements []T
	for _, each := range parsed.Value {
		if each != nil {
			elements = append(elements, *each)
		}
	}
	return elements, nil
}
