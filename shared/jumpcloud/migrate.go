package jumpcloud

import (
	"context"
	"errors"
)

// StopAlerts switches the alerts off in the rules that we made, whatever their channels: those
// of earlier versions made alerts, and JumpCloud collects events in an open alert. Everything
// else of a rule stays as it is: one that an administrator switched off stays off. It returns
// the rules that it changed, also with an error; a rule that cannot be changed keeps no other
// from it.
// Forbidden names the scope that the key lacks.
func (c *Client) StopAlerts(ctx context.Context) (changed []WebhookName, err error) {
	rules, err := c.listNamed(ctx, ruleService)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, rule := range rules {
		if alerts, _ := rule.flag("alertsEnabled"); !alerts || !isMarked(rule) || rule.text("ruleType") != eventRule {
			continue
		}
		content := writable(rule)
		content["alertsEnabled"] = false
		if _, _, err := c.save(ctx, ruleService, rule.text("objectId"), content); err != nil {
			failed = append(failed, err)
			continue
		}
		changed = append(changed, nameOf(rule))
	}
	return changed, errors.Join(failed...)
}
