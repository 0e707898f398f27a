package world_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/store"
)

// affected is an effect as the API shows it.
type affected struct {
	Kind, Effect string
	Count        int
	Names        []string
}

// effects are those of changed settings as the API shows them.
type effects struct {
	Status  string
	Job     string `json:"jobId"`
	Changes []affected
	Holds   []struct {
		Hold  string `json:"holdId"`
		Count int
	}
	Message string
}

// settled is a world of so many people, all with accounts, whose settings are changed.
type settled struct {
	*world.World
	t      *testing.T
	people []directory.UserID
	names  []string
}

// newSettled makes such a world with a guard. No event comes.
func newSettled(t *testing.T, people int, guard directory.Guard) *settled {
	t.Helper()
	s := &settled{t: t, World: world.New(t, world.Config{Silent: true, Resync: true, ResyncEvery: 1000 * 24 * time.Hour, Latency: 10 * time.Millisecond,
		Settings: func(s *directory.Settings) { s.Guard = guard }})}
	for i := range people {
		s.names = append(s.names, fmt.Sprintf("user%03d", i))
		s.people = append(s.people, s.Hire(s.names[i]))
		s.Connect(s.people[i])
	}
	s.rest()
	return s
}

// rest waits until nothing is left to do.
func (s *settled) rest() {
	s.Settle(3 * time.Hour)
	time.Sleep(10 * time.Minute)
}

// patch changes settings, and returns what the answer says of it.
func (s *settled) patch(settings string) *effects {
	s.t.Helper()
	status, answer := s.Ask(http.MethodPatch, "/v1/directories/"+string(s.Directory.ID), `{"settings": `+settings+`}`)
	var shown struct{ Effects *effects }
	s.Must(json.Unmarshal(answer, &shown))
	if status != http.StatusOK {
		s.t.Fatalf("got %d %s, want 200", status, answer)
	}
	return shown.Effects
}

// disabled counts the accounts that are disabled.
func (s *settled) disabled() (count int) {
	for _, name := range s.names {
		if !s.Enabled(name) {
			count++
		}
	}
	return count
}

// lock locks so many people out in JumpCloud.
func (s *settled) lock(count int) {
	for _, id := range s.people[:count] {
		s.Must(s.JumpCloud.LockUser(string(id)))
	}
	time.Sleep(10 * time.Minute)
}

// guardOf lets so many lose access.
func guardOf(count int) directory.Guard {
	return directory.Guard{MaxCount: &count, MaxPercent: 100, Window: "1h"}
}

// Whoever changes settings is told at once whom that concerns; and what is too much for the guard
// is held in the same moment, from the first person on.
func TestChangedSettingsSayWhomTheyConcern(t *testing.T) {
	extra := func(s *settled) {
		group := s.Group("Staff", s.people...)
		s.ConnectGroups(group)
		s.rest()
		for i := range 5 {
			account, err := s.Tenant.AddUser(entratest.User{UserPrincipalName: fmt.Sprintf("stranger%d@%s", i, world.Domain)})
			s.Must(err)
			_, err = s.Tenant.AddMember(s.Tenant.GroupsNamed("Staff")[0].ID, account.ID)
			s.Must(err)
		}
		time.Sleep(10 * time.Minute)
	}
	everybody := []string{"user000", "user001", "user002", "user003", "user004", "user005", "user006", "user007"}
	for name, tc := range map[string]struct {
		before   func(*settled)
		settings string
		want     []affected
		held     int
		disabled int // in the end
	}{
		"too many are locked out": {func(s *settled) { s.lock(5) }, `{"suspendOnLockout": true}`,
			[]affected{{"user", "disabled", 5, everybody[:5]}}, 5, 0},
		"few are locked out": {func(s *settled) { s.lock(3) }, `{"suspendOnLockout": true}`,
			[]affected{{"user", "disabled", 3, everybody[:3]}}, 0, 3},
		"nobody is locked out": {func(*settled) {}, `{"suspendOnLockout": true}`, []affected{}, 0, 0},
		"the guard is off": {func(s *settled) { s.lock(5) }, `{"suspendOnLockout": true, "guard": {"maxCount": null}}`,
			[]affected{{"user", "disabled", 5, everybody[:5]}}, 0, 5},
		"a domain that nobody has": {func(*settled) {}, `{"domains": [{"name": "contoso.onmicrosoft.example"}], "mappedEmail": "company"}`,
			[]affected{{"user", "parked", 8, everybody}}, 0, 0},
		"an attribute":         {func(*settled) {}, `{"attributes": {"user_department": true}}`, []affected{{"user", "changed", 8, everybody}}, 0, 0},
		"strangers in a group": {extra, `{"exactMembership": true}`, []affected{{"group", "members_removed", 1, []string{"Staff"}}}, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSettled(t, 8, guardOf(4))
				tc.before(s)
				began := time.Now()
				got := s.patch(tc.settings)
				if took := time.Since(began); took > 25*time.Second {
					t.Errorf("the answer took %s, want less than 25s", took)
				}
				if got == nil || got.Status != "finished" || !cmp.Equal(got.Changes, tc.want) {
					t.Fatalf("got %+v, want %+v", got, tc.want)
				}
				held := 0
				for _, hold := range got.Holds {
					held += hold.Count
				}
				if held != tc.held {
					t.Errorf("%d wait, want %d", held, tc.held)
				}
				if tc.disabled > 0 {
					s.Until("they are disabled, without waiting for others", 30*time.Second, func() bool { return s.disabled() == tc.disabled })
				}
				s.rest()
				if got := s.disabled(); got != tc.disabled {
					t.Errorf("%d are disabled, want %d", got, tc.disabled)
				}
				if name == "strangers in a group" {
					if members := s.Members("Staff"); len(members) != 13 {
						t.Errorf("%d members are left (%v), want all 13", len(members), members)
					}
				}
				for _, hold := range got.Holds {
					known, err := s.Store.Hold(t.Context(), s.Directory.ID, hold.Hold)
					s.Must(err)
					if known.Status != store.HoldOpen || known.Count != tc.held || known.Cause.Type != "settings_changed" {
						t.Errorf("got the hold %+v, want it open with %d, caused by the settings", known, tc.held)
					}
				}
			})
		})
	}
}

// Settings that concern many are planned by a job: nothing is sent before it has announced whom
// they take access from. Its view says whom they concern.
func TestSettingsThatConcernMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSettled(t, 130, guardOf(4))
		s.lock(30)
		got := s.patch(`{"suspendOnLockout": true}`)
		if got == nil || got.Status != "queued" || got.Job == "" || len(got.Changes) > 0 {
			t.Fatalf("got %+v, want a job", got)
		}
		var job struct {
			Kind, Status, Phase, Message string
			Effects                      []affected
		}
		s.Until("the job has ended", time.Hour, func() bool {
			status, answer := s.Ask(http.MethodGet, "/v1/jobs/"+got.Job, "")
			if status != http.StatusOK {
				t.Fatalf("got %d %s, want 200", status, answer)
			}
			s.Must(json.Unmarshal(answer, &job))
			return job.Status == "finished" || job.Status == "failed"
		})
		want := []affected{{"user", "disabled", 30, s.names[:10]}}
		if job.Status != "finished" || job.Kind != "change" || !cmp.Equal(job.Effects, want) {
			t.Errorf("got %+v, want a finished job with %+v", job, want)
		}
		s.rest()
		open, err := s.Store.OpenHolds(t.Context(), s.Directory.ID)
		s.Must(err)
		if holds := open[s.Directory.ID]; len(holds) != 1 || holds[0].Count != 30 || s.disabled() != 0 {
			t.Errorf("%d are disabled and %+v are open, want none, and one hold with 30", s.disabled(), holds)
		}
		if status, answer := s.Ask(http.MethodGet, "/v1/jobs/"+got.Job+"/plan?limit=5", ""); status != http.StatusOK {
			t.Errorf("its plan: got %d %s, want 200", status, answer)
		}
	})
}

// Settings that are changed again while a job plans them: the first job ends, and what is applied
// is what holds then, once.
func TestSettingsChangedAgainWhileTheyArePlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSettled(t, 130, guardOf(4))
		s.lock(30)
		first := s.patch(`{"suspendOnLockout": true}`)
		second := s.patch(`{"suspendOnLockout": false, "attributes": {"user_job_title": true}}`)
		if first.Job == "" || second.Job == "" || first.Job == second.Job {
			t.Fatalf("got the jobs %q and %q, want two", first.Job, second.Job)
		}
		s.rest()
		for job, want := range map[string]store.JobStatus{first.Job: store.JobFailed, second.Job: store.JobFinished} {
			known, err := s.Store.Job(t.Context(), job)
			s.Must(err)
			if known.Status != want {
				t.Errorf("the job is %s (%s), want it %s", known.Status, known.Message, want)
			}
		}
		open, err := s.Store.OpenHolds(t.Context(), s.Directory.ID)
		s.Must(err)
		if s.disabled() != 0 || len(open) > 0 {
			t.Errorf("%d are disabled and %+v are open, want none", s.disabled(), open)
		}
		left, err := s.Store.Rollout(t.Context(), s.Directory.ID, store.Selection{})
		if s.Must(err); left.Version != 0 {
			t.Errorf("%+v is left to send, want nothing", left)
		}
	})
}

// Settings that concern nobody are changed without a word, and those of a directory that is
// suspended say that nobody knows whom they concern.
func TestSettingsOfWhichNothingIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSettled(t, 3, guardOf(4))
		if got := s.patch(`{"guard": {"maxCount": 5}}`); got != nil {
			t.Errorf("got %+v, want no effects of the guard", got)
		}
		dir, err := s.Store.Directory(t.Context(), s.Directory.ID)
		s.Must(err)
		_, err = s.Store.PutDirectory(t.Context(), dir.Suspend(directory.Suspension{Reason: directory.JumpCloudRefused, Message: "the key is refused", Scope: directory.Everything, Since: time.Now()}, time.Now().Add(time.Minute)))
		s.Must(err)
		if got := s.patch(`{"suspendOnLockout": true}`); got == nil || got.Status != "unknown" || got.Message == "" || len(got.Changes) > 0 {
			t.Errorf("got %+v, want that it is unknown, and why", got)
		}
	})
}
