package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"entrasync/shared/fault"
)

// The words of rules (JumpCloud API documentation, RuleType, RuleStatus and
// FilterSource).
const (
	eventRule     = "RULE_TYPE_EVENT_FILTER_BASED"
	ruleEnabled   = "RULE_STATUS_ENABLED"
	ruleDisabled  = "RULE_STATUS_DISABLED"
	builderFilter = "FILTER_SOURCE_UI_BUILDER"
)

// notifies reports whether a rule sends events to a channel.
func notifies(rule object, channel string) bool {
	return channel != "" && rule.text("ruleType") == eventRule && slices.Contains(texts(rule["notificationChannelObjectIds"]), channel)
}

// notifiers are the rules, switched on, that send some of our events to a channel.
func notifiers(rules []object, channel string) []object {
	return slices.DeleteFunc(slices.Clone(rules), func(rule object) bool {
		return isSilent(rule) || !notifies(rule, channel) || !selectsOurs(rule)
	})
}

// selectsOurs reports whether a rule selects any of our event types.
func selectsOurs(rule object) bool {
	ours := EventTypes()
	for _, filter := range rule.objects("eventFilters") {
		if slices.ContainsFunc(texts(filter["eventTypes"]), func(each string) bool { return slices.Contains(ours, each) }) {
			return true
		}
	}
	return false
}

// ownRule is our rule, nil if there is none yet: one of our name that notifies our
// channel or that we made; else one that sends events of ours to our channel and
// to no other, whoever made it, since a second one would bring them twice. Nothing
// says that names of rules are unique, so of several the one that notifies our
// channel is ours; a stranger's alone is a Conflict, since two of one name would
// mislead people.
func (s WebhookSetup) ownRule(rules []object, channel string) (object, error) {
	var own, adopted object
	taken := false
	for _, rule := range rules {
		switch named := rule.text("name") == s.Name; {
		case named && (notifies(rule, channel) || rule.text("ruleType") == eventRule && isMarked(rule)):
			if own == nil || notifies(rule, channel) {
				own = rule
			}
		case named:
			taken = true
		case notifies(rule, channel) && len(texts(rule["notificationChannelObjectIds"])) == 1 && selectsOurs(rule):
			if adopted == nil || isSilent(adopted) && !isSilent(rule) {
				adopted = rule
			}
		}
	}
	switch {
	case own != nil:
		return own, nil
	case adopted != nil:
		return adopted, nil
	case taken:
		return nil, s.taken("rule")
	default:
		return nil, nil
	}
}

// sameEvents are the other rules, switched on, that send events of ours to one of
// some channels.
func sameEvents(rules []object, own string, channels []string) []WebhookName {
	var others []WebhookName
	for _, rule := range rules {
		reaches := slices.ContainsFunc(channels, func(id string) bool { return len(notifiers([]object{rule}, id)) > 0 })
		if reaches && rule.text("objectId") != own {
			others = append(others, nameOf(rule))
		}
	}
	return others
}

// keepRule makes the rule what it should be. known is the ids of the channels
// there were.
func (c *Client) keepRule(ctx context.Context, setup WebhookSetup, rule object, known []string, state *WebhookState) error {
	if rule == nil {
		saved, whole, err := c.save(ctx, ruleService, "", setup.newRule(state.Channel.ID))
		if fault.Is(err, fault.Conflict) {
			return setup.taken("rule")
		}
		if err != nil {
			return err
		}
		state.Rule = WebhookPart{ID: saved.text("objectId"), Name: setup.Name, Created: true}
		state.Warning, state.MissingEvents = whole.text("warning"), leftOut(saved)
		return nil
	}
	state.Rule = WebhookPart{ID: rule.text("objectId"), Name: rule.text("name"), Disabled: isSilent(rule)}
	content, changed := setup.changedRule(rule, state.Channel.ID, known)
	if len(changed) > 0 {
		saved, whole, err := c.save(ctx, ruleService, state.Rule.ID, content)
		if err != nil {
			return err
		}
		state.Rule.Changed = changed
		state.Warning, state.MissingEvents = whole.text("warning"), leftOut(saved)
	}
	if !setup.Repair {
		return nil
	}
	if rule.text("status") == ruleDisabled {
		if err := c.enableRule(ctx, state.Rule.ID); err != nil {
			return err
		}
		state.Rule.Changed = append(state.Rule.Changed, "status")
	}
	state.Rule.Disabled = false
	return nil
}

// enableRule switches the rule on by the route that is there for it.
func (c *Client) enableRule(ctx context.Context, id string) error {
	what := call{op: "jumpcloud.enable rule", subject: id, method: http.MethodPatch, url: c.address(ruleService, id) + "/status"}
	_, err := c.write(ctx, ruleService, what, map[string]any{"status": ruleEnabled}, (*Client).do)
	return err
}

// isSilent reports whether the rule is switched off, as a whole or in its
// notifications. One that makes no alerts is not: it notifies all the same
// (JumpCloud API documentation, alertsEnabled).
func isSilent(rule object) bool {
	notifies, _ := rule.flag("notifyOnViolation")
	return rule.text("status") == ruleDisabled || !notifies
}

// newRule is our rule. It makes no alerts: JumpCloud collects events in an alert
// that is open, and then there might be one notification for several.
func (s WebhookSetup) newRule(channel string) map[string]any {
	return map[string]any{
		"name":                         s.Name,
		"description":                  ownMark + ": sends it what it synchronizes.",
		"ruleType":                     eventRule,
		"category":                     ruleCategory,
		"severity":                     ruleSeverity,
		"status":                       ruleEnabled,
		"alertsEnabled":                false,
		"notifyOnViolation":            true,
		"excludeSuspendedUsers":        false, // or a suspension might not be reported
		"notificationChannelObjectIds": []string{channel},
		"eventFilters":                 oneFilter(EventTypes()),
	}
}

func oneFilter(types []string) []map[string]any {
	return []map[string]any{{"filterSource": builderFilter, "eventTypes": types}}
}

// changedRule is the rule as it should be and the fields in which it differs:
// whatever keeps it from telling our channel about each of our events. Event
// types and channels that were added are kept; conditions are not, as they hold
// events back.
func (s WebhookSetup) changedRule(rule object, channel string, known []string) (content map[string]any, changed []string) {
	content = writable(rule)
	note := func(differs bool, name string, value any) {
		if differs {
			content[name], changed = value, append(changed, name)
		}
	}
	alerts, _ := rule.flag("alertsEnabled")
	notifies, _ := rule.flag("notifyOnViolation")
	excludes, _ := rule.flag("excludeSuspendedUsers")
	threshold, _ := strconv.ParseFloat(objectOf(rule["alertFrequencySettings"]).text("eventThresholdCount"), 64)
	types := selectedTypes(rule)
	notified := texts(rule["notificationChannelObjectIds"])
	// Channels that were deleted meanwhile would be refused.
	kept := slices.DeleteFunc(slices.Clone(notified), func(id string) bool { return id != channel && !slices.Contains(known, id) })
	note(threshold > 1, "alertFrequencySettings", map[string]any{"eventThresholdCount": 1})
	note(alerts && isMarked(rule), "alertsEnabled", false)
	note(len(missing(types)) > 0, "eventFilters", oneFilter(union(types, EventTypes())))
	note(excludes, "excludeSuspendedUsers", false)
	note(!isEmptyList(rule["groupObjectIds"]), "groupObjectIds", []string{})
	note(!isEmptyList(rule["selectedScopeValues"]), "selectedScopeValues", []string{})
	note(!slices.Contains(notified, channel), "notificationChannelObjectIds", union(kept, []string{channel}))
	note(!notifies && s.Repair, "notifyOnViolation", true)
	if len(kept) < len(notified) {
		content["notificationChannelObjectIds"] = union(kept, []string{channel})
	}
	return content, changed
}

// union is the elements of both, each once, sorted.
func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// selectedTypes is the event types that the rule selects whatever else an event
// says.
func selectedTypes(rule object) []string {
	var types []string
	for _, filter := range rule.objects("eventFilters") {
		if filter.text("violationCondition") == "" {
			types = append(types, texts(filter["eventTypes"])...)
		}
	}
	return types
}

// missing is those of our event types that are not among the given.
func missing(types []string) []string {
	return slices.DeleteFunc(EventTypes(), func(each string) bool { return slices.Contains(types, each) })
}

// leftOut is the event types that a rule lacks just after it was written; none
// if the answer does not show its filters.
func leftOut(rule object) []string {
	if isEmptyList(rule["eventFilters"]) {
		return nil
	}
	return missing(selectedTypes(rule))
}

// texts reads a list of texts; nil if it is anything else.
func texts(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}
