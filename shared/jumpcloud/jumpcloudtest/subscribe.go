package jumpcloudtest

// AddChannel adds a notification channel and returns its id. The fields are
// those of Channel in POST /notifications/channels.
func (s *Simulator) AddChannel(channel Fields) (id string, err error) {
	err = s.do(func(tx *tx) error {
		saved, err := tx.saveChannel("", channel)
		id = saved.Text("objectId")
		return err
	})
	return id, err
}

// AddRule adds a rule and returns its id. The fields are those of Rule in POST
// /healthmonitoring/rules.
func (s *Simulator) AddRule(rule Fields) (id string, err error) {
	err = s.do(func(tx *tx) error {
		saved, err := tx.saveRule("", rule)
		id = saved.Text("objectId")
		return err
	})
	return id, err
}

// notifyName is the name of Notify's channel and rule.
const notifyName = "M365 sync"

// notifyTypes are the event types a rule for a Microsoft 365 sync selects.
var notifyTypes = []any{"user_create", "user_update", "user_delete", "user_suspended", "user_unsuspended",
	"user_lockout", "user_unlocked", "user_password_expired", "user_password_change", "user_password_set",
	"user_activated", "group_create", "group_update", "group_delete", "association_change",
	"organization_update", "o365_directory_update", "o365_directory_delete",
	"integration_domain_add", "integration_domain_delete", "integration_default_domain_add",
	"integration_default_domain_update", "integration_default_domain_delete",
	"integrationattribute_include", "integrationattribute_exclude"}

// Notify makes the setup of an administrator: a webhook channel with a bearer token (""
// for none), and a rule that sends it every event that a sync needs. A second call,
// also after a restart, changes that channel. It returns the id of the channel.
func (s *Simulator) Notify(url, token string) (channel string, err error) {
	auth := authBearer
	if token == "" {
		auth = authNone
	}
	wanted := Fields{"name": notifyName, "type": typeWebhook, "enabled": true, "config": Fields{"webhook": Fields{
		"url": url, "authType": auth, "authToken": token, "sslVerification": true}}}
	err = s.do(func(tx *tx) error {
		for _, existing := range tx.s.store.all(kindChannel) {
			if existing.Text("name") == notifyName {
				channel = existing.Text("objectId")
			}
		}
		saved, err := tx.saveChannel(channel, wanted)
		if err != nil {
			return err
		}
		channel = saved.Text("objectId")
		rule := ""
		for _, existing := range tx.s.store.all(kindRule) {
			if existing.Text("name") == notifyName {
				rule = existing.Text("objectId")
			}
		}
		_, err = tx.saveRule(rule, Fields{"name": notifyName, "ruleType": ruleFilterType, "status": ruleEnabled,
			"category": "RULE_CATEGORY_CUSTOM", "severity": "RULE_SEVERITY_LOW", "alertsEnabled": true, "notifyOnViolation": true,
			"excludeSuspendedUsers": false, "notificationChannelObjectIds": []any{channel},
			"eventFilters": []any{Fields{"filterSource": "FILTER_SOURCE_UI_BUILDER", "eventTypes": notifyTypes}}})
		return err
	})
	return channel, err
}
