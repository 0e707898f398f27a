package jumpcloudtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (s *Simulator) feedEndpoints() []endpoint {
	return []endpoint{
		{api: insights, method: http.MethodPost, path: "/events", serve: s.getEvents, fields: feedFields},
		{api: insights, method: http.MethodPost, path: "/events/count", serve: s.countEvents, fields: feedFields},
		{api: insights, method: http.MethodPost, path: "/events/distinct", serve: s.distinctEvents, fields: append([]string{"field"}, feedFields...)},
	}
}

// eventFields are the fields of an event (Directory Insights API documentation and
// recorded events).
var eventFields = []string{"id", "@version", "service", "event_type", "timestamp", "organization", "resource", "changes", "initiated_by",
	"association", "auth_method", "success", "error_message", "message_chain", "correlation", "client_ip", "geoip", "useragent", "provider",
	"application", "idm_client_id", "mfa", "mfa_meta", "auth_context", "system_group", "system", "target_resource"}

// feedFields are the fields of a query (Directory Insights API documentation).
var feedFields = []string{"service", "start_time", "end_time", "limit", "sort", "fields", "search_term", "q", "exact_match", "skip",
	"search_after", "exclude_provider_activity"}

// services are the values of service (Directory Insights API documentation).
var services = []string{"alerts", "all", "directory", "ldap", "mdm", "notifications", "object_storage", "password_manager",
	"password_vault", "radius", "reports", "saas_app_management", "software", "sso", "systems", "access_management",
	"asset_management", "workflows", "genai", "aigw", "ai_admin", "generic_di"}

// feedQuery is a parsed query.
type feedQuery struct {
	services []string
	from, to time.Time
	terms    []term
	text     string // q, in lower case: found anywhere in the event
	limit    int
	skip     int
	newest   bool // sort DESC
	fields   []string
	after    *position
}

// position is a place between two events, the content of search_after.
type position struct {
	millisecond int64
	id          string
}

func positionOf(e feedEvent) position { return position{e.at.UnixMilli(), e.fields.Text("id")} }

func (p position) compare(q position) int {
	if p.millisecond != q.millisecond {
		return int(max(-1, min(1, p.millisecond-q.millisecond)))
	}
	return strings.Compare(p.id, q.id)
}

func parseFeedQuery(body Fields, now time.Time) (feedQuery, error) {
	q := feedQuery{services: textList(body["service"]), to: now, limit: feedLimit, text: strings.ToLower(body.Text("q"))}
	if len(q.services) == 0 {
		return q, refuse(http.StatusBadRequest, "service is required, one of %s", strings.Join(services, ", "))
	}
	for _, service := range q.services {
		if !slices.Contains(services, service) {
			return q, refuse(http.StatusBadRequest, "unknown service, allowed are %s", strings.Join(services, ", "))
		}
	}
	var err error
	if q.from, err = time.Parse(time.RFC3339, body.Text("start_time")); err != nil {
		return q, refuse(http.StatusBadRequest, "start_time is missing or not a date")
	}
	if end, given := body["end_time"]; given {
		if q.to, err = time.Parse(time.RFC3339, textOf(end)); err != nil {
			return q, refuse(http.StatusBadRequest, "end_time is not a date")
		}
	}
	switch {
	case q.from.After(now):
		return q, refuse(http.StatusBadRequest, "start_time is in the future")
	case q.to.Before(q.from):
		return q, refuse(http.StatusBadRequest, "end_time is before start_time")
	}
	// An invalid limit means the default.
	if limit, isNumber := body["limit"].(float64); isNumber && limit >= 1 && limit <= feedMaximum {
		q.limit = int(limit)
	}
	if skip, isNumber := body["skip"].(float64); isNumber && skip > 0 {
		q.skip = int(skip)
	}
	q.newest = strings.EqualFold(body.Text("sort"), "DESC")
	if given, exists := body["fields"]; exists {
		if q.fields = textList(given); len(q.fields) == 0 {
			return q, refuse(http.StatusBadRequest, "fields is empty")
		}
		for _, field := range q.fields {
			if err := mustBeOfEvents(field); err != nil {
				return q, err
			}
		}
	}
	if q.after, err = parsePosition(body["search_after"]); err != nil {
		return q, err
	}
	q.terms, err = parseTerms(body["search_term"])
	return q, err
}

// mustBeOfEvents refuses a field that no event has. It checks only the first part of
// the name, because little is described below it.
func mustBeOfEvents(field string) error {
	if head, _, _ := strings.Cut(field, "."); !slices.Contains(eventFields, head) {
		return refuse(http.StatusBadRequest, "unknown field %q", field)
	}
	return nil
}

func parsePosition(given any) (*position, error) {
	if given == nil {
		return nil, nil
	}
	parts, _ := given.([]any)
	if len(parts) == 2 {
		millisecond, isNumber := parts[0].(float64)
		id, isText := parts[1].(string)
		if isNumber && isText {
			return &position{int64(millisecond), id}, nil
		}
	}
	return nil, refuse(http.StatusBadRequest, "search_after is not the value of a header X-Search_after")
}

// run finds the matching events, sorted; [feedQuery.page] applies search_after, skip
// and limit.
func (s *Simulator) run(q feedQuery, now time.Time) (found []feedEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := now.Add(-s.behaviour.Retention)
	for _, event := range s.feed {
		if event.visible.After(now) || event.at.Before(oldest) || event.at.Before(q.from) || event.at.After(q.to) || !q.matches(event) {
			continue
		}
		found = append(found, event)
	}
	slices.SortStableFunc(found, func(a, b feedEvent) int { return positionOf(a).compare(positionOf(b)) })
	if q.newest {
		slices.Reverse(found)
	}
	return found
}

func (q feedQuery) matches(event feedEvent) bool {
	if !slices.Contains(q.services, "all") && !slices.Contains(q.services, event.fields.Text("service")) {
		return false
	}
	for _, t := range q.terms {
		if !t.matches(event.fields) {
			return false
		}
	}
	if q.text == "" {
		return true
	}
	encoded, err := json.Marshal(event.fields)
	return err == nil && strings.Contains(strings.ToLower(string(encoded)), q.text)
}

// page is the page that search_after and skip select.
func (q feedQuery) page(found []feedEvent) []feedEvent {
	if q.after != nil {
		start := slices.IndexFunc(found, func(event feedEvent) bool {
			c := positionOf(event).compare(*q.after)
			return !q.newest && c > 0 || q.newest && c < 0
		})
		if start < 0 {
			start = len(found)
		}
		found = found[start:]
	}
	return cut(found, q.skip, q.limit)
}

// licensed refuses a query that the plan of the organization does not allow.
func (s *Simulator) licensed(q feedQuery, now time.Time) error {
	s.mu.Lock()
	status, history := s.behaviour.FeedRefusal, s.behaviour.FeedHistory
	s.mu.Unlock()
	if status == 0 && history > 0 && q.from.Before(now.Add(-history)) {
		status = http.StatusPaymentRequired
	}
	switch status {
	case 0:
		return nil
	case http.StatusPaymentRequired:
		return refuse(status, "Directory Insights is not enabled for your organization")
	default:
		return refuse(status, "%s", http.StatusText(status))
	}
}

func (s *Simulator) getEvents(r *request) (reply, error) {
	now := time.Now()
	q, err := parseFeedQuery(r.fields(), now)
	if err == nil {
		err = s.licensed(q, now)
	}
	if err != nil {
		return reply{}, err
	}
	events := q.page(s.run(q, now))
	list := make([]Fields, 0, len(events))
	for _, event := range events {
		shown := event.fields
		if len(q.fields) > 0 {
			shown = Fields{}
			for _, name := range q.fields {
				if value, known := event.fields[name]; known {
					shown[name] = value
				}
			}
		}
		list = append(list, shown)
	}
	after := []any{}
	if q.after != nil {
		after = []any{q.after.millisecond, q.after.id}
	}
	if len(events) > 0 {
		last := positionOf(events[len(events)-1])
		after = []any{last.millisecond, last.id}
	}
	encoded, err := json.Marshal(after)
	if err != nil {
		return reply{}, err
	}
	sort := map[bool]string{false: "ASC", true: "DESC"}[q.newest]
	answer, err := ok(list)
	answer.header = http.Header{
		resultHeader: {strconv.Itoa(len(list))}, "X-Limit": {strconv.Itoa(q.limit)}, "X-Sort": {sort},
		"X-Search_after": {string(encoded)}, "X-Request-Id": {"sim-" + strconv.FormatInt(now.UnixNano(), 36)},
	}
	return answer, err
}

func (s *Simulator) countEvents(r *request) (reply, error) {
	now := time.Now()
	q, err := parseFeedQuery(r.fields(), now)
	if err != nil {
		return reply{}, err
	}
	return ok(Fields{"count": len(s.run(q, now))})
}

// distinctEvents counts the events by the values of one field.
func (s *Simulator) distinctEvents(r *request) (reply, error) {
	now := time.Now()
	field := r.fields().Text("field")
	q, err := parseFeedQuery(r.fields(), now)
	if err != nil {
		return reply{}, err
	}
	if field == "" {
		return reply{}, refuse(http.StatusBadRequest, "field is required")
	}
	if err := mustBeOfEvents(field); err != nil {
		return reply{}, err
	}
	counts := map[string]int{}
	for _, event := range s.run(q, now) {
		if value := textOf(lookup(event.fields, field)); value != "" {
			counts[value]++
		}
	}
	var buckets []Fields
	for value, count := range counts {
		buckets = append(buckets, Fields{"key": value, "doc_count": count})
	}
	slices.SortFunc(buckets, func(a, b Fields) int { return strings.Compare(a.Text("key"), b.Text("key")) })
	return ok(Fields{"buckets": buckets, "doc_count_error_upper_bound": 0, "sum_other_doc_count": 0})
}
