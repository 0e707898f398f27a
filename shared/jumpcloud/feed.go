package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"entrasync/shared/directory"
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

// body is the query as the API takes it, without a place to begin after.
func (q EventQuery) body() feedBody {
	types := q.Types
	if len(types) == 0 {
		types = EventTypes()
	}
	body := feedBody{
		Service:    []string{"directory"},
		StartTime:  q.From.UTC().Format(time.RFC3339Nano),
		Sort:       "ASC",
		Limit:      feedPage,
		SearchTerm: map[string][]map[string][]string{"or": {{"event_type": types}}},
	}
	if !q.To.IsZero() {
		body.EndTime = q.To.UTC().Format(time.RFC3339Nano)
	}
	return body
}

// FeedEvent is an event of the feed.
type FeedEvent struct {
	Event
	// Twin is the ID that the same event has if a webhook brought it without JumpCloud's
	// id; "" if that cannot be said.
	Twin string
}

// EventPage is one page of the feed, oldest events first.
type EventPage struct {
	Events []FeedEvent
	// Next is where the next page begins, to be given to [Client.EventPage] with the same
	// query; "" on the last page. It stays valid: whoever keeps it can read on later.
	Next string
}

// EventPage reads one page of the events of a query: the first one, or the one that begins
// after a place that an earlier page named. With a fault, the reason says whether the
// organization may read the feed at all: see [directory.InsightsNotLicensed] and
// [directory.InsightsForbidden].
func (c *Client) EventPage(ctx context.Context, query EventQuery, after string) (EventPage, error) {
	body := query.body()
	if after != "" {
		if !json.Valid([]byte(after)) {
			return EventPage{}, fault.New(fault.Invalid, opReadEvents, "the place in the feed is not one that JumpCloud named")
		}
		body.SearchAfter = json.RawMessage(after)
	}
	page, err := c.eventPage(ctx, body)
	if err == nil && page.Next != "" && page.Next == after {
		return EventPage{}, fault.New(fault.Transient, opReadEvents, "JumpCloud returned the same page of events twice")
	}
	return page, err
}

const opReadEvents = "jumpcloud.read events"

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

// refusedFeed gives the refusals of the feed their reasons. 402 is the answer both if the
// plan has no Directory Insights and if it has less history than was asked for (the latter
// is recorded by others, and not in JumpCloud's documentation).
func refusedFeed(problem *fault.Error, status int, _ []byte) {
	switch status {
	case http.StatusPaymentRequired:
		problem.Reason, problem.Message = directory.InsightsNotLicensed, directory.Sentence(directory.InsightsNotLicensed)
	case http.StatusForbidden:
		problem.Reason, problem.Message = directory.InsightsForbidden, directory.Sentence(directory.InsightsForbidden)
	}
}

// eventPage reads one page. X-Search_after is always there, so only the last page's is
// left out.
func (c *Client) eventPage(ctx context.Context, body feedBody) (EventPage, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return EventPage{}, fault.Wrap(err, fault.Internal, opReadEvents)
	}
	what := call{op: opReadEvents, method: http.MethodPost, url: c.insights + "/events", body: encoded, explain: refusedFeed}
	got, err := c.do(ctx, what)
	if err != nil {
		return EventPage{}, err
	}
	var list []json.RawMessage
	if err := decode(what, got.body, &list); err != nil {
		return EventPage{}, err
	}
	var page EventPage
	for _, raw := range list {
		if o := objectOf(raw); o != nil {
			page.Events = append(page.Events, feedEventOf(o))
		}
	}
	if isLastOfFeed(got.header, len(list)) {
		return page, nil
	}
	page.Next = got.header.Get("X-Search_after")
	if !json.Valid([]byte(page.Next)) {
		return EventPage{}, fault.New(fault.Transient, opReadEvents, "JumpCloud did not say where the next page of events begins")
	}
	return page, nil
}

// feedEventOf reads an event of the feed.
func feedEventOf(o object) FeedEvent {
	found := FeedEvent{Event: eventOf(o, "")}
	delete(o, "id")
	if twin, vague := identify(o, found.Event, ""); !vague && twin != found.ID {
		found.Twin = twin
	}
	return found
}
