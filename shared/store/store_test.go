package store_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

const organization = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9012")

// open opens a store on a table of its own.
func open(t *testing.T) *store.Store {
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
	return store.New(table)
}

func TestAnAccountHasOneOwner(t *testing.T) {
	s := open(t)
	one, two := directory.NewID(organization, "one"), directory.NewID(organization, "two")
	owner := func(user directory.UserID) store.Owner {
		return store.Owner{Organization: organization, User: user, Username: "name of " + string(user)}
	}
	var wins atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			_, err := s.Claim(t.Context(), "Contoso", "e1", owner(directory.UserID(fmt.Sprint(i))), one)
			switch {
			case err == nil:
				wins.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d users own the account, want 1", wins.Load())
	}
	holder, err := s.Claim(t.Context(), "contoso", "e1", owner("other"), one)
	if !fault.Is(err, fault.Conflict) || holder.User == "" {
		t.Errorf("the tenant in other letters: %v, %v, want a fault of kind %s, User not \"\"", holder, err, fault.Conflict)
	}
	again := holder
	again.Username = "renamed since"
	if got, err := s.Claim(t.Context(), "contoso", "e1", again, two); err != nil || got.User != holder.User || len(got.Directories) != 2 {
		t.Errorf("the owner under another name, by another directory: %v, %v, want User %v, 2 Directories", got, err, holder.User)
	}
	if free, err := s.Unclaim(t.Context(), "contoso", "e1", owner("other"), one); err != nil || free {
		t.Errorf("somebody else's unclaim: free %v, %v, want free false", free, err)
	}
	for _, by := range []directory.ID{one, one} { // again changes nothing
		if free, err := s.Unclaim(t.Context(), "contoso", "e1", holder, by); err != nil || free {
			t.Errorf("given back by one of two directories: free %v, %v, want free false", free, err)
		}
	}
	if _, err := s.Claim(t.Context(), "contoso", "e1", owner("other"), one); !fault.Is(err, fault.Conflict) {
		t.Errorf("while the second directory holds it: %v, want a fault of kind %s", err, fault.Conflict)
	}
	if free, err := s.Unclaim(t.Context(), "contoso", "e1", holder, two); err != nil || !free {
		t.Errorf("given back by both: free %v, %v, want free true", free, err)
	}
	if _, err := s.Owner(t.Context(), "contoso", "e1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the owner of a free account: %v, want a fault of kind %s", err, fault.NotFound)
	}
	if _, err := s.Claim(t.Context(), "contoso", "e1", owner("other"), one); err != nil {
		t.Errorf("after it was given back: %v", err)
	}
}

// record writes one recording.
func record(t *testing.T, s *store.Store, link directory.Link, actions ...plan.Action) (directory.Link, error) {
	t.Helper()
	err := s.Record(t.Context(), store.Recording{Link: link, Actions: actions})[0]
	if err == nil {
		link.Version++
	}
	return link, err
}

// action is an action that has begun.
func action(id string, dir directory.ID) plan.Action {
	return plan.Action{ID: id, Directory: dir, Type: plan.Update, Status: plan.Started, At: time.Now().UTC()}
}

func TestRecordKeepsAllOrNothing(t *testing.T) {
	s := open(t)
	dir := directory.NewID(organization, "one")
	link, err := record(t, s, directory.NewLink(dir, "u1"), action("a1", dir))
	if err != nil {
		t.Fatal(err)
	}
	stale := link
	if link, err = record(t, s, link, action("a2", dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := record(t, s, stale, action("a3", dir)); !fault.Is(err, fault.Changed) {
		t.Errorf("an old version was written: %v, want a fault of kind %s", err, fault.Changed)
	}
	user, err := s.User(t.Context(), organization, "u1")
	if got, _ := user.Link(dir); err != nil || got.Version != link.Version {
		t.Errorf("the link has version %d, want %d (%v)", got.Version, link.Version, err)
	}
	list, err := s.Actions(t.Context(), dir, 0, "")
	if err != nil || len(list.Items) != 2 || list.Items[0].ID != "a2" {
		t.Errorf("actions, newest first: %+v, %v, want 2 Items, ID \"a2\"", list.Items, err)
	}
	if _, err := s.Action(t.Context(), organization, "a3"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the action of the refused record: %v, want a fault of kind %s", err, fault.NotFound)
	}
}

// One stale link among many makes only its own recording fail, also with more
// recordings than fit one transaction.
func TestRecordingsDoNotSpoilEachOther(t *testing.T) {
	s := open(t)
	dir := directory.NewID(organization, "one")
	if _, err := record(t, s, directory.NewLink(dir, "u70")); err != nil {
		t.Fatal(err)
	}
	var recordings []store.Recording
	for i := range 120 {
		user := directory.UserID(fmt.Sprintf("u%d", i))
		recordings = append(recordings, store.Recording{Link: directory.NewLink(dir, user), Actions: []plan.Action{action("a-"+string(user), dir)}})
	}
	for i, err := range s.Record(t.Context(), recordings...) {
		if stale := i == 70; stale != fault.Is(err, fault.Changed) || (!stale && err != nil) {
			t.Errorf("recording %d: %v", i, err)
		}
	}
	list, err := s.Actions(t.Context(), dir, 0, "")
	if err != nil || len(list.Items) != 119 {
		t.Errorf("%d actions were kept, want 119 (%v)", len(list.Items), err)
	}
}

func TestUserHoldsConnectionsAndLinks(t *testing.T) {
	s := open(t)
	one, two := directory.NewID(organization, "one"), directory.NewID(organization, "two")
	for _, id := range []directory.ID{one, two, one} {
		if err := s.Connect(t.Context(), id, "u1", directory.Direct, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Connect(t.Context(), one, "u1", "group:g1", time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	user, err := s.User(t.Context(), organization, "u1")
	if err != nil || len(user.Connections) != 2 || len(user.Links) != 2 || len(user.Directories()) != 2 || len(user.Paths(one)) != 2 {
		t.Errorf("%+v, %v, want 2 Connections, 2 Links, 2 Directories, 2 one", user, err)
	}
	for want := range 2 {
		if was, err := s.Disconnect(t.Context(), one, "u1", directory.Direct, directory.Disconnected); was != (want == 0) || err != nil {
			t.Errorf("disconnected: %v, %v", was, err)
		}
	}
	if was, err := s.Disconnect(t.Context(), one, "u1", "group:g1", directory.LeftGroup); !was || err != nil {
		t.Errorf("the last path: %v, %v, want was true", was, err)
	}
	user, err = s.User(t.Context(), organization, "u1")
	if link, found := user.Link(one); err != nil || !found || link.Version != 1 || len(user.Paths(one)) != 0 || user.Ended(one) != directory.LeftGroup || user.Ended(two) != "" || len(user.Directories()) != 2 {
		t.Errorf("after the disconnection: %+v, %v, want found true, Version 1, 0 one, one %v, two \"\", 2 Directories", user, err, directory.LeftGroup)
	}
	if listed, err := s.Connections(t.Context(), one, 0, ""); err != nil || len(listed.Items) != 0 {
		t.Errorf("listed after the disconnection: %+v, %v, want 0 Items", listed, err)
	}
	if err := s.Connect(t.Context(), one, "u1", directory.Direct, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	if user, err = s.User(t.Context(), organization, "u1"); err != nil || len(user.Paths(one)) != 1 || user.Ended(one) != "" {
		t.Errorf("connected again: %+v, %v, want 1 one, one \"\"", user, err)
	}
	if other, err := s.User(t.Context(), "5f0c1e2d3a4b5c6d7e8f9999", "u1"); err != nil || len(other.Directories()) != 0 {
		t.Errorf("the same user id in another organization: %+v, %v, want 0 Directories", other, err)
	}
}

// Paths that are added and removed at the same time are all counted.
func TestPathsOfManyWriters(t *testing.T) {
	s := open(t)
	one := directory.NewID(organization, "one")
	var all sync.WaitGroup
	const writers = 40
	for i := range writers {
		all.Go(func() {
			path := directory.Path(fmt.Sprintf("group:g%d", i))
			if err := s.Connect(t.Context(), one, "u1", path, time.Now().UTC()); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if was, err := s.Disconnect(t.Context(), one, "u1", path, directory.LeftGroup); !was || err != nil {
					t.Errorf("%s: %v, %v, want was true", path, was, err)
				}
			}
		})
	}
	all.Wait()
	user, err := s.User(t.Context(), organization, "u1")
	if err != nil || len(user.Paths(one)) != writers/2 {
		t.Errorf("paths %v, want %d (%v)", user.Paths(one), writers/2, err)
	}
}

func TestReadUsers(t *testing.T) {
	s := open(t)
	one := directory.NewID(organization, "one")
	if _, err := s.ReadUsers(t.Context(), one, []directory.UserID{"u1"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("no directory: %v", err)
	}
	if _, err := s.PutDirectory(t.Context(), directory.Directory{ID: one, Name: "A"}); err != nil {
		t.Fatal(err)
	}
	var users []directory.UserID
	for i := range 120 {
		users = append(users, directory.UserID(fmt.Sprintf("u%d", i)))
		if i%2 == 0 {
			if err := s.Connect(t.Context(), one, users[i], directory.Direct, time.Now().UTC()); err != nil {
				t.Fatal(err)
			}
		}
	}
	records, err := s.ReadUsers(t.Context(), one, users)
	if err != nil || records.Directory.Name != "A" || records.Directory.Version != 1 || len(records.Users) != 60 {
		t.Fatalf("%d users, %+v, %v, want Name \"A\", Version 1, 60 Users", len(records.Users), records.Directory, err)
	}
	for id, user := range records.Users {
		if link, found := user.Link(one); !found || link.User != id || link.Version != 1 || len(user.Paths(one)) != 1 {
			t.Errorf("%s: %+v, want found true, User %v, Version 1, 1 one", id, user, id)
		}
	}
}

func TestDirectoriesAreChangedByOneWriterAtATime(t *testing.T) {
	s := open(t)
	d := directory.Directory{ID: directory.NewID(organization, "one"), Organization: organization, Name: "A", Settings: directory.DefaultSettings()}
	var err error
	if d.Version, err = s.PutDirectory(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	stale := d
	d.Name = "B"
	if _, err := s.PutDirectory(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutDirectory(t.Context(), stale); !fault.Is(err, fault.Changed) {
		t.Errorf("an old version was written: %v, want a fault of kind %s", err, fault.Changed)
	}
	if got, err := s.Directory(t.Context(), d.ID); err != nil || got.Name != "B" || got.Version != 2 {
		t.Errorf("%+v, %v, want Name \"B\", Version 2", got, err)
	}
	for _, id := range []directory.ID{"", "nope", "-", "a-", directory.NewID(organization, "two")} {
		if _, err := s.Directory(t.Context(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v, want a fault of kind %s", id, err, fault.NotFound)
		}
	}
}

// Directories that share a tenant are read together, except those of other
// organizations, which have other users.
func TestReadUsersReadsTheSiblings(t *testing.T) {
	s := open(t)
	one, two := directory.NewID(organization, "one"), directory.NewID(organization, "two")
	foreign := directory.NewID("5f0c1e2d3a4b5c6d7e8f9999", "three")
	for _, d := range []directory.Directory{{ID: one, Shares: []directory.ID{two, foreign, directory.NewID(organization, "gone")}}, {ID: two}, {ID: foreign}} {
		if _, err := s.PutDirectory(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Connect(t.Context(), two, "u1", "group:g1", time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	records, err := s.ReadUsers(t.Context(), one, []directory.UserID{"u1", "u2"})
	if err != nil || records.Directory.ID != one || len(records.Siblings) != 1 || records.Siblings[0].ID != two {
		t.Fatalf("%+v, %v, want ID %v, 1 Siblings, ID %v", records, err, one, two)
	}
	u1, u2 := records.Users["u1"], records.Users["u2"]
	if len(u1.Paths(two)) != 1 || len(u1.Paths(one)) != 0 || len(u2.Paths(two)) != 0 {
		t.Errorf("%+v", records.Users)
	}
}

func TestWaitsForAManager(t *testing.T) {
	s := open(t)
	one, two := directory.NewID(organization, "one"), directory.NewID(organization, "two")
	var waits []store.Wait
	for i := range 150 {
		waits = append(waits, store.Wait{For: store.ManagerAccount(one, "m1"), Directory: one, User: directory.UserID(fmt.Sprintf("u%03d", i))})
	}
	for range 2 { // again changes nothing
		if err := s.AddWaits(t.Context(), append(waits, store.Wait{For: store.ManagerAccount(two, "m1"), Directory: two, User: "u000"})...); err != nil {
			t.Fatal(err)
		}
	}
	listed := func(id directory.ID) (got []store.Wait) {
		t.Helper()
		for cursor := ""; ; {
			page, err := s.WaitsPage(t.Context(), store.ManagerAccount(id, "m1"), 40, cursor)
			if err != nil {
				t.Fatal(err)
			}
			if got, cursor = append(got, page.Items...), page.Cursor; cursor == "" {
				return got
			}
		}
	}
	if got := listed(one); !slices.Equal(got, waits) {
		t.Errorf("%d waits, want %v", len(got), waits)
	}
	if err := s.RemoveWaits(t.Context(), waits...); err != nil {
		t.Fatal(err)
	}
	if got := listed(one); len(got) != 0 {
		t.Errorf("after the removal: %v, want 0", got)
	}
	if got := listed(two); len(got) != 1 {
		t.Errorf("the other directory: %v, want 1", got)
	}
}

func TestAccounts(t *testing.T) {
	s := open(t)
	one := directory.NewID(organization, "one")
	for user, account := range map[directory.UserID]directory.EntraID{"u1": "e1", "u2": ""} {
		if _, err := record(t, s, directory.Link{Standing: directory.Standing{Directory: one, EntraID: account}, User: user}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Accounts(t.Context(), one, []directory.UserID{"u3", "u1", "u2", "u1"})
	if err != nil || len(got) != 1 || got["u1"] != "e1" {
		t.Errorf("%v, %v, want 1, u1 \"e1\"", got, err)
	}
}

// A claim is given up only as long as the link says that the account is freed, and the link
// stops saying so together with the claim.
func TestReleaseAndClaimAgain(t *testing.T) {
	s, id := open(t), directory.NewID(organization, "one")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func() directory.Link {
		t.Helper()
		known, err := s.User(t.Context(), organization, "u1")
		must(err)
		link, _ := known.Link(id)
		return link
	}
	ann := store.Owner{Organization: organization, User: "u1"}
	release := func() bool {
		t.Helper()
		free, err := s.Release(t.Context(), "contoso", "e1", ann, id)
		must(err)
		return free
	}
	if release() {
		t.Error("released without a link, want nothing done")
	}
	must(s.Connect(t.Context(), id, "u1", directory.Direct, time.Now().UTC()))
	free := func(freed bool) {
		t.Helper()
		must(s.ChangeLink(t.Context(), id, "u1", func(l directory.Link) directory.Link { l.EntraID, l.Freed = "e1", freed; return l }))
	}
	free(false)
	_, err := s.Claim(t.Context(), "contoso", "e1", ann, id)
	must(err)
	if release() {
		t.Error("released although the link keeps the account, want nothing done")
	}
	free(true)
	stale := read()
	kept := stale
	kept.Freed = false
	_, err = s.ClaimAgain(t.Context(), store.Succession{}, "contoso", ann, kept)
	must(err)
	if release() || read().Freed {
		t.Error("released, or still freed, after it was claimed again; want neither")
	}
	if _, err := s.ClaimAgain(t.Context(), store.Succession{}, "contoso", ann, stale); !fault.Is(err, fault.Changed) {
		t.Errorf("claimed again for an older link: got %v, want %s", err, fault.Changed)
	}
	free(true)
	if !release() {
		t.Error("not released, want it free")
	}
	_, err = s.Claim(t.Context(), "contoso", "e1", store.Owner{Organization: organization, User: "u2"}, id)
	must(err)
	if _, err := s.ClaimAgain(t.Context(), store.Succession{}, "contoso", ann, read()); !fault.Is(err, fault.Conflict) {
		t.Errorf("claimed again after somebody else: got %v, want %s", err, fault.Conflict)
	}
}
