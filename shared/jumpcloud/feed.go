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
	// From and To bound the timestamps of the events; To zero means now.
	// JumpCloud keeps events for 90 days, 15 on its smallest plan. Events become
	// visible only minutes after they happened and not in order, so whoever
	// follows the feed must let the times of its queries overlap.
	From, To time.Time
	// Types are the event types wanted; none means those of [EventTypes].
	Types []string
}

// feedBody is a query as the Directory Insights API takes it.
type feedBody struct {
	Service     []string                         `json:"service"`
	StartTime   string                           `json:"start_time"`
	EndTime     string                           `json:"end_time,omitempty"`
	Sort        string                           `json:"sort"`
	Limit       int                              `json:"limit"`
	SearchTerm  map[string][]map[string][]string `json:"search_term"`
	SearchAfter json.RawMessage                  `json:"search_after,omitempty"`
}

// EachEventPage calls fn with every page of the events that match, oldest first.
// An error of fn ends the walk and is returned as it is.
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

// isLastOfFeed reports whether a page of the feed is its last one: it says of
// itself that it has fewer events than its limit (Directory Insights API
// documentation), which the elements that are in it do not tell. Of a page that
// does not say how many it has, only its being empty does.
func isLastOfFeed(header http.Header, elements int) bool {
	limit, err := strconv.Atoi(header.Get("X-Limit"))
	if err != nil { // what the server made of our limit, if it says so
		limit = feedPage
	}
	count, err := strconv.Atoi(header.Get("X-Result-Count"))
	if err != nil {
		return elements == 0 || header.Get("X-Search_after") == "" && elements < limit
	}
	return max(count, elements) < limit || count == 0
}

// eventPage reads one page and says where the next begins, nil after the last.
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
