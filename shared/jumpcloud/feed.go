package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"entrasync/shared/fault"
)

// EventQuery says which events of the Directory Insights feed to read.
type EventQuery struct {
	// From and To limit the timestamps of the events; a zero To means now. JumpCloud
	// keeps events for 90 days, 15 on its smallest plan. Events appear minutes after
	// they happened and not in order, so a reader that follows the feed must let the
	// times of its queries overlap.
	From, To time.Time
	// Types are the event types wanted; none means those of [EventTypes].
	Types []string
}

// feedBody is a query of the Directory Insights API.
type feedBody struct {
	Service     []string                         `json:"service"`
	StartTime   string                           `json:"start_time"`
	EndTime     string                           `json:"end_time,omitempty"`
	Sort        string                           `json:"sort"`
	Limit       int                              `json:"limit"`
	SearchTerm  map[string][]map[string][]string `json:"search_term"`
	SearchAfter json.RawMessage                  `json:"search_after,omitempty"`
}

// EachEventPage calls fn with every page of the matching events, oldest first. An error
// of fn ends the walk and is returned unchanged.
func (c *Client) EachEventPage(ctx context.Context, query EventQuery, fn func([]Event) error) error {
	if len(query.Types) == 0 {
		query.Types = EventTypes()
	}
	body := feedBody{
		Service:    []string{"directory"},
		StartTime:  query.From.UTC().Format(time.RFC3339Nano),
		Sort:       "ASC",
		Limit:      feedPage,
		SearchTerm: map[string][]map[string][]string{"or": {{"event_type": query.Types}}},
	}
	if !query.To.IsZero() {
		body.EndTime = query.To.UTC().Format(time.RFC3339Nano)
	}
	for range maxPages {
		events, next, err := c.eventPage(ctx, body)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			if err := fn(events); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		if string(next) == string(body.SearchAfter) {
			return fault.New(fault.Transient, "jumpcloud.read events", "JumpCloud returned the same page of events twice")
		}
		body.SearchAfter = next
	}
	return fault.New(fault.Transient, "jumpcloud.read events", "JumpCloud's feed does not end: ask for a shorter time")
}

// isLastOfFeed reports whether a page of the feed is its last one: its header says that
// it has fewer events than its limit (Directory Insights API documentation); the number
// of elements in it may differ. A page without that header is the last one only if it
// is empty, or if no other page begins after it and it is short.
func isLastOfFeed(header http.Header, elements int) bool {
	limit, err := strconv.Atoi(header.Get("X-Limit"))
	if err != nil { // the server did not say which limit it used
		limit = feedPage
	}
	count, err := strconv.Atoi(header.Get("X-Result-Count"))
	if err != nil {
		return elements == 0 || header.Get("X-Search_after") == "" && elements < limit
	}
	return max(count, elements) < limit || count == 0
}

// eventPage reads one page and returns where the next one begins, nil after the last.
// X-Search_after is always there.
func (c *Client) eventPage(ctx context.Context, body feedBody) ([]Event, json.RawMessage, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.Internal, "jumpcloud.read events")
	}
	what := call{op: "jumpcloud.read events", method: http.MethodPost, url: c.insights + "/events", body: encoded}
	got, err := c.do(ctx, what)
	if err != nil {
		return nil, nil, err
	}
	var list []json.RawMessage
	if err := decode(what, got.body, &list); err != nil {
		return nil, nil, err
	}
	var events []Event
	for _, raw := range list {
		if o := objectOf(raw); o != nil {
			events = append(events, eventOf(o, ""))
		}
	}
	next := json.RawMessage(got.header.Get("X-Search_after"))
	if isLastOfFeed(got.header, len(list)) {
		return events, nil, nil
	}
	if !json.Valid(next) {
		return nil, nil, fault.New(fault.Transient, "jumpcloud.read events", "JumpCloud did not say where the next page of events begins")
	}
	return events, next, nil
}
