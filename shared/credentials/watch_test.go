package credentials_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/credentials"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

const (
	one = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9011")
	two = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9012")
)

// world is a watch on two organizations.
type world struct {
	t       *testing.T
	store   *store.Store
	table   *bolttable.Table
	metrics *metric.Memory
	entra   credentials.Source
	log     bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, table: table, store: store.New(table), metrics: &metric.Memory{}}
	for _, id := range []directory.OrganizationID{one, two} {
		if err := w.store.CreateOrganization(t.Context(), directory.Organization{ID: id, Name: "Name of " + string(id[22:]), CreatedAt: time.Now().UTC()}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// ends says when the credential of an organization ends, from now.
func (w *world) ends(id directory.OrganizationID, kind directory.CredentialKind, left time.Duration) {
	w.t.Helper()
	o, err := w.store.Organization(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	end := time.Now().UTC().Add(left)
	o.CredentialKind, o.CredentialsExpireAt = kind, &end
	if err := w.store.PutOrganization(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

// run runs the watch and returns the lines that it logs, as level, what and days left.
func (w *world) run() (lines []string) {
	w.t.Helper()
	w.log.Reset()
	watch := credentials.Watch{Store: w.store, Entra: w.entra, Metrics: w.metrics}
	if err := watch.Run(zerolog.New(&w.log).WithContext(w.t.Context())); err != nil {
		w.t.Error(err)
	}
	for line := range strings.Lines(w.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(fields["level"], " ", fields["what"], " ", fields["daysLeft"]))
	}
	slices.Sort(lines)
	return lines
}

// days runs the watch every five minutes for some days, as the sweep does, and returns the
// lines.
func (w *world) days(n int) (lines []string) {
	w.t.Helper()
	for range n * 24 * 12 {
		lines = append(lines, w.run()...)
		time.Sleep(5 * time.Minute)
	}
	return lines
}

const day = 24 * time.Hour

// A credential is logged once a day from thirty days before its end on, more urgently in
// the last week and after the end, and not before or once it was replaced.
func TestACredentialIsAnnouncedOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ends(one, directory.ServiceAccountKey, 32*day+time.Hour)
		w.ends(two, directory.AdministratorKey, 365*day)
		if got := w.days(1); len(got) != 0 {
			t.Errorf("32 days before: got %v, want nothing", got)
		}
		var levels []string
		for line := range slices.Values(w.days(34)) {
			levels = append(levels, strings.TrimPrefix(line, "jumpcloud"))
		}
		warnings := slices.DeleteFunc(slices.Clone(levels), func(line string) bool { return !strings.HasPrefix(line, "warn jumpcloud_service_account_key") })
		failures := slices.DeleteFunc(slices.Clone(levels), func(line string) bool { return !strings.HasPrefix(line, "error jumpcloud_service_account_key") })
		if len(warnings) < 22 || len(warnings) > 24 || len(failures) < 10 || len(failures) > 12 || len(warnings)+len(failures) != len(levels) {
			t.Errorf("got %d warnings and %d errors in 34 days, want about 23 and about 11, in\n%s", len(warnings), len(failures), strings.Join(levels, "\n"))
		}
		if first, last := levels[0], levels[len(levels)-1]; first != "warn jumpcloud_service_account_key 30" || last != "error jumpcloud_service_account_key 0" {
			t.Errorf("got %q first and %q last, want it 30 days before and after the end", first, last)
		}
		counts := w.metrics.Counts()
		if got := counts[`credentials_ending{what="jumpcloud_service_account_key",days="30"}`]; got != 1 || strings.Contains(fmt.Sprint(counts), "jumpcloud_api_key") {
			t.Errorf("got %v, want 1 at 30 days, and counts of the one credential", counts)
		}
		w.ends(one, directory.ServiceAccountKey, 90*day)
		if got := w.days(2); len(got) != 0 {
			t.Errorf("after it was replaced: got %v, want nothing", got)
		}
		w.ends(one, directory.AdministratorKey, 5*day)
		if got := w.days(1); len(got) == 0 || len(got) > 2 {
			t.Errorf("replaced by one that ends soon: got %v, want a line at once", got)
		}
	})
}

// Each count becomes a mail: one when thirty days are left, one a day in the last week.
func TestWhatIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.entra = func(context.Context) (directory.Credential, error) {
			return directory.Credential{Kind: directory.EntraSecret, ExpiresAt: time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)}, nil // in 31 days
		}
		w.days(35)
		got := map[string]int{}
		for name, n := range w.metrics.Counts() {
			if strings.HasPrefix(name, credentials.EndingMetric) {
				got[name] = n
			}
		}
		var month, week, after int
		for name, n := range got {
			switch {
			case strings.Contains(name, `days="30"`):
				month += n
			case strings.Contains(name, `days="7"`):
				week += n
			default:
				after += n
			}
		}
		if month != 1 || week < 8 || week > 9 || after < 3 || after > 5 {
			t.Errorf("got %d at 30 days, %d in the last week, %d after the end, want 1, one a day and one a day, in %v", month, week, after, got)
		}
	})
}

// The line is for a person: which credential, whose, and what to do. It has no secret.
func TestTheLineSaysWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.entra = credentials.OfEntra(stored{ClientSecret: "canary-secret", ExpiresAt: "2000-01-04"})
		w.ends(one, directory.ServiceAccountSecret, 20*day)
		if got := w.run(); !slices.Equal(got, []string{"error entra_client_secret 3", "warn jumpcloud_service_account_secret 20"}) {
			t.Errorf("got %v, want both credentials", got)
		}
		for _, want := range []string{string(one), "Name of 11", "2000-01-21", "in 20 days: make a second secret for the service account", "ends on 2000-01-04, in 3 days: make a new one in Entra"} {
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("got %s, want %q in it", w.log.String(), want)
			}
		}
		if strings.Contains(w.log.String(), "canary") {
			t.Errorf("got the secret in %s", w.log.String())
		}
	})
}

// stored are the secrets of Entra.
type stored secret.Entra

func (s stored) Entra(context.Context) (secret.Entra, error) { return secret.Entra(s), nil }

// broken are secrets that cannot be read.
type broken struct{}

func (broken) Entra(context.Context) (secret.Entra, error) {
	return secret.Entra{}, fault.New(fault.Transient, "test", "Secrets Manager does not answer")
}

// A credential for Entra that cannot be read, or whose end nobody gave, keeps no other one
// from being announced.
func TestOneThatIsNotKnownHidesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, source := range []credentials.Source{nil, credentials.OfEntra(broken{}), credentials.OfEntra(stored{ClientSecret: "s"})} {
			w := newWorld(t)
			w.entra = source
			w.ends(two, directory.AdministratorKey, 2*day+time.Hour)
			if got := w.run(); !slices.Equal(got, []string{"error jumpcloud_api_key 2"}) {
				t.Errorf("got %v, want the organization's key", got)
			}
		}
		c, known := credentials.OfEntra(broken{}).Read(t.Context())
		if state := c.At(time.Now()); !known || state.Status != directory.CredentialUnknown || !strings.Contains(state.Message, "Secrets Manager does not answer") {
			t.Errorf("got %+v, want it unknown with the reason", state)
		}
	})
}

// dying is a table that fails from the nth write on.
type dying struct {
	store.Table
	writes int
}

func (d *dying) Put(ctx context.Context, item store.Item, cond store.IfVersion) (int64, error) {
	if d.writes--; d.writes < 0 {
		return 0, fault.New(fault.Transient, "test", "the process died")
	}
	return d.Table.Put(ctx, item, cond)
}

// A process that dies at any write loses no warning: the next check is an hour later, and a
// line that was not recorded comes again.
func TestADeathLosesNoWarning(t *testing.T) {
	for writes := range 3 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.ends(one, directory.AdministratorKey, 5*day)
			w.ends(two, directory.AdministratorKey, 6*day)
			all := w.store
			w.store = store.New(&dying{w.table, writes})
			var log bytes.Buffer
			if err := (credentials.Watch{Store: w.store, Metrics: w.metrics}).Run(zerolog.New(&log).WithContext(t.Context())); err == nil {
				t.Errorf("%d writes: got no error, want one", writes)
			}
			w.store = all
			time.Sleep(time.Hour)
			if got := strings.Count(log.String(), "\n") + len(w.run()); got < 2 {
				t.Errorf("%d writes: got %d lines, want those of both", writes, got)
			}
			time.Sleep(time.Hour)
			if got := w.run(); len(got) != 0 {
				t.Errorf("%d writes: got %v once more on the same day, want nothing", writes, got)
			}
		})
	}
}

// Two runs at once announce once, as a rule, and nothing twice in the next hours.
func TestTwoRunsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.ends(one, directory.AdministratorKey, 5*day)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if err := (credentials.Watch{Store: w.store, Metrics: w.metrics}).Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := w.metrics.Counts()[`credentials_ending{what="jumpcloud_api_key",days="7"}`]; got != 1 {
		t.Errorf("got %d counts, want 1", got)
	}
}
