package planning_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/planning"
	"entrasync/shared/readonly"
	"entrasync/shared/reconcile"
)

// The real clients refuse a write while something is planned, as a defect, and nothing is sent.
func TestAWriteUnderAPlanIsADefect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := functiontest.New(t, functiontest.Config{Folder: t.TempDir(), Cleanup: t.Cleanup})
		dir := k.Directory("main", nil)
		set := k.Clients()
		ctx := planning.Context(t.Context())
		entra, err := set.Entra(ctx, dir.Tenant)
		k.Must(err)
		changes := []directory.Change{
			{Attribute: directory.UserPrincipalName, To: directory.Text("ann@" + functiontest.Domain)}, {Attribute: directory.DisplayName, To: directory.Text("Ann")},
			{Attribute: directory.MailNickname, To: directory.Text("ann")}, {Attribute: directory.AccountEnabled, To: directory.Bool(true)},
		}
		result := entra.Apply(ctx, []plan.Action{{Type: plan.Provision, Changes: changes}})[0]
		group := entra.ApplyToGroups(ctx, []plan.Action{{Type: plan.CreateGroup, Subject: plan.Subject{Kind: plan.OfGroup, ID: "1"}, Changes: []directory.Change{
			{Attribute: directory.DisplayName, To: directory.Text("Sales")}, {Attribute: directory.UniqueName, To: directory.Text("sales")}}}})[0]
		organization, err := set.Organization(ctx, dir.Organization)
		k.Must(err)
		id := k.Hire("ann")
		for what, err := range map[string]error{
			"an account": result.Err, "a group": group.Err, "a password in Entra": entra.SetPassword(ctx, "1", "secret"), "a password in JumpCloud": organization.SetPassword(ctx, id, "secret"),
		} {
			if !fault.Is(err, fault.Internal) || readonly.Refusal(err) == nil {
				t.Errorf("%s: got %v, want that the write is refused, of kind %s", what, err, fault.Internal)
			}
		}
		if users := k.Tenant.Users(); len(users) > 0 || k.Entra.Counters().WriteUnits > 0 {
			t.Errorf("there are %d accounts after %d write units, want none", len(users), k.Entra.Counters().WriteUnits)
		}
		if result := entra.Apply(t.Context(), []plan.Action{{Type: plan.Provision, Changes: changes}})[0]; result.Err != nil {
			t.Errorf("without a plan: got %v, want the account", result.Err)
		}
	})
}

// What is planned for one user is seen by the next: a name that is given up is free, and one
// that is taken is not.
func TestWhatWasPlannedIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := functiontest.New(t, functiontest.Config{Folder: t.TempDir(), Cleanup: t.Cleanup})
		dir := k.Directory("main", func(s *directory.Settings) {
			s.Domains = []directory.Domain{{Name: functiontest.Domain, Default: true}}
		})
		ann, twin := k.Hire("ann"), k.HireAs("twin", "ann@elsewhere.example") // who both get the same name
		p := planning.New(k.Table, k.Clients())
		cause := plan.Cause{Type: reconcile.Connected, At: time.Now().UTC(), Many: true}
		work := func(ids ...directory.UserID) []plan.Action {
			t.Helper()
			for _, id := range ids {
				k.Must(p.Store.Connect(t.Context(), dir.ID, id, directory.Direct, time.Now().UTC()))
				k.Must(reconcile.Enqueue(t.Context(), p.Lanes.UsersBulk, reconcile.Task{Directory: dir.ID, User: id, Cause: cause}))
			}
			var all []plan.Action
			for p.Tasks.Left() > 0 {
				actions, _, err := p.Work(t.Context())
				k.Must(err)
				all = append(all, actions...)
			}
			return all
		}
		types := func(actions []plan.Action) (all []plan.Type) {
			for _, a := range actions {
				all = append(all, a.Type)
			}
			return all
		}
		if got := work(ann); len(got) != 1 || got[0].Type != plan.Provision || got[0].Status != plan.Planned || got[0].EntraID != "" {
			t.Fatalf("got %+v, want one creation without an id", got)
		}
		if got := work(twin); len(got) != 1 || got[0].Status != plan.Failed || got[0].Error.Reason != directory.UPNConflict {
			t.Errorf("got %v %+v, want that the name is taken", types(got), got)
		}
		k.Must(k.JumpCloud.UpdateUser(string(ann), jumpcloudtest.Fields{"email": "new@" + functiontest.Domain}))
		if got := types(work(ann)); !slices.Equal(got, []plan.Type{plan.Update, plan.Provision}) {
			t.Errorf("got %v, want that ann is renamed, and then an account for the twin who waits for the name", got)
		}
		wrote := k.Entra.Counters().WriteUnits
		if wrote > 0 {
			t.Errorf("%d units were written, want none", wrote)
		}
		if known, err := k.Store.User(t.Context(), dir.Organization, ann); err != nil || len(known.Links)+len(known.Connections) > 0 {
			t.Errorf("got the records %+v, %v, want none", known, err)
		}
	})
}
