package catchup_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// rulesPath is the path of the rules.
const rulesPath = "/api/v2/healthmonitoring/rules"

// rule adds a rule to JumpCloud that makes alerts.
func (f *fixture) rule(name, description, status string) {
	f.t.Helper()
	_, err := f.JumpCloud.AddRule(jumpcloudtest.Fields{"name": name, "description": description, "ruleType": "RULE_TYPE_EVENT_FILTER_BASED",
		"category": "RULE_CATEGORY_CUSTOM", "severity": "RULE_SEVERITY_LOW", "status": status, "alertsEnabled": true, "notifyOnViolation": true,
		"eventFilters": []any{jumpcloudtest.Fields{"filterSource": "FILTER_SOURCE_UI_BUILDER", "eventTypes": []any{"user_create"}}}})
	f.Must(err)
}

// ofEarlierVersions adds a rule that an earlier version made, one that was switched off since,
// and one that an administrator made.
func (f *fixture) ofEarlierVersions() {
	f.t.Helper()
	f.rulesMigrated(false)
	f.rule("entrasync", "Managed by entrasync: sends it what it synchronizes.", "RULE_STATUS_ENABLED")
	f.rule("entrasync off", "Managed by entrasync: sends it what it synchronizes.", "RULE_STATUS_DISABLED")
	f.rule("by hand", "ours, but by hand", "RULE_STATUS_ENABLED")
}

// wantMigrated checks what became of the rules of ofEarlierVersions.
func (f *fixture) wantMigrated(when string) {
	f.t.Helper()
	for _, rule := range f.JumpCloud.Rules() {
		byHand := rule.Text("name") == "by hand"
		if rule.Flag("alertsEnabled") != byHand || !rule.Flag("notifyOnViolation") {
			f.t.Errorf("%s: the rule %q makes alerts: %t, want %t, and that it notifies: %v", when, rule.Text("name"), rule.Flag("alertsEnabled"), byHand, rule)
		}
		if off := rule.Text("status") == "RULE_STATUS_DISABLED"; off != (rule.Text("name") == "entrasync off") {
			f.t.Errorf("%s: the rule %q is switched off: %t, want it as it was", when, rule.Text("name"), off)
		}
	}
}

// toRules are how many requests to rules were made since the last call.
func (f *fixture) toRules() (n int) {
	for _, request := range f.asked() {
		if strings.Contains(request, rulesPath) {
			n++
		}
	}
	return n
}

// Rules that earlier versions made are migrated by themselves, once, and nothing else of them
// is changed. What an administrator does with them later is left alone.
func TestRulesOfEarlierVersionsAreMigrated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.ofEarlierVersions()
		f.minutes(1)
		f.wantMigrated("after one run")
		if n := f.toRules(); n != 3 {
			t.Errorf("%d requests to rules, want a list and two changes", n)
		}
		f.rule("entrasync, with alerts on purpose", "Managed by entrasync", "RULE_STATUS_ENABLED")
		time.Sleep(48 * time.Hour)
		f.minutes(2)
		if n := f.toRules(); n != 0 {
			t.Errorf("%d requests to rules after that, want none ever", n)
		}
	})
}

// A key that may not change rules is told, tried again the next day and not each minute, and
// is no trouble of the feed.
func TestRulesThatCannotBeMigratedAreTriedAgainTheNextDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.ofEarlierVersions()
		f.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: rulesPath, Status: http.StatusForbidden, Times: 2})
		f.minutes(60)
		if n := f.toRules(); n > 2 {
			t.Errorf("%d requests to rules in an hour, want one try", n)
		}
		if r := f.record(); r.Trouble != nil || r.RulesMigrated || time.Since(r.LastRunAt) > 2*time.Minute {
			t.Errorf("the record is %+v, want that the feed is read and the rules are not migrated", r)
		}
		time.Sleep(24 * time.Hour)
		f.minutes(1)
		f.wantMigrated("the next day")
		if !f.record().RulesMigrated {
			t.Error("the rules are not known to be migrated, want that they are")
		}
	})
}

// The process dies before or after any of its calls while it migrates rules: the next run
// migrates what is left.
func TestTheProcessDiesWhileItMigratesRules(t *testing.T) {
	for n, died := 1, "?"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.ofEarlierVersions()
			whole, mortal := f.parts, functiontest.NewMortal(n)
			f.parts.Store, f.parts.Changes, f.parts.Feeds = store.New(mortal.Table(f.Table)), mortal.Sender(f.changes), f.ClientsThrough(mortal.Transport(f))
			_ = f.try() // it may say that it died
			f.parts, died = whole, mortal.Died()
			time.Sleep(2 * time.Minute)
			f.minutes(1)
			f.wantMigrated("it died with " + died)
		})
		if n > 200 {
			t.Fatal("a run makes more than 100 calls, want fewer")
		}
	}
}
