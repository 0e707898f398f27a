package jumpcloud

import (
	"encoding/json"
	"slices"
	"strings"

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

// ParseBody recognises the body of a webhook request. Only what is not JSON is a
// fault, of kind Invalid; a form nobody has seen yet is Unrecognized, because a
// channel that always fails teaches its owner to switch it off.
func ParseBody(body []byte) (ParsedBody, error) {
	if !json.Valid(body) { // refuses nesting deeper than 10,000 as well
		return ParsedBody{}, fault.New(fault.Invalid, "jumpcloud.parse event", "the body is not JSON")
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) != nil || list == nil {
		return ParsedBody{Elements: elementsOf(body)}, nil
	}
	var parsed ParsedBody
	for _, raw := range list {
		parsed.Elements = append(parsed.Elements, elementsOf(raw)...)
	}
	return parsed, nil
}

// elementsOf recognises one value, in the order in which the forms exclude each
// other. It is one element but for a di_event that holds several events.
func elementsOf(raw json.RawMessage) []Element {
	o := objectOf(raw)
	if events := enclosed(o["di_event"]); len(events) > 0 {
		var elements []Element
		for _, event := range events {
			elements = append(elements, Element{Shape: RuleNotification, Event: eventOf(event, o.text("alert_id"))})
		}
		return elements
	}
	_, isEvent := o["event_type"]
	_, hasService := o["service"]
	if isEvent && hasService {
		return []Element{{Shape: BareEvent, Event: eventOf(o, "")}}
	}
	channels := objectOf(o["channels"])
	if _, isTest := channels["channel_object_ids"]; isTest && !isEvent {
		return []Element{{Shape: Test}}
	}
	return []Element{{Shape: Unrecognized, Fields: fieldsOf(o)}}
}

// enclosed reads di_event: an event as parsers of others describe it, but also a
// list of events or an event as text, as nobody has published the schema.
func enclosed(raw json.RawMessage) []object {
	var asText string
	if json.Unmarshal(raw, &asText) == nil {
		raw = json.RawMessage(asText)
	}
	if event := objectOf(raw); event != nil {
		return []object{event}
	}
	return object{"list": raw}.objects("list")
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
