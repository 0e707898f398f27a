package world_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/wiring"
	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// values set a value that people or groups have in JumpCloud, and read it from Entra.
var values = map[string]struct {
	set func(o *company, value string) error
	get func(o *company) string
}{
	"lastname": {
		func(o *company, value string) error { return o.update(jumpcloudtest.Fields{"lastname": value}) },
		func(o *company) string { return o.text("surname") }},
	"jobTitle": {
		func(o *company, value string) error { return o.update(jumpcloudtest.Fields{"jobTitle": value}) },
		func(o *company) string { return o.text("jobTitle") }},
	"email": {
		func(o *company, value string) error {
			return o.update(jumpcloudtest.Fields{"email": value + "@" + world.Domain})
		},
		func(o *company) string {
			name, _, _ := strings.Cut(o.text("userPrincipalName"), "@")
			return name
		}},
	"name of the group": {
		func(o *company, value string) error { return o.JumpCloud.RenameGroup(string(o.group), value) },
		func(o *company) string {
			group, _ := o.Tenant.Group(string(o.GroupLink(o.group).EntraID))
			return group.DisplayName
		}},
}

// update changes fields of the first one in JumpCloud.
func (o *company) update(fields jumpcloudtest.Fields) error {
	return o.JumpCloud.UpdateUser(string(o.people[0]), fields)
}

// text is a property of the account of the first one.
func (o *company) text(property string) string {
	account, _ := o.Tenant.User(string(o.Link(o.people[0]).EntraID))
	return account.Text(property)
}

// Entra gets the second of two values, also if the reads for both events still show the
// value before the first one, which the second event does not name.
func TestAValueThatChangesTwiceWhileReadsLag(t *testing.T) {
	for name, tc := range values {
		for _, lag := range []time.Duration{1500 * time.Millisecond, 3 * time.Second, 9 * time.Second, 30 * time.Second} {
			for _, gap := range []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
				t.Run(fmt.Sprint(name, " ", lag, " ", gap), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond, Settings: func(s *directory.Settings) { s.Attributes["user_job_title"] = true }})
						o.Must(tc.set(o, "one"))
						time.Sleep(5 * time.Minute)
						o.lag(lag)
						o.Must(tc.set(o, "two"))
						time.Sleep(gap)
						o.Must(tc.set(o, "three"))
						if took := o.Until("the second value has come to Entra", 2*time.Minute, func() bool { return tc.get(o) == "three" }); took > nextStep(lag)+2*time.Second {
							t.Errorf("it took %s, want %s at most", took, nextStep(lag)+2*time.Second)
						}
						o.Settle(time.Hour)
						if got := tc.get(o); got != "three" {
							t.Errorf("in the end Entra has %q, want three", got)
						}
					})
				})
			}
		}
	}
}

// So it is if the events come in the wrong order: the earlier one, which is outdated then,
// says what the value was before both.
func TestAValueWhoseTwoEventsComeInTheWrongOrder(t *testing.T) {
	for name, tc := range values {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newCompany(t, 1, world.Config{Latency: 10 * time.Millisecond, Settings: func(s *directory.Settings) { s.Attributes["user_job_title"] = true }})
				o.Must(tc.set(o, "one"))
				time.Sleep(5 * time.Minute)
				o.lag(5 * time.Second)
				o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
				before := len(o.JumpCloud.Events())
				o.Must(tc.set(o, "two"))
				time.Sleep(500 * time.Millisecond)
				o.Must(tc.set(o, "three"))
				for _, fields := range slices.Backward(o.JumpCloud.Events()[before:]) {
					o.event(fields)
					time.Sleep(500 * time.Millisecond)
				}
				o.Until("the second value has come to Entra", 15*time.Second, func() bool { return tc.get(o) == "three" })
				o.Settle(time.Hour)
			})
		})
	}
}

// event has the functions get an event of JumpCloud.
func (o *company) event(fields jumpcloudtest.Fields) {
	body, err := json.Marshal(fields)
	o.Must(err)
	parsed, err := jumpcloud.ParseBody(body)
	o.Must(err)
	for _, event := range parsed.Events() {
		m, err := jumpcloud.Change{Organization: o.Organization(), Event: event}.Message()
		o.Must(err)
		o.Must(o.Queues[wiring.Changes].Send(o.t.Context(), m))
	}
}
