package users_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/local/localtest"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// In no history of changes, of processes that die and of workers side by side does the
// directory disable more people within the window than its guard lets, unless somebody approved
// that; and nobody who is to be disabled by a suspension waits for a hold on removals.
func TestNoHistoryDisablesMoreThanTheGuardLets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			h := &guardHistory{fixture: newFixtureIn(t, localtest.Folder(t), t.Cleanup), rt: t, state: map[directory.UserID]string{}}
			h.play()
		})
	})
}

// guardHistory is one random history.
type guardHistory struct {
	*fixture
	rt                      *rapid.T
	count, percent, minimum int
	all                     []directory.UserID
	state                   map[directory.UserID]string // in JumpCloud: "", "suspended", "left", "left and suspended", "deleted"
	approved                []approval
}

// approval is somebody who was in a hold when it was approved.
type approval struct {
	user  directory.UserID
	kind  plan.HoldKind
	at    time.Time
	until time.Time
}

// most is how many people may be disabled within the window at most.
func (h *guardHistory) most() int {
	return max(h.minimum, min(h.count, len(h.all)*h.percent/100))
}

func (h *guardHistory) play() {
	h.count, h.minimum = rapid.IntRange(0, 5).Draw(h.rt, "maxCount"), rapid.IntRange(0, 2).Draw(h.rt, "minimum")
	h.percent = rapid.SampledFrom([]int{0, 10, 50, 100}).Draw(h.rt, "maxPercent")
	h.guarded(h.count, h.percent, h.minimum)
	h.all = h.people(rapid.IntRange(1, 14).Draw(h.rt, "people"))
	h.rt.Repeat(map[string]func(*rapid.T){
		"somebody changes": func(*rapid.T) { h.change(h.somebody()) },
		"many leave": func(*rapid.T) {
			for range rapid.IntRange(2, 8).Draw(h.rt, "leavers") {
				if id := h.somebody(); h.state[id] == "" {
					h.disconnect(id)
					h.state[id] = "left"
				}
			}
		},
		"many are suspended": func(*rapid.T) {
			for range rapid.IntRange(2, 8).Draw(h.rt, "suspended") {
				if id := h.somebody(); h.state[id] == "" {
					h.suspend(id)
					h.state[id] = "suspended"
				}
			}
		},
		"a worker works":           func(*rapid.T) { h.run(h.some()...) },
		"a worker dies":            func(*rapid.T) { h.dies(rapid.IntRange(1, 40).Draw(h.rt, "call"), h.batch(h.some()...).Records...) },
		"two workers work at once": func(*rapid.T) { h.twoAtOnce(h.some(), h.some()) },
		"time passes":              func(*rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 50).Draw(h.rt, "minutes")) * time.Minute) },
		"somebody decides":         func(*rapid.T) { h.decideOne() },
		"":                         func(*rapid.T) { h.check() },
	})
	for range 3 { // whatever was left open by a death is done
		time.Sleep(3 * time.Minute)
		for some := range slices.Chunk(h.all, 10) {
			h.run(some...)
		}
	}
	h.check()
	h.checkSuspended()
}

// somebody is one of the people.
func (h *guardHistory) somebody() directory.UserID { return rapid.SampledFrom(h.all).Draw(h.rt, "who") }

// some are some of the people, each once.
func (h *guardHistory) some() []directory.UserID {
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(h.all), 1, min(10, len(h.all)), rapid.ID).Draw(h.rt, "whom")
	return some
}

// change changes one in JumpCloud, or the connection.
func (h *guardHistory) change(id directory.UserID) {
	switch h.state[id] {
	case "":
		switch rapid.IntRange(0, 4).Draw(h.rt, "what") {
		case 0, 1:
			h.suspend(id)
			h.state[id] = "suspended"
		case 2, 3:
			h.disconnect(id)
			h.state[id] = "left"
		default:
			h.must(h.jumpcloud.DeleteUser(string(id)))
			h.state[id] = "deleted"
		}
	case "suspended":
		if rapid.Bool().Draw(h.rt, "leaves") {
			h.disconnect(id)
			h.state[id] = "left and suspended"
			return
		}
		h.must(h.jumpcloud.ActivateUser(string(id)))
		h.state[id] = ""
	case "left":
		if rapid.Bool().Draw(h.rt, "is suspended") {
			h.suspend(id)
			h.state[id] = "left and suspended"
			return
		}
		h.connect(id)
		h.state[id] = ""
	case "left and suspended":
		h.connect(id)
		h.state[id] = "suspended"
	}
}

// twoAtOnce has two workers work at the same time.
func (h *guardHistory) twoAtOnce(one, other []directory.UserID) {
	first, second := h.batch(one...), h.batch(other...)
	var working sync.WaitGroup
	working.Go(func() { _, _ = h.handler.Handle(context.Background(), first) })
	working.Go(func() { _, _ = h.handler.Handle(context.Background(), second) })
	working.Wait()
}

// decideOne approves or rejects one of the open holds.
func (h *guardHistory) decideOne() {
	open := h.holds(store.HoldOpen)
	if len(open) == 0 {
		return
	}
	hold := rapid.SampledFrom(open).Draw(h.rt, "hold")
	status := rapid.SampledFrom([]store.HoldStatus{store.HoldApproved, store.HoldRejected}).Draw(h.rt, "decision")
	until := time.Now().Add(time.Duration(rapid.IntRange(1, 90).Draw(h.rt, "valid")) * time.Minute)
	if status == store.HoldApproved {
		for _, id := range h.held(hold) {
			h.approved = append(h.approved, approval{id, hold.Kind, time.Now(), until})
		}
	}
	_, err := h.store.DecideHold(context.Background(), h.directory.ID, hold.ID, status, func(d *store.Hold) { d.By, d.ExpiresAt = "Ada", until })
	h.must(err)
}

// check checks that within no window more people were disabled, by one kind, than the guard
// lets; those who were approved do not count.
func (h *guardHistory) check() {
	h.t.Helper()
	for _, kind := range plan.HoldKinds() {
		used := make([]bool, len(h.approved))
		var counted []plan.Action
		disabled := map[directory.EntraID]bool{} // who has nothing left to lose
		for _, a := range h.actions() {
			before := disabled[a.EntraID]
			if enabled, written := a.Value(directory.AccountEnabled); written {
				disabled[a.EntraID] = enabled.Equal(directory.Bool(false)) && a.Status == plan.Succeeded
			}
			if before || a.Type != plan.Deprovision || plan.KindOf(a.Reason) != kind || a.Error != nil && a.Error.Reason != directory.Interrupted {
				continue
			}
			if !h.wasApproved(a, kind, used) {
				counted = append(counted, a)
			}
		}
		for i, first := range counted {
			people := map[string]bool{}
			for _, a := range counted[i:] {
				if a.At.Sub(first.At) < 59*time.Minute { // they are counted a moment before they are recorded
					people[a.Subject.ID] = true
				}
			}
			if len(people) > h.most() {
				h.rt.Fatalf("%d people were disabled within the window (%s from %s on), want at most %d: %+v", len(people), kind, first.At, h.most(), counted)
			}
		}
	}
}

// wasApproved reports whether somebody approved that the person of an action is disabled.
func (h *guardHistory) wasApproved(a plan.Action, kind plan.HoldKind, used []bool) bool {
	for i, each := range h.approved {
		if string(each.user) == a.Subject.ID && each.kind == kind && !used[i] && !a.At.Before(each.at) && a.At.Before(each.until) {
			used[i] = a.Status == plan.Succeeded // an attempt that was interrupted is repeated
			return true
		}
	}
	return false
}

// checkSuspended checks that everybody who is suspended is disabled, or waits in a hold on
// suspensions, or was rejected there.
func (h *guardHistory) checkSuspended() {
	h.t.Helper()
	for _, id := range h.all {
		link := h.link(id)
		if h.account(string(link.UPN)).AccountEnabled && (h.state[id] == "suspended" || h.state[id] == "left and suspended") {
			known, err := h.store.Guard(context.Background(), h.directory.ID, plan.Suspensions, "", store.HeldItem{User: id})
			h.must(err)
			item, waits := known.Items[store.About{Person: string(id)}]
			if status := known.Holds[item.Hold].Status; !waits || status != store.HoldOpen && status != store.HoldRejected {
				h.rt.Fatalf("%s is %s and has an open account, and waits in no hold on suspensions: %s", id, h.state[id], describe(link))
			}
		}
		if enabled := h.account(string(link.UPN)).AccountEnabled; h.state[id] == "" && !enabled {
			h.rt.Fatalf("%s is active and connected, and the account is disabled: %s", id, describe(link))
		}
	}
}

// describe is how a link stands.
func describe(link directory.Link) string {
	return fmt.Sprintf("%s %s (%s, %s) %s", link.Status, link.Reason, link.Hold, link.HeldFor, link.State)
}
