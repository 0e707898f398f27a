package users_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/local/localtest"
	"entrasync/shared/plan"
)

// In no history of people who leave and come back, of changes by hand, and of processes that
// die is an account deleted whose user has not been away for as long as the directory says; in the
// end everything is done to those who left, and who is connected has an open account with
// what was taken.
func TestNoHistoryDeletesWhoIsConnected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			h := &leaverHistory{fixture: newFixtureIn(t, localtest.Folder(t), t.Cleanup), rt: t,
				left: map[directory.UserID]time.Time{}, suspended: map[directory.UserID]bool{}, account: map[directory.UserID]directory.EntraID{},
				touched: map[directory.UserID]bool{}, opened: map[directory.UserID]time.Time{}, checked: map[string]bool{}}
			h.play()
		})
	})
}

// leaverHistory is one random history.
type leaverHistory struct {
	*fixture
	rt        *rapid.T
	all       []directory.UserID
	days      map[directory.LeaverStep]int
	left      map[directory.UserID]time.Time // since when they are not connected
	suspended map[directory.UserID]bool
	account   map[directory.UserID]directory.EntraID // that they had first
	touched   map[directory.UserID]bool              // somebody changed the licenses by hand
	opened    map[directory.UserID]time.Time         // when somebody last enabled the account by hand
	checked   map[string]bool                        // actions
}

func (h *leaverHistory) play() {
	h.days = map[directory.LeaverStep]int{directory.RemoveLicenses: rapid.IntRange(0, 2).Draw(h.rt, "removeLicenses"),
		directory.HideFromAddressLists: rapid.IntRange(0, 3).Draw(h.rt, "hide"), directory.DeleteAccount: rapid.IntRange(1, 6).Draw(h.rt, "delete")}
	h.leaving(h.days)
	h.settings(func(s *directory.Settings) { s.RepairDrift = rapid.Bool().Draw(h.rt, "repairDrift") })
	h.all = h.people(rapid.IntRange(1, 4).Draw(h.rt, "people"))
	for _, id := range h.all {
		h.account[id] = h.link(id).EntraID
		_, err := h.accounts.SetLicenses(string(h.account[id]), entratest.License{SKU: entratest.SKUOffice})
		h.must(err)
		h.byHand(h.account[id], map[string]any{"usageLocation": "DE"})
	}
	h.rt.Repeat(map[string]func(*rapid.T){
		"somebody leaves or comes back": func(*rapid.T) { h.turn(h.somebody()) },
		"somebody is suspended or not":  func(*rapid.T) { h.suspendOne(h.somebody()) },
		"a worker works":                func(*rapid.T) { h.run(h.somebody()) },
		"a worker dies":                 func(*rapid.T) { h.dies(rapid.IntRange(1, 60).Draw(h.rt, "call"), h.message(h.somebody(), 1)) },
		"the sweep's worker dies":       func(*rapid.T) { h.sweepAndDie() },
		"hours pass":                    func(*rapid.T) { h.pass(rapid.IntRange(1, 20).Draw(h.rt, "hours")) },
		"days pass": func(*rapid.T) {
			for range rapid.IntRange(1, 8).Draw(h.rt, "days") * 3 {
				h.pass(8)
			}
		},
		"somebody changes licenses":   func(*rapid.T) { h.license(h.somebody()) },
		"somebody enables an account": func(*rapid.T) { h.enable(h.somebody()) },
		"":                            func(*rapid.T) { h.check() },
	})
	for range 4 { // whatever was left open by a death is done
		time.Sleep(3 * time.Minute)
		h.run(h.all...)
		h.drain()
		h.pass(1)
	}
	for range 3 * 12 {
		h.pass(8)
	}
	h.check()
	h.checkEnd()
}

// somebody is one of the people.
func (h *leaverHistory) somebody() directory.UserID {
	return rapid.SampledFrom(h.all).Draw(h.rt, "who")
}

// pass lets hours pass, with a sweep at the end.
func (h *leaverHistory) pass(hours int) {
	time.Sleep(time.Duration(hours)*time.Hour + time.Minute)
	h.sweep()
}

// turn disconnects somebody, or connects them again.
func (h *leaverHistory) turn(id directory.UserID) {
	if h.left[id].IsZero() {
		h.disconnect(id)
		h.left[id] = time.Now()
		return
	}
	h.connect(id)
	delete(h.left, id)
}

// suspendOne suspends somebody in JumpCloud, or activates them.
func (h *leaverHistory) suspendOne(id directory.UserID) {
	if h.suspended[id] = !h.suspended[id]; h.suspended[id] {
		h.suspend(id)
		return
	}
	h.must(h.jumpcloud.ActivateUser(string(id)))
}

// sweepAndDie runs the sweep, and has a worker die with what it sent: the messages are lost.
func (h *leaverHistory) sweepAndDie() {
	time.Sleep(time.Duration(rapid.IntRange(1, 30).Draw(h.rt, "hours")) * time.Hour)
	h.sweepOnce()
	var messages []events.SQSMessage
	for i, m := range h.again {
		name := fmt.Sprintf("s%d-%d", h.messages, i)
		messages = append(messages, events.SQSMessage{MessageId: name, ReceiptHandle: name, Body: string(m.Body), EventSourceARN: "queue", Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
	}
	h.again = nil
	if len(messages) > 0 {
		h.diesAt(rapid.IntRange(1, 80).Draw(h.rt, "moment"), messages[:min(len(messages), 10)]...)
	}
}

// live is the account of somebody, unless it is deleted.
func (h *leaverHistory) live(id directory.UserID) (entratest.User, bool) {
	user, found := h.accounts.User(string(h.link(id).EntraID))
	return user, found && user.Deleted.IsZero()
}

// license gives somebody's account another license by hand.
func (h *leaverHistory) license(id directory.UserID) {
	if account, there := h.live(id); there {
		_, err := h.accounts.SetLicenses(account.ID, entratest.License{SKU: entratest.SKUVisio})
		h.must(err)
		h.touched[id] = true
	}
}

// enable enables the account of somebody who left.
func (h *leaverHistory) enable(id directory.UserID) {
	if account, there := h.live(id); there && !h.left[id].IsZero() && !account.AccountEnabled {
		h.byHand(directory.EntraID(account.ID), map[string]any{"accountEnabled": true})
		h.opened[id] = time.Now()
	}
}

// check checks that nobody was deleted too early.
func (h *leaverHistory) check() {
	h.t.Helper()
	for _, a := range h.actions() {
		if a.Type != plan.DeleteAccount || a.Status != plan.Succeeded || h.checked[a.ID] {
			continue
		}
		h.checked[a.ID] = true
		id := directory.UserID(a.Subject.ID)
		since := h.left[id]
		if since.IsZero() || a.At.Sub(since) < time.Duration(h.days[directory.DeleteAccount])*24*time.Hour {
			h.rt.Fatalf("%s, who left at %s, was deleted at %s, want not before %d days: %+v", id, since, a.At, h.days[directory.DeleteAccount], a)
		}
	}
}

// checkEnd checks how everybody stands in the end.
func (h *leaverHistory) checkEnd() {
	h.t.Helper()
	for _, id := range h.all {
		link := h.link(id)
		account, there := h.live(id)
		switch left := !h.left[id].IsZero(); {
		case left && there && h.opened[id].IsZero():
			h.rt.Fatalf("%s left at %s and has the account %+v, want it deleted: %s %+v", id, h.left[id], account, describe(link), link.Leaving)
		case left:
		case !there:
			h.rt.Fatalf("%s is connected and has no account: %s %+v", id, describe(link), link.Leaving)
		case account.AccountEnabled == h.suspended[id]:
			h.rt.Fatalf("%s is suspended: %t, and enabled: %t: %s", id, h.suspended[id], account.AccountEnabled, describe(link))
		case !h.suspended[id] && link.Leaving != nil:
			h.rt.Fatalf("%s is back, and something is left to do: %s %+v", id, describe(link), link.Leaving)
		case !h.suspended[id] && account.Hidden():
			h.rt.Fatalf("%s is back, and hidden from the address lists: %s", id, describe(link))
		case !h.suspended[id] && !h.touched[id] && link.EntraID == h.account[id] && !slices.Equal(h.own(link.EntraID), []string{entratest.SKUOffice}):
			h.rt.Fatalf("%s is back with the licenses %v, want the one that was taken: %s", id, h.own(link.EntraID), describe(link))
		}
	}
}
