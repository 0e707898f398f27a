package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"entrasync/shared/fault"
)

// The values of fields of rules (JumpCloud API documentation, RuleType, RuleStatus and
// FilterSource).
const (
	eventRule     = "RULE_TYPE_EVENT_FILTER_BASED"
	ruleEnabled   = "RULE_STATUS_ENABLED"
	ruleDisabled  = "RULE_STATUS_DISABLED"
	builderFilter = "FILTER_SOURCE_UI_BUILDER"
)

// notified is the field of a rule that names its channels.
const notified = "notificationChannelObjectIds"

// scopeType is the field of a rule with the type of its scope. Which values it has, and
// which means that the rule has no scope, is not published.
const scopeType = "scopeType"

// notifies reports whether a rule sends events to a channel.
func notifies(rule object, channel string) bool {
	return channel != "" && rule.text("ruleType") == eventRule && slices.Contains(texts(rule[notified]), channel)
}

// notifiers are the rules, switched on, that send some of our events to a channel.
func notifiers(rules []object, channel string) []object {
	return slices.DeleteFunc(slices.Clone(rules), func(rule object) bool {
		return isSilent(rule) || !notifies(rule, channel) || !selectsOurs(rule)
	})
}

// selectsOurs reports whether a rule selects any of our event types.
func selectsOurs(rule object) bool { return len(oursOf(rule)) > 0 }

// oursOf are those of our event types that a rule selects, with a condition or not,
// each once.
func oursOf(rule object) []string {
	var types []string
	for _, filter := range rule.objects("eventFilters") {
		types = append(types, texts(filter["eventTypes"])...)
	}
	return union(slices.DeleteFunc(types, func(each string) bool { return !isOurs(each) }), nil)
}

// isOurs reports whether we act on an event type.
func isOurs(eventType string) bool { return slices.Contains(EventTypes(), eventType) }

// keepRule creates or corrects the rule. It returns the rules as they are then.
func (c *Client) keepRule(ctx context.Context, setup WebhookSetup, rules []object, chosen choice, around surroundings, state *WebhookState) ([]object, error) {
	rule := chosen.rule
	if rule == nil {
		content := setup.newRule(state.Channel.ID, chosen.types)
		saved, reply, err := c.save(ctx, ruleService, "", content)
		if fault.Is(err, fault.Conflict) {
			return rules, setup.taken("rule")
		}
		if err != nil {
			return rules, err
		}
		state.Rule = WebhookPart{ID: saved.text("objectId"), Name: setup.Name, Created: true}
		state.Warning, state.MissingEvents = reply.text("warning"), leftOut(saved, chosen.types)
		return written(rules, state.Rule.ID, content), nil
	}
	state.Rule = WebhookPart{ID: rule.text("objectId"), Name: rule.text("name"), Disabled: isSilent(rule)}
	if chosen.enough {
		return rules, nil
	}
	content, changed := setup.changedRule(chosen, state.Channel.ID, around)
	if len(changed) > 0 {
		saved, reply, err := c.save(ctx, ruleService, state.Rule.ID, content)
		if err != nil {
			return rules, err
		}
		if kept := saved.text(scopeType); kept != "" {
			content[scopeType] = kept
		}
		rules = written(rules, state.Rule.ID, content)
		state.Rule.Changed = changed
		state.Warning, state.MissingEvents = reply.text("warning"), leftOut(saved, chosen.types)
	}
	if !setup.Repair {
		return rules, nil
	}
	if rule.text("status") == ruleDisabled {
		if err := c.enableRule(ctx, state.Rule.ID); err != nil {
			return rules, err
		}
		state.Rule.Changed = append(state.Rule.Changed, "status")
		content["status"] = ruleEnabled
		rules = written(rules, state.Rule.ID, content)
	}
	state.Rule.Disabled = false
	return rules, nil
}

// withdraw removes a channel from a rule of ours that notifies others too. It returns
// the rules as they are then.
func (c *Client) withdraw(ctx context.Context, rules []object, rule object, channel string, around surroundings) ([]object, error) {
	content := writable(rule)
	content[notified] = slices.DeleteFunc(texts(rule[notified]), func(id string) bool { return id == channel || around.isGone(id) })
	if _, _, err := c.save(ctx, ruleService, rule.text("objectId"), content); err != nil {
		return rules, err
	}
	return written(rules, rule.text("objectId"), content), nil
}

// written are the rules after one of them was changed or created.
func written(rules []object, id string, content map[string]any) []object {
	var rule object
	encoded, err := json.Marshal(content)
	if err != nil || json.Unmarshal(encoded, &rule) != nil { // cannot happen: it was sent so
		return rules
	}
	rule["objectId"], _ = json.Marshal(id)
	rest := slices.DeleteFunc(slices.Clone(rules), func(each object) bool { return each.text("objectId") == id })
	return append(rest, rule)
}

// enableRule switches the rule on; the API has a route for that.
func (c *Client) enableRule(ctx context.Context, id string) error {
	what := call{op: "jumpcloud.enable rule", subject: id, method: http.MethodPatch, url: c.address(ruleService, id) + "/status"}
	_, err := c.write(ctx, ruleService, what, map[string]any{"status": ruleEnabled}, (*Client).do)
	return err
}

// isSilent reports whether the rule is switched off, completely or in its
// notifications. A rule that makes no alerts still notifies (JumpCloud API
// documentation, alertsEnabled).
func isSilent(rule object) bool {
	notifies, _ := rule.flag("notifyOnViolation")
	return rule.text("status") == ruleDisabled || !notifies
}

// newRule is our rule for event types. It makes no alerts: JumpCloud collects events in
// an open alert, and then might send one notification for several.
func (s WebhookSetup) newRule(channel string, types []string) map[string]any {
	return map[string]any{
		"name":                  s.Name,
		"description":           ownMark + ": sends it what it synchronizes.",
		"ruleType":              eventRule,
		"category":              ruleCategory,
		"severity":              ruleSeverity,
		"status":                ruleEnabled,
		"alertsEnabled":         false,
		"notifyOnViolation":     true,
		"excludeSuspendedUsers": false, // or a suspension might not be reported
		notified:                []string{channel},
		"eventFilters":          oneFilter(types),
	}
}

func oneFilter(types []string) []map[string]any {
	return []map[string]any{{"filterSource": builderFilter, "eventTypes": types}}
}

// changedRule is the rule as it should be, and the fields in which it differs:
// everything that keeps it from sending our channel each of its events. Added event
// types and channels are kept; conditions are not, because they suppress events.
func (s WebhookSetup) changedRule(chosen choice, channel string, around surroundings) (content map[string]any, changed []string) {
	rule := chosen.rule
	content = writable(rule)
	note := func(differs bool, name string, value any) {
		if differs {
			content[name], changed = value, append(changed, name)
		}
	}
	alerts, _ := rule.flag("alertsEnabled")
	notifies, _ := rule.flag("notifyOnViolation")
	excludes, _ := rule.flag("excludeSuspendedUsers")
	types, channels := selectedTypes(rule), texts(rule[notified])
	wanted := union(types, chosen.types)
	if chosen.only {
		wanted = union(slices.DeleteFunc(slices.Clone(types), isOurs), chosen.types)
	}
	// JumpCloud would refuse deleted channels, and our channels that call another
	// address must not be notified.
	kept := slices.DeleteFunc(slices.Clone(channels), func(id string) bool { return id != channel && !around.isOthers(id) })
	notifiesLeft := slices.ContainsFunc(channels, func(id string) bool { return slices.Contains(around.left, id) })
	note(thresholdOf(rule) > 1, "alertFrequencySettings", map[string]any{"eventThresholdCount": 1})
	note(alerts && (isMarked(rule) || s.Repair), "alertsEnabled", false)
	note(!slices.Equal(wanted, union(types, nil)), "eventFilters", oneFilter(wanted))
	note(excludes, "excludeSuspendedUsers", false)
	if delete(content, scopeType); rule.text(scopeType) != "" { // what is left out is cleared
		changed = append(changed, scopeType)
	}
	note(!isEmptyList(rule["groupObjectIds"]), "groupObjectIds", []string{})
	note(!isEmptyList(rule["selectedScopeValues"]), "selectedScopeValues", []string{})
	note(!slices.Contains(channels, channel) || notifiesLeft, notified, union(kept, []string{channel}))
	note(!notifies && s.Repair, "notifyOnViolation", true)
	if len(kept) < len(channels) {
		content[notified] = union(kept, []string{channel})
	}
	return content, changed
}

// thresholdOf is the number of events after which a rule notifies.
func thresholdOf(rule object) float64 {
	threshold, _ := strconv.ParseFloat(objectOf(rule["alertFrequencySettings"]).text("eventThresholdCount"), 64)
	return threshold
}

// union are the elements of both, each once, sorted.
func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// selectedTypes are the event types that the rule selects without a condition.
func selectedTypes(rule object) []string {
	var types []string
	for _, filter := range rule.objects("eventFilters") {
		if filter.text("violationCondition") == "" {
			types = append(types, texts(filter["eventTypes"])...)
		}
	}
	return types
}

// without are the types that are not among others.
func without(types, others []string) []string {
	return slices.DeleteFunc(slices.Clone(types), func(each string) bool { return slices.Contains(others, each) })
}

// leftOut are the wanted event types that a rule lacks just after it was written; none
// if the answer does not show its filters.
func leftOut(rule object, wanted []string) []string {
	if isEmptyList(rule["eventFilters"]) {
		return nil
	}
	return without(wanted, selectedTypes(rule))
}

// texts reads a list of texts; nil if it is anything else.
func texts(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}
