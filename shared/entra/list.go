package entra

import (
	"encoding/json"
	"errors"
	"net/http"

	"entrasync/shared/fault"
)

// maxPages is how many pages a list may have before it is taken for one without
// end: a million members.
const maxPages = 1000

// pages is the errand of reading a list to its end, page by page. The end is a page
// without a link to another one, however many elements a page has. What goes wrong
// ends it and goes to fail.
func (c *Client) pages(op string, first request, err error, take func(page []byte) error, fail func(error)) *errand {
	if err != nil {
		fail(fault.Wrap(err, fault.Internal, op))
		return &errand{}
	}
	read := map[string]bool{first.URL: true}
	e := &errand{requests: []request{first}}
	e.then = func(answers []response) {
		page := answers[0]
		if page.err != nil || page.Status != http.StatusOK {
			fail(unread(op, page))
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
			fail(&fault.Error{Op: op, Kind: fault.Transient, Message: "Graph's answer cannot be read", Err: err})
		case next != "":
			read[next] = true
			e.requests = []request{{Method: http.MethodGet, URL: next, Headers: first.Headers}}
		}
	}
	return e
}

// elementsOf reads the elements of a page; those that are null are passed over. A
// page without a list is an error, not an empty page: who took it for one would
// make a second group, or not find whom to restore.
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
