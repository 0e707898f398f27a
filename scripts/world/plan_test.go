package world_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// planned is a world of which changes are planned and then made. No event comes, so that
// nothing happens by itself.
type planned struct {
	*world.World
	t      world.T
	draw   *rapid.T // nil: nothing is drawn
	people []directory.UserID
	names  map[directory.UserID]string
	groups []directory.GroupID
}

// still is a world in which nothing happens by itself.
func still() world.Config {
	return world.Config{Silent: true, Resync: true, ResyncEvery: 1000 * 24 * time.Hour, Latency: 10 * time.Millisecond}
}

// newPlanned makes a company of which some are connected, some have accounts that nobody
// manages yet, and some have managers.
func newPlanned(t *rapid.T, c world.Config) *planned {
	c.Settings = func(s *directory.Settings) {
		for _, rule := range []directory.Rule{"user_job_title", "user_department", "user_manager"} {
			s.Attributes[rule] = rapid.Bool().Draw(t, "rule "+string(rule))
		}
		s.RestoreDeleted = rapid.Bool().Draw(t, "restores")
		s.DeleteGroups = rapid.Bool().Draw(t, "deletes groups")
		s.ExactMembership = rapid.Bool().Draw(t, "exact")
	}
	p := &planned{t: t, draw: t, World: world.New(t, c), names: map[directory.UserID]string{}}
	for i := range rapid.IntRange(2, 7).Draw(t, "people") {
		name := fmt.Sprintf("user%d", i)
		id := p.Hire(name)
		p.people, p.names[id] = append(p.people, id), name
		if rapid.IntRange(0, 3).Draw(t, name+" has an account") == 0 {
			_, err := p.Tenant.AddUser(entratest.User{UserPrincipalName: name + "@" + world.Domain})
			p.Must(err)
		}
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "groups") {
		var members []directory.UserID
		for _, id := range p.people {
			if rapid.Bool().Draw(t, "member") {
				members = append(members, id)
			}
		}
		p.groups = append(p.groups, p.Group(fmt.Sprintf("Group %d", i), members...))
		if rapid.IntRange(0, 3).Draw(t, "a group of the name") == 0 {
			_, err := p.Tenant.AddGroup(entratest.Group{DisplayName: fmt.Sprintf("Group %d", i), Kind: entratest.Security})
			p.Must(err)
		}
	}
	for _, id := range p.people {
		if rapid.Bool().Draw(t, "connected") {
			p.Connect(id)
		}
	}
	if rapid.Bool().Draw(t, "a group is connected") {
		p.ConnectGroups(p.groups[0])
	}
	p.rest()
	for range rapid.IntRange(0, 5).Draw(t, "changes") {
		p.change()
	}
	p.rest()
	return p
}

// rest waits until no read can lag and no task waits, without a resync of the day.
func (p *planned) rest() {
	p.Settle(3 * time.Hour)
	time.Sleep(10 * time.Minute)
}

// person draws a person.
func (p *planned) person() directory.UserID { return rapid.SampledFrom(p.people).Draw(p.draw, "who") }

// group draws a group.
func (p *planned) group() directory.GroupID { return rapid.SampledFrom(p.groups).Draw(p.draw, "group") }

// change changes something without an event.
func (p *planned) change() {
	id := p.person()
	upn := p.names[id] + "@" + world.Domain
	switch rapid.SampledFrom([]string{"title", "state", "delete", "join", "leave", "rename", "manager", "by hand", "disabled by hand", "email"}).Draw(p.draw, "change") {
	case "title":
		p.update(id, jumpcloudtest.Fields{"jobTitle": rapid.SampledFrom([]string{"Dev", "Lead"}).Draw(p.draw, "title"), "lastname": "Ray"})
	case "state":
		p.update(id, jumpcloudtest.Fields{"state": rapid.SampledFrom([]string{"SUSPENDED", "ACTIVATED", "STAGED"}).Draw(p.draw, "state")})
	case "delete":
		_ = p.JumpCloud.DeleteUser(string(id)) // again: there is nobody
	case "join":
		_ = p.JumpCloud.AddMember(string(p.group()), string(id))
	case "leave":
		_ = p.JumpCloud.RemoveMember(string(p.group()), string(id))
	case "rename":
		_ = p.JumpCloud.RenameGroup(string(p.group()), rapid.SampledFrom([]string{"Crew", "Team"}).Draw(p.draw, "name")) // another one may have the name
	case "manager":
		p.update(id, jumpcloudtest.Fields{"manager": string(p.person())})
	case "by hand":
		_, _ = p.Tenant.UpdateUser(upn, map[string]any{"surname": "Hand"})
	case "disabled by hand":
		_, _ = p.Tenant.UpdateUser(upn, map[string]any{"accountEnabled": false})
	case "email":
		p.update(id, jumpcloudtest.Fields{"email": "new." + upn})
	}
}

// update changes a user, unless the user was deleted.
func (p *planned) update(id directory.UserID, fields jumpcloudtest.Fields) {
	_ = p.JumpCloud.UpdateUser(string(id), fields)
}

// request draws a request that can be planned: its method, path and body.
func (p *planned) request() (method, path, body string) {
	user, group := "/connections/users/"+string(p.person()), "/connections/groups/"+string(p.group())
	of := rapid.SampledFrom([]string{"resync", "connect user", "disconnect user", "connect group", "disconnect group", "settings"}).Draw(p.draw, "request")
	switch of {
	case "connect user":
		return http.MethodPut, user, ""
	case "disconnect user":
		return http.MethodDelete, user, ""
	case "connect group":
		return http.MethodPut, group, ""
	case "disconnect group":
		return http.MethodDelete, group, ""
	case "settings":
		rule := rapid.SampledFrom([]string{"user_job_title", "user_department", "user_manager"}).Draw(p.draw, "rule")
		return http.MethodPatch, "", fmt.Sprintf(`{"settings": {"attributes": {%q: %t}, "manageGroups": %t}}`, rule, rapid.Bool().Draw(p.draw, "on"), rapid.Bool().Draw(p.draw, "manages"))
	default:
		return http.MethodPost, "/resync", ""
	}
}

// of is the address of something in the directory.
func (p *planned) of(path string) string { return "/v1/directories/" + string(p.Directory.ID) + path }

// dryRun plans a request; ok says that it was not refused.
func (p *planned) dryRun(method, path, body string) (actions []plan.Action, ok bool) {
	if path == "/resync" {
		body = `{"dryRun": true}`
	} else {
		path += "?dryRun=true"
	}
	status, answer := p.Ask(method, p.of(path), body)
	var shown struct {
		Job     string `json:"jobId"`
		Actions []plan.Action
	}
	p.Must(json.Unmarshal(answer, &shown))
	if status == http.StatusAccepted {
		p.Until("the plan is finished", time.Hour, func() bool {
			job, err := p.Store.Job(p.t.Context(), shown.Job)
			p.Must(err)
			return job.Status == store.JobFinished
		})
		p.Must(p.Store.EachPlanLine(p.t.Context(), shown.Job, func(a plan.Action) error {
			actions = append(actions, a)
			return nil
		}))
		return actions, true
	}
	return shown.Actions, status == http.StatusOK
}

// done are the actions that were completed since a time.
func (p *planned) done(since time.Time) []plan.Action {
	var all []plan.Action
	for cursor := ""; ; {
		page, err := p.Store.Actions(p.t.Context(), p.Directory.ID, 0, cursor)
		p.Must(err)
		for _, a := range page.Items {
			if a.Type != plan.Drift && !a.At.Before(since) {
				all = append(all, a)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return all
		}
	}
}

// saying says what actions do, as a sorted set of single changes: in how many writes they are
// sent, and in which order, is not compared.
func (p *planned) saying(actions []plan.Action) []string {
	all := map[string]bool{}
	for _, a := range actions {
		if isTry(a, actions) {
			continue
		}
		kind := a.Type
		switch kind {
		case plan.AddMembers, plan.RemoveMembers:
			kind = "members"
		case plan.CreateGroup, plan.TakeOverGroup:
			all[fmt.Sprintf("%s %s", kind, a.Subject.ID)] = true
			kind = "members"
		}
		about := fmt.Sprintf("%s %s %s", kind, a.Subject.Kind, a.Subject.ID)
		if a.Error != nil {
			about += " fails: " + string(a.Error.Reason)
		}
		if len(a.Changes) == 0 {
			all[about] = true
		}
		for _, c := range a.Changes {
			switch c.Attribute {
			case directory.Members:
				for _, id := range c.To {
					all[about+" adds "+p.owner(id)] = true
				}
				for _, id := range c.From {
					all[about+" removes "+p.owner(id)] = true
				}
			case directory.Manager:
				all[fmt.Sprintf("%s manager: %s", about, p.owner(c.To.String()))] = true
			default:
				all[fmt.Sprintf("%s %s: %q → %q", about, c.Attribute, c.From.String(), c.To.String())] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// owner is whose account it is.
func (p *planned) owner(id string) string {
	if user, made := strings.CutPrefix(id, "planned-user-"); made {
		return user
	}
	owner, err := p.Store.Owner(p.t.Context(), p.Directory.TenantObject, directory.EntraID(id))
	if err != nil {
		return id
	}
	return string(owner.User)
}

// held is what waits in the open holds: who, out of which group, and how.
func (p *planned) held() map[string]bool {
	all := map[string]bool{}
	open, err := p.Store.OpenHolds(p.t.Context(), p.Directory.ID)
	p.Must(err)
	for _, hold := range open[p.Directory.ID] {
		for cursor, first := "", true; first || cursor != ""; first = false {
			page, err := p.Store.HeldItems(p.t.Context(), hold.ID, 0, cursor)
			p.Must(err)
			for _, item := range page.Items {
				all[waiting(item.Action, string(item.Group), p.owner(string(item.Account)))] = true
			}
			cursor = page.Cursor
		}
	}
	return all
}

// waiting says what waits: an action on a user or, about a member, on a group.
func waiting(action plan.Type, group, member string) string {
	if action == plan.DeleteGroup {
		member = "everybody"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", action, group, member))
}

// apart are the actions of a plan that would be done, and what would wait in holds.
func (p *planned) apart(actions []plan.Action) (done []plan.Action, held map[string]bool) {
	held = map[string]bool{}
	for _, a := range actions {
		switch {
		case a.Status != plan.Held:
			done = append(done, a)
		case a.Subject.Kind == plan.OfUser:
			held[waiting(a.Type, "", a.Subject.ID)] = true
		case a.Type == plan.DeleteGroup:
			held[waiting(a.Type, a.Subject.ID, "")] = true
		default:
			for _, id := range a.TakesOut(nil) {
				held[waiting(a.Type, a.Subject.ID, p.owner(string(id)))] = true
			}
		}
		if a.Status == plan.Held && (a.Hold == nil || a.Hold.Message == "") {
			p.t.Fatalf("got %+v, want the reason for which it is held", a)
		}
	}
	return done, held
}

// withoutUpdatesOfLeavers are actions without the updates of those whom a plan disables: while it is
// doubted that they left, their attributes are written as before, which a plan does not wait for.
func withoutUpdatesOfLeavers(planned, made []plan.Action) []plan.Action {
	leaves := map[string]bool{}
	for _, a := range planned {
		if a.Type == plan.Deprovision && directory.HasLeft(a.Reason) {
			leaves[a.Subject.ID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(made), func(a plan.Action) bool { return a.Type == plan.Update && leaves[a.Subject.ID] })
}

// compare plans a request, makes it, and fails the test unless what was planned is done, what the
// guard would hold is held, and the plan itself wrote nothing.
func (p *planned) compare(method, path, body string) {
	before, waited := p.Entra.Counters().WriteUnits, p.held()
	actions, ok := p.dryRun(method, path, body)
	if units := p.Entra.Counters().WriteUnits; units != before {
		p.draw.Errorf("the plan of %s %s wrote %d units, want none", method, path, units-before)
	}
	if now := p.held(); !maps.Equal(now, waited) {
		p.draw.Errorf("after the plan of %s %s %v wait in holds, want %v as before", method, path, now, waited)
	}
	began := time.Now()
	if status := p.API(method, p.of(path), body); (status < http.StatusBadRequest) != ok {
		p.t.Fatalf("%s %s answers %d, and its plan was refused: %t", method, path, status, !ok)
	}
	time.Sleep(time.Second)
	p.rest()
	done, held := p.apart(actions)
	made := p.done(began)
	made = withoutUpdatesOfLeavers(done, made)
	if diff := cmp.Diff(p.saying(p.asKnown(done, made)), p.saying(made)); diff != "" {
		p.draw.Errorf("%s %s %s (-planned +done):\n%s", method, path, body, diff)
	}
	now := p.held()
	maps.DeleteFunc(now, func(what string, _ bool) bool { return waited[what] && !held[what] })
	if diff := cmp.Diff(slices.Sorted(maps.Keys(held)), slices.Sorted(maps.Keys(now))); diff != "" {
		p.draw.Errorf("%s %s %s, what would be held and what is (-planned +held):\n%s", method, path, body, diff)
	}
}

// Whatever is planned in a world that stands still is done after that, and nothing else; the
// plan itself writes nothing.
func TestWhatIsPlannedIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(timeless{t}, func(t *rapid.T) {
			p := newPlanned(t, still())
			p.compare(p.request())
		})
	})
}

// So it is where many are to lose access: what the guard would hold is planned as held, with those
// who lost access before and with the hold that is open already.
func TestWhatIsPlannedAsHeldIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(timeless{t}, func(t *rapid.T) {
			p := newGuarded(t)
			method, path, body := p.losing()
			dir, err := p.Store.Directory(p.t.Context(), p.Directory.ID)
			p.Must(err)
			two := dir.Settings.DeleteGroups && strings.Contains(path, "groups") // who loses access, and the group
			if method == http.MethodDelete && !two {                             // one cause, which is decided as a whole
				p.compare(method, path, body)
				return
			}
			p.compareAsked(method, path, body)
		})
	})
}

// compareAsked is compare where it depends on who comes first whom the guard still lets lose
// access: all who would, and whom it would hold, are those who do and whom it holds.
func (p *planned) compareAsked(method, path, body string) {
	waited := p.held()
	actions, _ := p.dryRun(method, path, body)
	began := time.Now()
	p.API(method, p.of(path), body)
	time.Sleep(time.Second)
	p.rest()
	planned, held := p.apart(actions)
	maps.Copy(held, p.taken(planned))
	now := p.held()
	maps.DeleteFunc(now, func(what string, _ bool) bool { return waited[what] && !held[what] })
	maps.Copy(now, p.taken(p.done(began)))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(held)), slices.Sorted(maps.Keys(now))); diff != "" {
		p.draw.Errorf("%s %s %s, who would lose access or be held and who does and is (-planned +done):\n%s", method, path, body, diff)
	}
}

// taken is what actions take away, as held says what waits.
func (p *planned) taken(actions []plan.Action) map[string]bool {
	all := map[string]bool{}
	for _, a := range actions {
		switch a.Type {
		case plan.Deprovision:
			all[waiting(a.Type, "", a.Subject.ID)] = true
		case plan.DeleteGroup:
			all[waiting(a.Type, a.Subject.ID, "")] = true
		case plan.RemoveMembers:
			for _, id := range a.TakesOut(nil) {
				all[waiting(a.Type, a.Subject.ID, p.owner(string(id)))] = true
			}
		}
	}
	return all
}

// newGuarded makes a company that is connected with a guard, and in which some are to lose access
// and perhaps some did just before.
func newGuarded(t *rapid.T) *planned {
	c := still()
	most := rapid.IntRange(0, 5).Draw(t, "at most")
	guard := directory.Guard{MaxCount: &most, MaxPercent: rapid.SampledFrom([]int{20, 50, 100}).Draw(t, "percent"), Minimum: rapid.IntRange(0, 2).Draw(t, "minimum"), Window: "24h"}
	c.Settings = func(s *directory.Settings) {
		s.Guard = guard
		s.DeleteGroups = rapid.Bool().Draw(t, "deletes groups")
		s.ExactMembership = rapid.Bool().Draw(t, "exact")
	}
	p := &planned{t: t, draw: t, World: world.New(t, c), names: map[directory.UserID]string{}}
	for i := range rapid.IntRange(3, 9).Draw(t, "people") {
		name := fmt.Sprintf("user%d", i)
		id := p.Hire(name)
		p.people, p.names[id] = append(p.people, id), name
	}
	for i := range 2 {
		var members []directory.UserID
		for _, id := range p.people {
			if rapid.IntRange(0, 3).Draw(t, "member") > 0 {
				members = append(members, id)
			}
		}
		p.groups = append(p.groups, p.Group(fmt.Sprintf("Group %d", i), members...))
	}
	for _, id := range p.people {
		if rapid.IntRange(0, 2).Draw(t, "connected") == 0 {
			p.Connect(id)
		}
	}
	p.ConnectGroups(p.groups...)
	p.rest()
	for range rapid.IntRange(0, 2).Draw(t, "rounds before") {
		p.takeAway()
		p.API(http.MethodPost, p.of("/resync"), "")
		p.rest()
	}
	p.takeAway()
	p.rest()
	return p
}

// takeAway changes so much in JumpCloud, without an event, that some are to lose access.
func (p *planned) takeAway() {
	for range rapid.IntRange(0, 6).Draw(p.draw, "changes") {
		id := p.person()
		switch rapid.SampledFrom([]string{"suspend", "activate", "lock", "delete", "leave", "leave", "join", "delete group"}).Draw(p.draw, "change") {
		case "suspend":
			p.update(id, jumpcloudtest.Fields{"state": "SUSPENDED"})
		case "activate":
			p.update(id, jumpcloudtest.Fields{"state": "ACTIVATED"})
		case "lock":
			p.update(id, jumpcloudtest.Fields{"account_locked": true})
		case "delete":
			_ = p.JumpCloud.DeleteUser(string(id))
		case "leave":
			_ = p.JumpCloud.RemoveMember(string(p.group()), string(id))
		case "join":
			_ = p.JumpCloud.AddMember(string(p.group()), string(id))
		case "delete group":
			if rapid.IntRange(0, 3).Draw(p.draw, "really") == 0 {
				_ = p.JumpCloud.DeleteGroup(string(p.group()))
			}
		}
	}
}

// losing draws a request that takes access from people.
func (p *planned) losing() (method, path, body string) {
	switch rapid.SampledFrom([]string{"resync", "resync", "disconnect user", "disconnect group", "disconnect group", "settings"}).Draw(p.draw, "request") {
	case "disconnect user":
		return http.MethodDelete, "/connections/users/" + string(p.person()), ""
	case "disconnect group":
		return http.MethodDelete, "/connections/groups/" + string(p.group()), ""
	case "settings":
		return http.MethodPatch, "", `{"settings": {"suspendOnLockout": true}}`
	default:
		return http.MethodPost, "/resync", ""
	}
}

// A plan that is made while both sides and the connections change ends, and says of each action
// something that was true at some moment: of a user or a group that there is. It writes nothing.
// What is done after that does not fail because of it.
func TestAPlanOfAWorldThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(timeless{t}, func(t *rapid.T) {
			p := newPlanned(t, still())
			was, units := p.records(), p.Entra.Counters().WriteUnits
			left := rapid.IntRange(1, 12).Draw(t, "changes meanwhile")
			job, actions := p.planJob(func() {
				time.Sleep(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
				if left--; left >= 0 {
					p.change()
				}
			})
			if job.Status != store.JobFinished || p.Entra.Counters().WriteUnits != units {
				t.Errorf("the plan is %s (%s) after %d units, want it finished without any", job.Status, job.Message, p.Entra.Counters().WriteUnits-units)
			}
			if diff := cmp.Diff(was, p.records()); diff != "" {
				t.Errorf("the plan changed the records (-before +after):\n%s", diff)
			}
			for _, a := range actions {
				p.mayBe(a)
			}
			p.API(http.MethodPost, p.of("/resync"), "")
			p.rest()
			failed := slices.DeleteFunc(p.done(time.Time{}), func(a plan.Action) bool { return a.Error == nil || a.Error.Kind != string(fault.Internal) })
			if len(failed) > 0 {
				t.Errorf("after the plan got the failures %v, want none", p.saying(failed))
			}
			if _, again := p.planJob(func() {}); len(undone(again)) > 0 {
				t.Errorf("when all is done got %v planned, want nothing", p.saying(undone(again)))
			}
		})
	})
}

// undone are the actions of a plan that would be sent.
func undone(actions []plan.Action) []plan.Action {
	return slices.DeleteFunc(slices.Clone(actions), func(a plan.Action) bool { return a.Status != plan.Planned })
}

// planJob plans a resync, and returns the job and what it has. meanwhile is called again and again
// until it has ended.
func (p *planned) planJob(meanwhile func()) (job store.Job, actions []plan.Action) {
	_, answer := p.Ask(http.MethodPost, p.of("/resync"), `{"dryRun": true}`)
	var begun struct {
		Job string `json:"jobId"`
	}
	p.Must(json.Unmarshal(answer, &begun))
	p.Until("the plan has ended", 26*time.Hour, func() (ended bool) {
		meanwhile()
		var err error
		job, err = p.Store.Job(p.t.Context(), begun.Job)
		p.Must(err)
		return job.Status.Ended()
	})
	p.Must(p.Store.EachPlanLine(p.t.Context(), begun.Job, func(a plan.Action) error {
		actions = append(actions, a)
		return nil
	}))
	return job, actions
}

// records are what is known of all users and groups, as text.
func (p *planned) records() map[string]string {
	all := map[string]string{}
	text := func(name string, record any, err error) {
		p.Must(err)
		encoded, err := json.Marshal(record)
		p.Must(err)
		all[name] = string(encoded)
	}
	for _, id := range p.people {
		known, err := p.Store.User(p.t.Context(), p.Directory.Organization, id)
		text("user "+p.names[id], known, err)
	}
	for _, id := range p.groups {
		known, err := p.Store.Group(p.t.Context(), p.Directory.Organization, id)
		text("group "+string(id), known, err)
		members, err := p.Store.AllMembers(p.t.Context(), p.Directory.ID, id)
		text("members of "+string(id), members, err)
	}
	return all
}

// mayBe fails the test unless an action of a plan can have been true at some moment.
func (p *planned) mayBe(a plan.Action) {
	known := a.Subject.Kind == plan.OfUser && slices.Contains(p.people, directory.UserID(a.Subject.ID)) ||
		a.Subject.Kind == plan.OfGroup && slices.Contains(p.groups, directory.GroupID(a.Subject.ID))
	unclear := (a.Status == plan.Failed || a.Status == plan.Undecided) && (a.Error == nil || a.Error.Message == "")
	if !known || unclear || a.Error != nil && a.Error.Kind == string(fault.Internal) {
		p.draw.Errorf("got %+v (%+v), want what was true of a user or a group at some moment", a, a.Error)
	}
	for _, c := range a.Changes {
		if c.Attribute == directory.JobTitle && !c.To.Equal(nil) && !slices.Contains([]string{"Dev", "Lead"}, c.To.String()) {
			p.draw.Errorf("got the title %v, which nobody had", c.To)
		}
		if a.Type == plan.Update && slices.Equal(c.From, c.To) {
			p.draw.Errorf("got %+v, which changes nothing", a)
		}
	}
}

// What concerns many becomes a job, also a connection and a change of settings: the plan is
// what is done.
func TestAPlanOfManyIsAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &planned{t: t, World: world.New(t, still())}
		for i := range 130 {
			p.people = append(p.people, p.Hire(fmt.Sprintf("user%03d", i)))
			p.update(p.people[i], jumpcloudtest.Fields{"jobTitle": "Dev"})
		}
		group := p.Group("Staff", p.people...)
		time.Sleep(10 * time.Minute)
		for _, request := range []struct {
			method, path, body string
			least              int // actions
		}{
			{http.MethodPut, "/connections/groups/" + string(group), "", 131},
			{http.MethodPatch, "", `{"settings": {"attributes": {"user_job_title": true}}}`, 130},
			{http.MethodDelete, "/connections/groups/" + string(group), "", 130},
		} {
			units := p.Entra.Counters().WriteUnits
			actions, ok := p.dryRun(request.method, request.path, request.body)
			if wrote := p.Entra.Counters().WriteUnits - units; !ok || len(actions) < request.least || wrote > 0 {
				t.Errorf("%s %s: got %d actions and %d units written, want at least %d and none", request.method, request.path, len(actions), wrote, request.least)
			}
			began := time.Now()
			p.API(request.method, p.of(request.path), request.body)
			time.Sleep(time.Second)
			p.rest()
			if diff := cmp.Diff(p.saying(actions), p.saying(p.done(began))); diff != "" {
				t.Errorf("%s %s (-planned +done):\n%s", request.method, request.path, diff)
			}
		}
	})
}
