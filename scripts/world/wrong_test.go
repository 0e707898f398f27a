package world_test

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// wrongAnswers are known forms of wrong answers of JumpCloud: they are valid, and show less
// than there is.
var wrongAnswers = []jumpcloudtest.Fault{
	{Path: "/api/v2/usergroups/*/membership", Answer: jumpcloudtest.EmptyList},
	{Path: "/api/v2/usergroups/*/membership", Answer: jumpcloudtest.EmptyTotal},
	{Path: "/api/v2/usergroups/*/membership", Answer: jumpcloudtest.FewerOf, Count: 4},
	{Path: "/api/v2/usergroups/*/membership", Status: 404},
	{Path: "/api/v2/usergroups/*", Status: 404},
	{Path: "/api/v2/usergroups", Answer: jumpcloudtest.EmptyTotal},
	{Path: "/api/v2/groups", Answer: jumpcloudtest.EmptyTotal},
	{Path: "/api/v2/users/*/memberof", Answer: jumpcloudtest.EmptyList},
	{Path: "/api/v2/users/*/memberof", Answer: jumpcloudtest.EmptyTotal},
	{Path: "/api/v2/users/*/memberof", Status: 404},
	{Path: "/api/systemusers", Answer: jumpcloudtest.EmptyTotal},
	{Path: "/api/systemusers", Answer: jumpcloudtest.FewerOf},
	{Path: "/api/systemusers/*", Status: 404},
	{Path: "/api/search/systemusers", Answer: jumpcloudtest.EmptyTotal},
}

// cause draws and does one of the things that start tasks for the people; nobody leaves.
func (o *company) cause(t *rapid.T) {
	id := rapid.SampledFrom(o.people).Draw(t, "who")
	switch rapid.SampledFrom([]string{"sync the group", "an event", "a membership event", "all of them", "a change", "a rename"}).Draw(t, "what") {
	case "sync the group":
		o.SyncGroup(o.group)
	case "an event":
		o.EnqueueUser(id, false)
	case "a membership event":
		o.EnqueueUser(id, true)
	case "all of them":
		o.forAll(func(w *world.World, id directory.UserID) { w.EnqueueUser(id, true) })
	case "a change":
		o.Must(o.JumpCloud.UpdateUser(string(id), jumpcloudtest.Fields{"jobTitle": rapid.SampledFrom([]string{"Dev", "Lead", "Boss"}).Draw(t, "title")}))
	case "a rename":
		o.Must(o.JumpCloud.RenameGroup(string(o.group), rapid.SampledFrom([]string{"Staff", "Crew", "Team"}).Draw(t, "name")))
	}
}

// timeless is a test that hides its deadline, which is none inside a bubble.
type timeless struct{ testing.TB }

// A JumpCloud that is wrong once disables nobody, whatever started the task and whichever
// answer is wrong; one that is wrong again and again disables nobody for good.
func TestWrongAnswersDisableNobodyForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(timeless{t}, func(t *rapid.T) {
			o := newCompany(t, rapid.IntRange(1, 8).Draw(t, "people"), world.Config{Latency: 10 * time.Millisecond})
			fault := rapid.SampledFrom(wrongAnswers).Draw(t, "wrong")
			once := rapid.Bool().Draw(t, "once")
			if once {
				fault.Skip = rapid.IntRange(0, 5).Draw(t, "after")
				o.JumpCloud.FailNext(fault)
			} else {
				for range rapid.IntRange(1, 4).Draw(t, "kinds") {
					fault = rapid.SampledFrom(wrongAnswers).Draw(t, "also wrong")
					fault.Every = rapid.IntRange(1, 5).Draw(t, "every")
					o.JumpCloud.FailNext(fault)
				}
			}
			for range rapid.IntRange(1, 6).Draw(t, "causes") {
				o.cause(t)
				for range rapid.IntRange(0, 60).Draw(t, "half seconds") {
					if n := o.disabled(); once && n > 0 {
						t.Fatalf("%d of %d are disabled by one wrong answer, want none", n, len(o.names))
					}
					time.Sleep(500 * time.Millisecond)
				}
			}
			if once {
				o.never("after one wrong answer")
			}
			time.Sleep(2 * time.Minute)
			o.JumpCloud.Mend()
			o.Settle(2 * time.Hour)
			if n := o.disabled(); n > 0 {
				t.Fatalf("%d of %d are disabled for good, want none", n, len(o.names))
			}
			if members := o.Members(o.GroupLink(o.group).Name); len(members) != len(o.names) {
				t.Fatalf("the group has %d members, want %d", len(members), len(o.names))
			}
		})
	})
}
