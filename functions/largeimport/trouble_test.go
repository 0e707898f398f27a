package largeimport_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/functions/largeimport"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/importing"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Whatever the outside systems do, every account has its line, nobody is created twice, and
// who was not imported has a reason.
func TestTrouble(t *testing.T) {
	const people = 130 // two chunks
	submit := func(fault jumpcloudtest.Fault) func(*fixture) {
		fault.Method, fault.PathContains = http.MethodPost, "/bulk/users"
		return func(f *fixture) { f.JumpCloud.FailNext(fault) }
	}
	set := func(change func(*jumpcloudtest.Behaviour)) func(*fixture) {
		return func(f *fixture) { f.JumpCloud.Set(change) }
	}
	for _, tc := range []struct {
		name     string
		trouble  func(*fixture)
		imported int
		says     string // of those who are not
	}{
		{"throttled", submit(jumpcloudtest.Fault{Status: 429, RetryAfter: "30"}), people, ""},
		{"busy", submit(jumpcloudtest.Fault{Status: 503, Times: 3}), people, ""},
		{"served without an answer", submit(jumpcloudtest.Fault{Drop: true, AfterChange: true, Times: 2}), people, ""},
		{"no connection", submit(jumpcloudtest.Fault{Drop: true, Times: 5}), people, ""},
		{"the key is refused for a while", submit(jumpcloudtest.Fault{Status: 401, Times: 3}), people, ""},
		{"a batch is refused because of one user", func(f *fixture) {
			f.outside = refuseOne("p0042")
		}, people - 1, "JumpCloud refused the user"},
		{"the licence ends in a batch", set(func(b *jumpcloudtest.Behaviour) { b.LicenseLimit = 120 }), 120, "contact your provider"},
		{"the licence ends before a batch", set(func(b *jumpcloudtest.Behaviour) { b.LicenseLimit, b.LicenseRefusesRequest = 100, true }), 100, "contact your provider"},
		{"results in another order", set(func(b *jumpcloudtest.Behaviour) { b.BulkShuffle = true }), people, ""},
		{"results without names", set(func(b *jumpcloudtest.Behaviour) { b.BulkNames = jumpcloudtest.NamesNowhere }), people, ""},
		{"late results", set(func(b *jumpcloudtest.Behaviour) { b.BulkPace, b.BulkHidesPending = time.Second, true }), people, ""},
		{"slow results", set(func(b *jumpcloudtest.Behaviour) { b.BulkDelay = 10 * time.Minute }), people, ""},
		{"a job that never ends", set(func(b *jumpcloudtest.Behaviour) { b.BulkStopsAt = 51 }), 50 + 30, "has not finished its bulk job"},
		{"users appear late", set(func(b *jumpcloudtest.Behaviour) { b.UserReadLag = 20 * time.Second }), people, ""},
		{"results cannot be read for a while", func(f *fixture) {
			f.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: "/results", Status: 500, Times: 20})
		}, people, ""},
		{"users cannot be listed for a while", func(f *fixture) {
			f.JumpCloud.FailNext(jumpcloudtest.Fault{Method: http.MethodGet, PathContains: "/systemusers", Status: 500, Times: 20})
		}, people, ""},
		{"Graph is busy", func(f *fixture) { f.Must(f.Entra.FailNext(entratest.Fault{Path: "getByIds", Status: 503, Times: 10})) }, people, ""},
		{"the tenant refuses us for a while", func(f *fixture) { f.Must(f.Entra.FailNext(entratest.Fault{Path: "getByIds", Status: 403, Times: 5})) }, people, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ids := f.accounts(people)
				tc.trouble(f)
				job, lines := f.work(f.start(importing.Choice{IDs: ids}).ID)
				imported := f.checked(t, ids, lines)
				if imported != tc.imported || job.Imported != imported || job.Failed != people-imported {
					t.Errorf("%d imported (the job says %d, and %d failed), want %d: %s", imported, job.Imported, job.Failed, tc.imported, job.Message)
				}
				for _, line := range lines {
					if line.Status == store.LineFailed && !strings.Contains(line.Message, tc.says) {
						t.Errorf("a line that failed says %q, want something with %q", line.Message, tc.says)
					}
				}
			})
		})
	}
}

// refuseOne refuses every bulk request with a user of a name.
func refuseOne(name string) func(*http.Request) error {
	return func(r *http.Request) error {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/bulk/users") {
			return nil
		}
		body, err := peek(r)
		if err != nil || !strings.Contains(body, name) {
			return err
		}
		return refusal{status: http.StatusBadRequest, body: `{"message":"Validation error"}`}
	}
}

// accounts adds n accounts.
func (f *fixture) accounts(n int) []directory.EntraID {
	ids := make([]directory.EntraID, n)
	for i := range ids {
		ids[i] = f.account(fmt.Sprintf("p%04d", i), nil)
	}
	return ids
}

// checked checks that each account has one line, that JumpCloud has exactly the users of the
// lines that are imported, each once, and that each has its record; it counts them.
func (f *fixture) checked(t *testing.T, ids []directory.EntraID, lines []store.ImportLine) int {
	t.Helper()
	var named []directory.EntraID
	users := map[string]directory.UserID{}
	for _, line := range lines {
		named = append(named, line.ID)
		if line.Status == store.LineImported {
			users[line.Username] = line.User
		}
	}
	if !slices.Equal(named, ids) {
		t.Errorf("%d lines of %d accounts, want one of each", len(lines), len(ids))
	}
	people := f.people()
	if len(people) != len(f.JumpCloud.Users()) || len(people) != len(users) {
		t.Errorf("JumpCloud has %d users with %d names, want the %d that are imported", len(f.JumpCloud.Users()), len(people), len(users))
	}
	for name, id := range users {
		if directory.UserID(people[name].Text("_id")) != id {
			t.Errorf("the line of %s names the user %q, want %q", name, id, people[name].Text("_id"))
		}
		known, err := f.Store.User(context.Background(), f.directory.Organization, id)
		f.Must(err)
		if account, _ := f.Tenant.User(name + "@" + functiontest.Domain); known.ImportedFrom(f.directory.TenantObject) != directory.EntraID(account.ID) {
			t.Errorf("%s was imported from %q, want %q", name, known.ImportedFrom(f.directory.TenantObject), account.ID)
		}
	}
	return len(users)
}

// A process that dies at any call leaves an import that the next one brings to the same end.
func TestKilledAnywhere(t *testing.T) {
	for n, died := 1, "-"; died != ""; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ids := f.accounts(3)
			job := f.start(importing.Choice{IDs: ids, Connect: true})
			m := functiontest.NewMortal(n)
			f.handler = f.newHandler(importing.Parts{Store: store.New(m.Table(f.Table)), Clients: f.ClientsThrough(m.Transport(f)), Jobs: m.Sender(&f.jobs), Users: m.Sender(&f.users)})
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			_, _ = f.handler.Handle(ctx, largeimport.Event{}) // nobody sees its answer
			cancel()
			died = m.Died()
			f.handler = f.newHandler(f.parts)
			ended, lines := f.work(job.ID)
			if got := f.checked(t, ids, lines); got != len(ids) || ended.Status != store.ImportFinished || ended.Imported != len(ids) {
				t.Errorf("died %s (moment %d): %d imported, and the job says %+v, want %d and finished: %+v", died, n, got, ended, len(ids), lines)
			}
			tasks := map[string]bool{}
			for _, m := range f.users.sent {
				tasks[m.GroupID] = true
			}
			if len(tasks) != len(ids) {
				t.Errorf("died %s: tasks for %d users, want %d", died, len(tasks), len(ids))
			}
		})
	}
}

// Two imports of the same accounts at once create each user once.
func TestTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ids := f.accounts(150)
		first, second := f.start(importing.Choice{IDs: ids}), f.start(importing.Choice{IDs: ids[50:]})
		f.work(first.ID)
		_, one := f.result(first.ID)
		_, two := f.result(second.ID)
		imported := map[directory.EntraID]int{}
		for _, line := range slices.Concat(one, two) {
			if line.Status == store.LineImported {
				imported[line.ID]++
			} else if !strings.Contains(line.Message, "JumpCloud has the ") {
				t.Errorf("a line that failed says %q, want that JumpCloud has the user", line.Message)
			}
		}
		for _, id := range ids {
			if imported[id] != 1 {
				t.Errorf("%s is imported by %d lines, want 1", id, imported[id])
			}
		}
		if len(one) != 150 || len(two) != 100 || len(f.JumpCloud.Users()) != 150 {
			t.Errorf("%d and %d lines and %d users, want 150, 100 and 150", len(one), len(two), len(f.JumpCloud.Users()))
		}
	})
}

// An import that is stopped keeps what it has; repeated, it imports the rest.
func TestStopAndRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ids := f.accounts(230)
		job := f.start(importing.Choice{IDs: ids, Notify: []string{"admin@contoso.example"}})
		sent := 0
		f.outside = func(r *http.Request) error {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/bulk/users") {
				if sent++; sent == 2 {
					f.Must(f.Store.StopImport(context.Background(), job, store.Stop{By: "ann", At: time.Now().UTC()}))
				}
			}
			return nil
		}
		stopped, lines := f.work(job.ID)
		if got := f.checked(t, ids, lines); got != 200 || stopped.Status != store.ImportStopped || stopped.Failed != 30 || !strings.Contains(lines[229].Message, "stopped by ann") {
			t.Errorf("%d imported and the job says %+v, want 200 and that ann stopped it: %q", got, stopped, lines[229].Message)
		}
		if len(f.mails.got) != 1 || !strings.Contains(f.mails.got[0].Subject, "Stopped") {
			t.Errorf("mails: %+v, want one that says that the import was stopped", f.mails.got)
		}
		again, err := f.parts.Repeat(context.Background(), job.ID, "bob")
		f.Must(err)
		ended, rest := f.work(again.ID)
		if ended.Imported != 30 || len(rest) != 30 || ended.By != "bob" || len(f.JumpCloud.Users()) != 230 {
			t.Errorf("the repetition: %+v with %d lines, and %d users, want 30 imported by bob and 230", ended, len(rest), len(f.JumpCloud.Users()))
		}
		if _, err := f.parts.Repeat(context.Background(), again.ID, "bob"); !fault.Is(err, fault.Conflict) {
			t.Errorf("a repetition of nothing: %v, want a conflict", err)
		}
	})
}

// A mail that is refused does not fail the import; a result store that is down delays it.
func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.mails.refuse = fault.New(fault.Invalid, "test", "the address bounces")
		job, _ := f.work(f.start(importing.Choice{IDs: f.accounts(1), Notify: []string{"nobody@contoso.example"}}).ID)
		if job.Status != store.ImportFinished || !strings.Contains(job.Mail, "the address bounces") {
			t.Errorf("the import: %+v, want it finished and the mail refused", job)
		}
	})
}

// A message works on its import at once, and one that names none fails.
func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		job := f.start(importing.Choice{IDs: f.accounts(2)})
		f.parts.Announce(t.Context(), job.ID)
		if len(f.jobs.sent) != 1 {
			t.Fatalf("%d messages were sent for one import, want 1", len(f.jobs.sent))
		}
		response := f.invoke(largeimport.Event{Records: records(f.jobs.sent[0], queue.Message{Body: []byte("{}")})})
		if got, _ := f.result(job.ID); got.Status != store.ImportFinished || !got.Delivered {
			t.Errorf("the import: %+v, want it finished", got)
		}
		if len(response.BatchItemFailures) != 1 || response.BatchItemFailures[0].ItemIdentifier != "1" {
			t.Errorf("failed: %+v, want the second message", response.BatchItemFailures)
		}
	})
}

// An account that Graph lists twice has one line, also on another page.
func TestAnAccountThatIsListedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ids := f.accounts(3)
		f.listed = func(page []byte) []byte {
			return bytes.Replace(page, []byte(`"value":[`), []byte(`"value":[{"id":"`+string(ids[1])+`","userPrincipalName":"p0001@contoso.example","accountEnabled":true,"mailNickname":"p0001","userType":"Member","givenName":"G-p0001","surname":"Lee"},`), 1)
		}
		page, err := f.parts.List(t.Context(), f.directory.ID, importing.ListQuery{Limit: 100})
		f.Must(err)
		job, lines := f.work(f.start(importing.Choice{ImportChoice: store.ImportChoice{All: true}}).ID)
		if len(page.Items) != 3 || len(lines) != 3 || job.Imported != 3 {
			t.Errorf("%d in the list, %d lines, %d imported, want 3 of each: %+v", len(page.Items), len(lines), job.Imported, lines)
		}
	})
}

// Results that name nobody end when all are final, and their reasons count.
func TestResultsThatNameNobody(t *testing.T) {
	for _, names := range []jumpcloudtest.ResultNames{jumpcloudtest.NamesInPersisted, jumpcloudtest.NamesNowhere} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.BulkNames, b.LicenseLimit = names, 150 })
			job, lines := f.work(f.start(importing.Choice{IDs: f.accounts(300)}).ID)
			for _, line := range lines {
				if line.Status == store.LineFailed && !strings.Contains(line.Message, "provider") || line.Email == "" {
					t.Errorf("%s: a line: %+v, want that the provider is to be contacted, and who it is", names, line)
				}
			}
			if took := job.EndedAt.Sub(job.StartedAt); job.Imported != 150 || took > time.Minute || !strings.Contains(job.Message, "provider") || f.JumpCloud.Counters().ByRoute["POST /api/v2/bulk/users"] != 2 {
				t.Errorf("%s: %d imported in %s: %q, want 150 within a minute, two batches, and why the rest is not", names, job.Imported, took, job.Message)
			}
		})
	}
}

// Users whom JumpCloud creates or shows late are not imported until they are there; repeated,
// they are found, recorded and connected.
func TestUsersWhoComeLate(t *testing.T) {
	for name, late := range map[string]func(*jumpcloudtest.Behaviour){
		"created": func(b *jumpcloudtest.Behaviour) { b.BulkDelay = 20 * time.Minute },
		"shown":   func(b *jumpcloudtest.Behaviour) { b.UserReadLag = 30 * time.Minute },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.JumpCloud.Set(late)
			ids := f.accounts(3)
			job, lines := f.work(f.start(importing.Choice{IDs: ids, Connect: true}).ID)
			if job.Failed != 3 || !strings.Contains(lines[0].Message, "repeat the failed lines") {
				t.Errorf("%s late: %+v, want three lines that failed and say that they are to be repeated: %+v", name, job, lines)
			}
			time.Sleep(time.Hour)
			f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.BulkDelay, b.UserReadLag = 0, 0 })
			again, err := f.parts.Repeat(t.Context(), job.ID, "bob")
			f.Must(err)
			_, rest := f.work(again.ID)
			if got := f.checked(t, ids, rest); got != 3 || len(f.users.sent) == 0 {
				t.Errorf("%s late: %d found by the repetition and %d tasks, want 3 found and connected: %+v", name, got, len(f.users.sent), rest)
			}
		})
	}
}

// One user whom JumpCloud refuses with the whole batch costs some batches, not one for each
// other user.
func TestOneRefusedRowCostsFewBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.outside = refuseOne("p0000")
		job, _ := f.work(f.start(importing.Choice{IDs: f.accounts(100)}).ID)
		if got := f.JumpCloud.Counters().ByRoute["POST /api/v2/bulk/users"]; job.Imported != 99 || got > 15 {
			t.Errorf("%d imported with %d batches, want 99 with 15 at most", job.Imported, got)
		}
	})
}

// Who is deleted or blocked while an import is under way is not imported.
func TestAccountsThatEndDuringTheImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.BulkDelay = 6 * time.Minute })
		ids := f.accounts(250)
		job := f.start(importing.Choice{IDs: ids})
		go func() {
			time.Sleep(2 * time.Minute)
			_, err := f.Tenant.DeleteUser(string(ids[248]))
			f.Must(err)
			_, err = f.Tenant.UpdateUser(string(ids[249]), map[string]any{"accountEnabled": false})
			f.Must(err)
		}()
		_, lines := f.work(job.ID)
		if !strings.HasPrefix(said(lines[248]), "failed The tenant of main has no account") || !strings.HasPrefix(said(lines[249]), "failed Its sign-in is blocked") || lines[247].Status != store.LineImported {
			t.Errorf("the last lines: %+v, want one imported, one deleted and one blocked", lines[247:])
		}
	})
}

// Who was chosen has a line, also if the import is stopped while it lists the accounts.
func TestAStopWhileAccountsAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.accounts(2000)
		job := f.start(importing.Choice{ImportChoice: store.ImportChoice{All: true}})
		pages := 0
		f.outside = func(r *http.Request) error {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/v1.0/users") {
				if pages++; pages == 2 {
					f.Must(f.Store.StopImport(context.Background(), job, store.Stop{By: "ann", At: time.Now().UTC()}))
				}
			}
			return nil
		}
		ended, lines := f.work(job.ID)
		if ended.Status != store.ImportStopped || len(lines) != 2000 || ended.Failed != 2000 || len(f.JumpCloud.Users()) != 0 {
			t.Errorf("%+v with %d lines and %d users, want it stopped, 2000 lines and nobody imported", ended, len(lines), len(f.JumpCloud.Users()))
		}
	})
}

// A mail that is throttled is sent later.
func TestAMailThatIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.mails.refuse = fault.New(fault.Throttled, "test", "busy")
		go func() {
			time.Sleep(30 * time.Second)
			f.mails.mu.Lock()
			defer f.mails.mu.Unlock()
			f.mails.refuse = nil
		}()
		job, _ := f.work(f.start(importing.Choice{IDs: f.accounts(1), Notify: []string{"ann@contoso.example"}}).ID)
		if job.Mail != "sent" || len(f.mails.got) != 1 {
			t.Errorf("the mail: %q, and %d were sent, want it sent once", job.Mail, len(f.mails.got))
		}
	})
}
