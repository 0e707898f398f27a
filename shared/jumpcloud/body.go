package jumpcloud

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Shape is the form in which an event, or another body, arrived.
type Shape string

// The closed list of shapes. JumpCloud publishes no schema for the body of a webhook;
// other receivers published the bodies that they got.
const (
	// RuleNotification is sent by a rule: an alert with the event in di_event.
	RuleNotification Shape = "rule_notification"
	// BareEvent is an event of the Directory Insights API without an alert, as
	// workflows and forwarders send it.
	BareEvent Shape = "bare_event"
	// Test is sent by the Test Webhook button. It has no event.
	Test Shape = "test"
	// Unrecognized is anything else that is JSON.
	Unrecognized Shape = "unrecognized"
)

// ParsedBody is the body of one request.
type ParsedBody struct {
	// Elements are the elements of the body: one, or those of an array.
	Elements []Element
}

// Element is one element of a body.
type Element struct {
	Shape Shape
	// Event is set for RuleNotification and BareEvent.
	Event Event
	// Fields are the names of the top-level fields of an Unrecognized object, sorted
	// and cut to a length for one log line; never the values.
	Fields []string
}

// Events are the events in the body, in order.
func (b ParsedBody) Events() []Event {
	var events []Event
	for _, element := range b.Elements {
		if element.Shape == RuleNotification || element.Shape == BareEvent {
			events = append(events, element.Event)
		}
	}
	return events
}

// Count is how many elements have the shape.
func (b ParsedBody) Count(shape Shape) int {
	count := 0
	for _, element := range b.Elements {
		if element.Shape == shape {
			count++
		}
	}
	return count
}

// MaxElements is how many elements a body may have; each event in a di_event counts.
// JumpCloud sends one element in each request, and Directory Insights returns at most
// 1,000 events in an answer by default (jumpcloud.md 1.4, 2.6), so a forwarder needs no
// more.
const MaxElements = 1000

const opParse = "jumpcloud.parse event"

// ParseBody parses the body of a webhook request. Only a body that is not JSON, or that
// has more than [MaxElements], is a fault, of kind Invalid. An unknown form is
// Unrecognized: an administrator would switch off a channel that always fails. A body
// with too many elements is read only up to the first one too many.
func ParseBody(body []byte) (ParsedBody, error) {
	if !json.Valid(body) { // refuses nesting deeper than 10,000 as well
		return ParsedBody{}, fault.New(fault.Invalid, opParse, "the body is not JSON")
	}
	list, isArray, ok := elements(body)
	if !isArray {
		list = []json.RawMessage{body}
	}
	var parsed ParsedBody
	for _, raw := range list {
		var more []Element
		if more, ok = elementsOf(raw); !ok {
			break
		}
		if parsed.Elements = append(parsed.Elements, more...); len(parsed.Elements) > MaxElements {
			ok = false
			break
		}
	}
	if !ok {
		return ParsedBody{}, &fault.Error{Op: opParse, Kind: fault.Invalid, Reason: directory.TooManyElements,
			Message: fmt.Sprintf("the body holds more than %d events: nothing of it was kept, send them in several requests", MaxElements)}
	}
	return parsed, nil
}

// elements splits a JSON array; ok is false if it has more than MaxElements, and
// isArray is false if it is no array.
func elements(raw json.RawMessage) (list []json.RawMessage, isArray, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return nil, false, true
	}
	for decoder.More() {
		var element json.RawMessage
		if len(list) == MaxElements {
			return nil, true, false
		}
		if decoder.Decode(&element) != nil {
			return nil, false, true
		}
		list = append(list, element)
	}
	return list, true, true
}

// elementsOf recognises one value; the order of the checks matters. The value is one
// element, except for a di_event with several events; ok is false if those are more
// than MaxElements.
func elementsOf(raw json.RawMessage) (found []Element, ok bool) {
	o := objectOf(raw)
	events, ok := enclosed(o["di_event"])
	if !ok {
		return nil, false
	}
	for _, event := range events {
		found = append(found, Element{Shape: RuleNotification, Event: eventOf(event, o.text("alert_id"))})
	}
	if len(found) > 0 {
		return found, true
	}
	_, isEvent := o["event_type"]
	_, hasService := o["service"]
	if isEvent && hasService {
		return []Element{{Shape: BareEvent, Event: eventOf(o, "")}}, true
	}
	channels := objectOf(o["channels"])
	if _, isTest := channels["channel_object_ids"]; isTest && !isEvent {
		return []Element{{Shape: Test}}, true
	}
	return []Element{{Shape: Unrecognized, Fields: fieldsOf(o)}}, true
}

// enclosed reads di_event: an event, as other receivers describe it, but also a list of
// events or an event as text, because the schema is not published. ok is false if the
// list has more than MaxElements.
func enclosed(raw json.RawMessage) (events []object, ok bool) {
	var asText string
	if json.Unmarshal(raw, &asText) == nil {
		raw = json.RawMessage(asText)
	}
	if event := objectOf(raw); event != nil {
		return []object{event}, true
	}
	list, _, ok := elements(raw)
	for _, element := range list {
		if event := objectOf(element); event != nil {
			events = append(events, event)
		}
	}
	return events, ok
}

// fieldsOf are the names of the fields of an object, for the log.
func fieldsOf(o object) []string {
	const most, longest = 40, 64
	var names []string
	for name := range o {
		names = append(names, strings.ToValidUTF8(name[:min(len(name), longest)], ""))
	}
	slices.Sort(names)
	return names[:min(len(names), most)]
}
