package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/deactivation"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// A deactivation deletes every kind of record that a directory can have. What names it afterwards
// is the audit log, or belongs to a job, an import or an invitation: it expires.
func TestADeactivationForgetsEveryKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = table.Close() }()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		s := store.New(table)
		const organization = "5f0c1e2d3a4b5c6d7e8f9012"
		d := directory.Directory{ID: organization + "-main", Organization: organization, Name: "main", Tenant: "tenant", TenantObject: "tenant", Status: directory.Active, Settings: directory.DefaultSettings()}
		d.Settings.Exclude.Group = "64a1b2c3d4e5f607182900ff"
		d, err = s.KeepDirectory(ctx, directory.Directory{}, d, nil)
		must(err)
		const user, group, account = directory.UserID("64a1b2c3d4e5f60718293a4b"), directory.GroupID("64a1b2c3d4e5f60718293a4c"), directory.EntraID("account")
		for name, write := range store.KindsOf(d, user, group, account) {
			if err := table.Transact(ctx, []store.Write{write}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		us := store.Owner{Organization: organization, User: user}
		_, err = s.Claim(ctx, "tenant", account, us, d.ID)
		must(err)
		_, err = s.Claim(ctx, "tenant", account+"-group", store.Owner{Organization: organization, Group: group}, d.ID)
		must(err)
		now := time.Now().UTC()
		must(s.AddAuthorization(ctx, store.Authorization{ID: "invitation", Directory: d.ID, CreatedAt: now, Until: now.Add(time.Hour)}))
		must(s.CreateImport(ctx, store.Import{ID: "import", Directory: d.ID, Status: store.ImportRunning, CreatedAt: now}))
		_, err = s.CreateJob(ctx, store.Job{ID: "plan", Directory: d.ID, Kind: store.Plan, Status: store.JobRunning, CreatedAt: now})
		must(err)
		must(s.RecordActions(ctx, plan.Action{ID: "open", Type: plan.Update, Directory: d.ID, Status: plan.Started, At: now}, plan.Action{ID: "done", Type: plan.Update, Directory: d.ID, Status: plan.Succeeded, At: now}))
		job, err := deactivation.Begin(ctx, s, d.ID, deactivation.Options{}, "the test")
		must(err)
		work := deactivation.Parts{Store: s, Metrics: &metric.Memory{}}
		for range 20 {
			within, cancel := context.WithTimeout(ctx, 15*time.Minute)
			if job, err = s.Job(ctx, job.ID); err == nil && !job.Status.Ended() {
				_, err = work.Work(within, job)
			}
			cancel()
			must(err)
		}
		if job.Status != store.JobFinished {
			t.Errorf("the job is %s (%s), want it finished", job.Status, job.Message)
		}
		for _, item := range functiontest.Content(t, table) {
			about := fmt.Sprint(item.Key, item.IndexPK, string(item.Value))
			if !strings.Contains(about, string(d.ID)) && !strings.Contains(about, "tenant") {
				continue
			}
			mayStay := strings.HasPrefix(item.PK, "JB#") || strings.HasPrefix(item.PK, "J#") || strings.HasPrefix(item.PK, "AU#") || strings.HasSuffix(item.PK, "#A")
			if !mayStay || item.Expires == 0 {
				t.Errorf("there is a record %v still, want it deleted, or to expire", item.Key)
			}
		}
		if _, err := s.AnyDirectory(ctx, d.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("the directory is read with %v, want it not found", err)
		}
	})
}
