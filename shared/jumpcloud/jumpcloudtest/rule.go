package jumpcloudtest

import (
	"net/http"
	"slices"
	"strings"
)

const (
	ruleEnabled    = "RULE_STATUS_ENABLED"
	ruleFilterType = "RULE_TYPE_EVENT_FILTER_BASED"
)

func (s *Simulator) ruleEndpoints() []endpoint {
	const all, one = "/healthmonitoring/rules", "/healthmonitoring/rules/{id}"
	return []endpoint{
		{api: v2, method: http.MethodGet, path: all, serve: s.listNamed(kindRule, "rules")},
		{api: v2, method: http.MethodPost, path: all, serve: s.postRule},
		{api: v2, method: http.MethodGet, path: one, serve: s.getNamed(kindRule, "rule")},
		{api: v2, method: http.MethodPatch, path: one, serve: s.patchRule},
		{api: v2, method: http.MethodDelete, path: one, serve: s.removeRule},
		{api: v2, method: http.MethodPatch, path: one + "/status", serve: s.patchRuleStatus},
	}
}

// saveRule creates a rule (id "") or replaces one. It refuses conditions and
// thresholds: the simulator does not evaluate them, and a test with a rule that fires
// more often than it says would prove nothing.
func (tx *tx) saveRule(id string, input Fields) (Fields, error) {
	rule := copyOf(input)
	if strings.TrimSpace(rule.Text("name")) == "" {
		return nil, refuse(http.StatusBadRequest, "rule name is required")
	}
	filters, _ := rule["eventFilters"].([]any)
	if rule.Text("ruleType") != ruleFilterType || len(filters) == 0 {
		return nil, refuse(http.StatusBadRequest, "the simulator knows only rules of type %s with eventFilters", ruleFilterType)
	}
	for _, each := range filters {
		if textOf(lookup(each, "violationCondition")) != "" || textOf(lookup(each, "resolutionCondition")) != "" {
			return nil, refuse(http.StatusBadRequest, "the simulator does not evaluate conditions")
		}
	}
	if len(textList(rule["selectedScopeValues"])) > 0 {
		return nil, refuse(http.StatusNotImplemented, "the simulator does not do selectedScopeValues of rules")
	}
	if threshold, _ := lookup(rule, "alertFrequencySettings.eventThresholdCount").(float64); threshold > 1 {
		return nil, refuse(http.StatusBadRequest, "the simulator does not count thresholds")
	}
	for _, channel := range textList(rule["notificationChannelObjectIds"]) {
		if tx.get(kindChannel, channel) == nil {
			return nil, refuse(http.StatusBadRequest, "channel %s does not exist", channel)
		}
	}
	rule["createdAt"] = timestamp(tx.now)
	event := "rule_created"
	if id != "" {
		before := tx.get(kindRule, id)
		if before == nil {
			return nil, notFound("rule", id)
		}
		rule["createdAt"] = before["createdAt"]
		event = "rule_modified"
	} else {
		id = tx.newID()
	}
	if rule.Text("status") == "" {
		rule["status"] = ruleEnabled
	}
	rule["objectId"], rule["organizationObjectId"] = id, tx.s.organization
	rule["lastUpdatedAt"] = timestamp(tx.now)
	tx.put(kindRule, id, rule)
	tx.emit(event, Fields{"service": "alerts", "resource": Fields{"id": id, "type": "rule", "name": rule["name"]}})
	return tx.get(kindRule, id), nil
}

func (s *Simulator) postRule(r *request) (reply, error)  { return s.keepRule(r, "") }
func (s *Simulator) patchRule(r *request) (reply, error) { return s.keepRule(r, r.PathValue("id")) }

func (s *Simulator) keepRule(r *request, id string) (reply, error) {
	input, _ := r.fields()["rule"].(map[string]any)
	var rule Fields
	err := s.change(byAPI, func(tx *tx) (err error) {
		rule, err = tx.saveRule(id, input)
		return err
	})
	return reply{status: http.StatusOK, body: Fields{"rule": rule}}, err
}

func (s *Simulator) patchRuleStatus(r *request) (reply, error) {
	var rule Fields
	err := s.change(byAPI, func(tx *tx) (err error) {
		before := tx.get(kindRule, r.PathValue("id"))
		if before == nil {
			return notFound("rule", r.PathValue("id"))
		}
		changed := copyOf(before)
		changed["status"] = r.fields()["status"]
		rule, err = tx.saveRule(r.PathValue("id"), changed)
		return err
	})
	return reply{status: http.StatusOK, body: Fields{"rule": rule}}, err
}

func (s *Simulator) removeRule(r *request) (reply, error) {
	err := s.change(byAPI, func(tx *tx) error {
		id := r.PathValue("id")
		rule := tx.get(kindRule, id)
		if rule == nil {
			return notFound("rule", id)
		}
		tx.put(kindRule, id, nil)
		tx.emit("rule_deleted", Fields{"service": "alerts", "resource": Fields{"id": id, "type": "rule", "name": rule["name"]}})
		return nil
	})
	return reply{status: http.StatusOK, body: Fields{}}, err
}

// selects reports whether a rule notifies of an event: it is enabled, notifies of
// violations (with or without alerts), selects the event's type, and does not exclude
// the user because the user is suspended or in none of its groups.
func (s *Simulator) selects(rule Fields, event Fields) bool {
	if rule.Text("status") != ruleEnabled || !rule.Flag("notifyOnViolation") {
		return false
	}
	concerned := textOf(lookup(event, "resource.id"))
	if rule.Flag("excludeSuspendedUsers") && s.store.get(kindUser, concerned).Flag("suspended") {
		return false
	}
	if groups := textList(rule["groupObjectIds"]); len(groups) > 0 && !slices.ContainsFunc(groups, func(group string) bool {
		return slices.ContainsFunc(s.store.reach(node{string(kindGroup), group}, kindUser, true), func(user Fields) bool { return user.Text("id") == concerned })
	}) {
		return false
	}
	filters, _ := rule["eventFilters"].([]any)
	return slices.ContainsFunc(filters, func(each any) bool {
		return slices.Contains(textList(lookup(each, "eventTypes")), event.Text("event_type"))
	})
}
