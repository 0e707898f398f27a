package jumpcloudtest

import (
	"encoding/json"
	"time"
)

// alert is an open alert of a rule. JumpCloud collects the events that match a rule in
// one alert until a person resolves it.
type alert struct {
	id   string
	open bool
}

// Delivery is one notification to one channel and its result.
type Delivery struct {
	Channel   string    `json:"channel"` // id
	EventID   string    `json:"eventId"` // of the Directory Insights event, even if the body has no id
	EventType string    `json:"eventType"`
	Resource  string    `json:"resource"`            // id of the changed object, "" for associations
	Emitted   time.Time `json:"emitted"`             // when the change was made
	Tried     time.Time `json:"tried,omitzero"`      // when first sent
	Answered  time.Time `json:"answered,omitzero"`   // when it was delivered or given up
	Attempts  int       `json:"attempts"`            // requests made so far
	Status    int       `json:"status"`              // of the last answer, 0 for none
	Error     string    `json:"error,omitempty"`     // why the last attempt had no answer
	Delivered bool      `json:"delivered"`           // answered with 2xx
	Dropped   bool      `json:"dropped"`             // given up after the last attempt
	Duplicate bool      `json:"duplicate,omitempty"` // sent again by DuplicateRate
	body      []byte    // as sent
}

// notify starts the deliveries of a new event. It is called under the lock, so
// deliveries start in the order of the changes.
func (s *Simulator) notify(event feedEvent) {
	for _, rule := range s.store.all(kindRule) {
		if !s.selects(rule, event.fields) {
			continue
		}
		current, suppressed := s.alert(rule, event)
		if suppressed {
			s.counters.Suppressed++
			continue
		}
		for _, channel := range textList(rule["notificationChannelObjectIds"]) {
			s.notifyChannel(channel, event, s.body(rule, current, event.fields))
		}
	}
}

// alert is the id of the alert that an event makes by a rule, "" for a rule that makes
// none. suppressed is true if an open alert of the rule collects the event.
func (s *Simulator) alert(rule Fields, event feedEvent) (id string, suppressed bool) {
	if !rule.Flag("alertsEnabled") {
		return "", false
	}
	of := rule.Text("objectId")
	if current := s.alerts[of]; current != nil && current.open && s.behaviour.OnePerOpenAlert {
		return "", true
	}
	s.alerts[of] = &alert{id: s.ids.next(event.at), open: true}
	return s.alerts[of].id, false
}

// ResolveAlerts closes every open alert, so that with OnePerOpenAlert each rule
// notifies again.
func (s *Simulator) ResolveAlerts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range s.alerts {
		each.open = false
	}
}

// notifyChannel sends one body to one channel, with the failures of the behaviour.
func (s *Simulator) notifyChannel(channel string, event feedEvent, body []byte) {
	object := s.store.get(kindChannel, channel)
	if !object.Flag("enabled") || object.Text("type") != typeWebhook {
		return
	}
	b := s.behaviour
	if s.random.Float64() < b.LossRate {
		s.counters.Lost++
		return
	}
	copies := 1
	if s.random.Float64() < b.DuplicateRate {
		copies = 2
	}
	for i := range copies {
		var delay time.Duration
		if b.ReorderDelay > 0 && s.random.Float64() < b.ReorderRate {
			delay = time.Duration(s.random.Int64N(int64(b.ReorderDelay)))
		}
		s.counters.Notifications++
		s.counters.Pending++
		s.enqueue(&Delivery{Channel: channel, EventID: event.fields.Text("id"), EventType: event.fields.Text("event_type"),
			Resource: textOf(lookup(event.fields, "resource.id")), Emitted: event.at, Duplicate: i > 0, body: body}, delay)
	}
}

// body writes a notification, of an alert if there is one, in the configured shape.
// JumpCloud publishes no schema; the names are those in a large vendor's parser.
func (s *Simulator) body(rule Fields, alert string, event Fields) []byte {
	event = copyOf(event)
	if s.behaviour.OmitEventIDs {
		delete(event, "id")
	}
	var content any = event
	if s.behaviour.Shape != BareEvent {
		notification := Fields{"alert_id": alert, "alert_title": rule["name"], "category": "Directory",
			"description": rule.Text("description"), "priority": "Low", "rule_id": rule["objectId"],
			"event_description": event.Text("event_type"), "di_event": event}
		if alert == "" { // the rule makes none; it is assumed that the field is missing then
			delete(notification, "alert_id")
		}
		content = notification
	}
	if s.behaviour.Shape == Array {
		content = []any{content}
	}
	encoded, err := json.Marshal(content)
	if err != nil { // cannot happen: these are the types of JSON
		return nil
	}
	return encoded
}

// testBody is the body that the Test Webhook button sends, with the placeholder values
// in a receiver's documentation.
func (s *Simulator) testBody(channel string) []byte {
	encoded, err := json.Marshal(Fields{"type": "user_lockout",
		"tags":                   []any{Fields{"key": "user_id_123", "value": "user_123"}, Fields{"key": "event_type", "value": "lockout"}},
		"channels":               Fields{"channel_object_ids": []any{channel}},
		"organization_object_id": s.organization})
	if err != nil {
		return nil
	}
	return encoded
}
