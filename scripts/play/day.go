// Package play is a working day of a small company whose JumpCloud is simulated, with
// what Microsoft makes of it. The demo and the end-to-end tests of the shipped programs
// play it on a running product.
package play

import (
	"context"
	"fmt"
	"io"
	"time"

	"entrasync/scripts/simulated"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Stage is the running product that a day is played on, with both simulators.
type Stage struct {
	Administrator simulated.Administrator
	Store         *store.Store // to see what was done
	JumpCloud     *jumpcloudtest.Simulator
	Entra         *entratest.Simulator
	// Settle waits until the product has nothing left to do, and calls waiting
	// from time to time.
	Settle func(ctx context.Context, waiting func()) error
}

// tenant is the simulated tenant.
func (s Stage) tenant() entratest.Directory { return s.Entra.Tenant(string(s.Administrator.Tenant)) }

// day is a working day that is being played.
type day struct {
	stage     Stage
	out       io.Writer
	directory directory.ID
	ids       map[string]string             // JumpCloud ids by user name
	seen      map[string]bool               // actions that were printed already
	stuck     map[string]directory.Standing // how users stand who are parked or held, as printed last
	latencies []time.Duration               // from webhook to Entra
}

// step is one thing that somebody does.
type step struct {
	clock, what string
	do          func(context.Context) error
}

// Day plays a short working day on a product that has [simulated.SeedPeople] and nothing
// else. It prints what each event did in Entra and how long that took, shows both
// directories side by side at the end, and fails if they differ.
func Day(ctx context.Context, stage Stage, out io.Writer) error {
	d := &day{stage: stage, out: out, seen: map[string]bool{}, stuck: map[string]directory.Standing{}}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	for _, s := range d.steps() {
		_, _ = fmt.Fprintf(out, "\n%s  %s\n", s.clock, s.what)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		if err := d.settle(ctx); err != nil {
			return err
		}
		if err := d.report(ctx); err != nil {
			return err
		}
	}
	d.reportLatencies()
	if err := d.compare(ctx); err != nil {
		return err
	}
	return d.compareTeam()
}

// prepare reads the users of JumpCloud, adds two accounts to Entra that exist before the
// first sync, and creates the directory.
func (d *day) prepare(ctx context.Context) error {
	d.ids = map[string]string{}
	for _, u := range d.stage.JumpCloud.Users() {
		d.ids[u.Text("username")] = u.Text("_id")
	}
	tenant := d.stage.tenant()
	for _, account := range []entratest.User{
		{UserPrincipalName: "grace.hopper@contoso.example", DisplayName: "G. Hopper", Properties: map[string]any{"jobTitle": "Rear Admiral"}},
		{UserPrincipalName: "radia.perlman@contoso.example", Properties: map[string]any{"onPremisesSyncEnabled": true}},
	} {
		if _, err := tenant.AddUser(account); err != nil {
			return err
		}
	}
	var err error
	d.directory, err = d.stage.Administrator.CreateDirectory(ctx, "Contoso", "user_job_title", "user_department", "user_office_location")
	return err
}

// steps are the day.
func (d *day) steps() []step {
	jc := d.stage.JumpCloud
	person := func(name string) string { return d.ids[name] }
	update := func(name string, fields jumpcloudtest.Fields) func(context.Context) error {
		return func(context.Context) error { return jc.UpdateUser(person(name), fields) }
	}
	return []step{
		{"08:00", "The administrator connects everybody to Microsoft 365 (Grace and Radia have accounts there already)", d.connectEverybody},
		{"08:30", "Katherine gets a job title", update("katherine.johnson", jumpcloudtest.Fields{"jobTitle": "Mathematician"})},
		{"09:00", "Mira marries: last name and e-mail change", update("mira.okafor", jumpcloudtest.Fields{"lastname": "Lindqvist", "email": "mira.lindqvist@contoso.example"})},
		{"09:30", "Alan gets an e-mail whose domain Contoso does not own", update("alan.turing", jumpcloudtest.Fields{"email": "alan@bletchley.example"})},
		{"10:00", "Alan's e-mail is put right", update("alan.turing", jumpcloudtest.Fields{"email": "alan.turing@contoso.example"})},
		{"10:30", "The administrator connects the team " + simulated.Team + ": Katherine and Margaret", d.connectTeam},
		{"10:35", "Hedy is hired into the team, and nobody connects her", d.hire},
		{"11:00", "Margaret is suspended", func(context.Context) error { return jc.SuspendUser(person("margaret.hamilton")) }},
		{"11:05", "It was a mistake: Margaret is back", func(context.Context) error { return jc.ActivateUser(person("margaret.hamilton")) }},
		{"12:00", "Katherine's job title is emptied", update("katherine.johnson", jumpcloudtest.Fields{"jobTitle": ""})},
		{"13:00", "Microsoft throttles for a second while Ada moves to another department", d.throttledChange},
		{"14:00", "Everybody moves to the same location at once", d.everybodyMoves},
		{"15:00", "Hedy leaves the team, which alone connected her", d.leaveTeam("hedy.lamarr")},
		{"15:30", "Katherine leaves it too; she is connected by herself", d.leaveTeam("katherine.johnson")},
		{"16:00", "Seán leaves: he is deleted in JumpCloud", func(context.Context) error { return jc.DeleteUser(person("sean.oneil")) }},
		{"17:00", "The administrator disconnects Grace", func(ctx context.Context) error {
			return d.stage.Administrator.Disconnect(ctx, d.directory, person("grace.hopper"))
		}},
		{"17:05", "The administrator looks at what the guard holds, and approves it", d.approve},
	}
}

// connectEverybody connects all users through the API.
func (d *day) connectEverybody(ctx context.Context) error {
	for _, p := range d.stage.JumpCloud.Users() {
		if err := d.stage.Administrator.Connect(ctx, d.directory, p.Text("_id")); err != nil {
			return err
		}
	}
	return nil
}

// approve approves what the guard holds: the day is short, and four people left within it.
func (d *day) approve(ctx context.Context) error {
	approved, err := d.stage.Administrator.ApproveHolds(ctx, d.directory, "they all left today")
	if err == nil && len(approved) != 1 {
		err = fmt.Errorf("%d holds were open, want one", len(approved))
	}
	return err
}

// throttledChange changes a user while Graph answers 429.
func (d *day) throttledChange(context.Context) error {
	if err := d.stage.Entra.FailNext(entratest.Fault{Path: `/\$batch$`, Status: 429, Header: map[string]string{"Retry-After": "1"}}); err != nil {
		return err
	}
	return d.stage.JumpCloud.UpdateUser(d.ids["ada.lovelace"], jumpcloudtest.Fields{"department": "Analytics"})
}

// everybodyMoves changes all users at once.
func (d *day) everybodyMoves(context.Context) error {
	for _, u := range d.stage.JumpCloud.Users() {
		if err := d.stage.JumpCloud.UpdateUser(u.Text("_id"), jumpcloudtest.Fields{"location": "Stockholm"}); err != nil {
			return err
		}
	}
	return nil
}

// stepLimit is how long a step may take before the demo gives up on it.
const stepLimit = 30 * time.Second

// settle waits until nothing of the step is left to do, and shows that it waits.
func (d *day) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	dots := false
	err := d.stage.Settle(ctx, func() {
		_, _ = fmt.Fprint(d.out, " …")
		dots = true
	})
	if dots {
		_, _ = fmt.Fprintln(d.out)
	}
	return err
}

// newActions are the actions that were not printed yet, oldest first.
func (d *day) newActions(ctx context.Context) ([]plan.Action, error) {
	var found []plan.Action
	for cursor := ""; ; {
		page, err := d.stage.Store.Actions(ctx, d.directory, 0, cursor)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Items {
			if !d.seen[a.ID] {
				d.seen[a.ID] = true
				found = append([]plan.Action{a}, found...)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return found, nil
		}
	}
}
