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

// Shape is the form in which an event, or something else, arrived.
type Shape string

// The closed list of shapes. JumpCloud publishes no schema for the body of a
// webhook; these forms were seen by receivers that did publish theirs.
const (
	// RuleNotification is what a rule sends: an alert with the event in
	// di_event.
	RuleNotification Shape = "rule_notification"
	// BareEvent is an event of the Directory Insights API by itself, as
	// workflows and forwarders send it.
	BareEvent Shape = "bare_event"
	// Test is what the Test Webhook button sends. It has no event.
	Test Shape = "test"
	// Unrecognized is anything else that is JSON.
	Unrecognized Shape = "unrecognized"
)

// ParsedBody is what one request carried.
type ParsedBody struct {
	// Elements are the things in the body: one, or those of an array.
	Elements []Element
}

// Element is one thing in a body.
type Element struct {
	Shape Shape
	// Event is set for RuleNotification and BareEvent.
	Event Event
	// Fields is the names of the top-level fields of an Unrecognized object,
	// sorted and cut to what a log line can bear; never the values.
	Fields []string
}

// Events is the events in the body, in order.
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

// MaxElements is how many elements a body may have, those within a di_event
// counted one by one. JumpCloud sends one thing with each request, and Directory
// Insights at most 1,000 events with each answer that is not asked for more
// (jumpcloud.md 1.4, 2.6), so nobody who forwards events needs more.
const MaxElements = 1000

const opParse = "jumpcloud.parse event"

// ParseBody recognises the body of a webhook request. Only what is not JSON, and
// what has more than [MaxElements], is a fault, of kind Invalid; a form nobody has
// seen yet is Unrecognized, because a channel that always fails teaches its owner
// to switch it off. A body of too many elements is read no further than to the
// first that is too many.
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

// elements takes a JSON array apart; ok is false if it has more than MaxElements,
// and isArray if it is none.
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

// elementsOf recognises one value, in the order in which the forms exclude each
// other. It is one element but for a di_event that holds several events; ok is
// false if those are more than MaxElements.
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

// enclosed reads di_event: an event as parsers of others describe it, but also a
// list of events or an event as text, as nobody has published the schema. ok is
// false if the list has more than MaxElements.
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

// fieldsOf is the names of the fields of an object for the log.
func fieldsOf(o object) []string {
	const most, longest = 40, 64
	var names []string
	for name := range o {
		names = append(names, strings.ToValidUTF8(name[:min(len(name), longest)], ""))
	}
	slices.Sort(names)
	return names[:min(len(names), most)]
}
