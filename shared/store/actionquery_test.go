package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// began is when the first action of a history began.
var began = time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)

// history stores one action a minute in two directories of one organization and in one
// of another, and returns them all, oldest first.
func history(t *testing.T, s *store.Store, n int) []plan.Action {
	t.Helper()
	const other = "5f0c1e2d3a4b5c6d7e8f9999"
	for _, o := range []directory.OrganizationID{organization, other} {
		if err := s.CreateOrganization(t.Context(), directory.Organization{ID: o}); err != nil {
			t.Fatal(err)
		}
	}
	directories := []directory.ID{directory.NewID(organization, "one"), directory.NewID(organization, "two"), directory.NewID(other, "one")}
	kinds := []plan.Type{plan.Provision, plan.Update, plan.Deprovision, plan.EndSessions, "add_members"}
	statuses := []plan.Status{plan.Succeeded, plan.Failed, plan.Started, plan.Queued}
	var all []plan.Action
	for i := range n {
		at := began.Add(time.Duration(i) * time.Minute)
		all = append(all, plan.Action{
			ID: fmt.Sprintf("a%05d", i), Type: kinds[i%len(kinds)], Directory: directories[i%len(directories)], Status: statuses[(i/7)%len(statuses)],
			Subject: plan.Subject{Kind: "user", ID: fmt.Sprintf("u%d", i%11)}, At: at, CompletedAt: at.Add(time.Second),
		})
	}
	for chunk := range slices.Chunk(all, store.MaxTransactItems) {
		if err := s.RecordActions(t.Context(), chunk...); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// pages reads all pages; it fails on a page that is too long.
func pages(t *testing.T, s *store.Store, q store.ActionQuery) (ids []string, requests int) {
	t.Helper()
	for {
		page, err := s.CompletedActions(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if q.Limit > 0 && len(page.Items) > q.Limit {
			t.Fatalf("%d actions on a page of %d", len(page.Items), q.Limit)
		}
		for _, a := range page.Items {
			ids = append(ids, a.ID)
		}
		requests++
		if q.Cursor = page.Cursor; q.Cursor == "" {
			return ids, requests
		}
	}
}

// Every filter returns exactly the matching actions, newest first within an
// organization, for every page size.
func TestCompletedActions(t *testing.T) {
	s := open(t)
	all := history(t, s, 700)
	one := directory.NewID(organization, "one")
	since, until := began.Add(100*time.Minute), began.Add(600*time.Minute)
	for name, tc := range map[string]struct {
		query store.ActionQuery
		fits  func(plan.Action) bool
	}{
		"everything":        {store.ActionQuery{}, func(plan.Action) bool { return true }},
		"an organization":   {store.ActionQuery{Organization: organization}, func(a plan.Action) bool { return a.Directory.Organization() == organization }},
		"a directory":       {store.ActionQuery{Directory: one}, func(a plan.Action) bool { return a.Directory == one }},
		"both":              {store.ActionQuery{Organization: organization, Directory: one}, func(a plan.Action) bool { return a.Directory == one }},
		"a user":            {store.ActionQuery{Organization: organization, User: "u3"}, func(a plan.Action) bool { return a.Directory.Organization() == organization && a.Subject.ID == "u3" }},
		"a user everywhere": {store.ActionQuery{User: "u3"}, func(a plan.Action) bool { return a.Subject.ID == "u3" }},
		"a type":            {store.ActionQuery{Type: plan.UserDeprovision}, func(a plan.Action) bool { return a.Type == plan.Deprovision }},
		"a type of several": {store.ActionQuery{Directory: one, Type: plan.UserUpdateProvision}, func(a plan.Action) bool {
			return a.Directory == one && (a.Type == plan.Update || a.Type == plan.EndSessions)
		}},
		"since": {store.ActionQuery{Since: since}, func(a plan.Action) bool { return !a.CompletedAt.Before(since) }},
		"a time": {store.ActionQuery{Directory: one, Since: since, Until: until}, func(a plan.Action) bool {
			return a.Directory == one && !a.CompletedAt.Before(since) && !a.CompletedAt.After(until)
		}},
		"nothing": {store.ActionQuery{User: "nobody"}, func(plan.Action) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for _, o := range []directory.OrganizationID{organization, "5f0c1e2d3a4b5c6d7e8f9999"} {
				for _, a := range slices.Backward(all) {
					if a.Directory.Organization() == o && a.Completed() && a.EventType() != "" && tc.fits(a) {
						want = append(want, a.ID)
					}
				}
			}
			for _, limit := range []int{0, 1, 7, 100} {
				tc.query.Limit = limit
				if got, _ := pages(t, s, tc.query); !slices.Equal(got, want) {
					t.Fatalf("limit %d: %d actions, want %d", limit, len(got), len(want))
				}
			}
		})
	}
}

// A request that finds nothing ends, and its cursor says where the next one goes on. A
// request with Since does not read actions long before it.
func TestCompletedActionsReadLittle(t *testing.T) {
	s := open(t)
	all := history(t, s, 7_000)
	empty, err := s.CompletedActions(t.Context(), store.ActionQuery{Organization: organization, User: "nobody"})
	if err != nil || len(empty.Items) > 0 || empty.Cursor == "" {
		t.Errorf("after one request: %d actions, cursor %q, %v, want 0 Items, Cursor not \"\"", len(empty.Items), empty.Cursor, err)
	}
	if got, requests := pages(t, s, store.ActionQuery{Organization: organization, User: "nobody"}); len(got) > 0 || requests > 3 {
		t.Errorf("%d actions in %d requests, want 0, requests at most 3", len(got), requests)
	}
	if _, requests := pages(t, s, store.ActionQuery{User: "nobody", Since: all[len(all)-1].At}); requests != 1 {
		t.Errorf("the last minute took %d requests, want 1", requests)
	}
}

// A page goes on where the last one ended, also when actions are added meanwhile.
func TestNewActionsDoNotDisturbPages(t *testing.T) {
	s := open(t)
	all := history(t, s, 60)
	q := store.ActionQuery{Organization: organization, Limit: 4}
	first, err := s.CompletedActions(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var later []plan.Action
	for i := range 600 {
		a := all[0]
		a.ID = fmt.Sprintf("b%03d", i)
		later = append(later, a)
	}
	for chunk := range slices.Chunk(later, store.MaxTransactItems) {
		if err := s.RecordActions(t.Context(), chunk...); err != nil {
			t.Fatal(err)
		}
	}
	q.Cursor = first.Cursor
	rest, _ := pages(t, s, q)
	if len(first.Items) != 4 || slices.ContainsFunc(rest, func(id string) bool { return id >= first.Items[3].ID }) {
		t.Errorf("after %s: %v", first.Items[3].ID, rest)
	}
	if all, _ := pages(t, s, store.ActionQuery{Organization: organization}); len(all) != 4+len(rest)+len(later) {
		t.Errorf("%d actions in all pages, want the %d of two pages and %d later ones", len(all), 4+len(rest), len(later))
	}
}

func TestCursorBelongsToItsFilters(t *testing.T) {
	s := open(t)
	history(t, s, 60)
	query := store.ActionQuery{Organization: organization, Type: plan.UserCreateProvision, Limit: 2}
	page, err := s.CompletedActions(t.Context(), query)
	if err != nil || page.Cursor == "" {
		t.Fatalf("%+v, %v, want Cursor not \"\"", page, err)
	}
	for name, change := range map[string]func(*store.ActionQuery){
		"another type":         func(q *store.ActionQuery) { q.Type = plan.UserDeprovision },
		"another organization": func(q *store.ActionQuery) { q.Organization = "5f0c1e2d3a4b5c6d7e8f9999" },
		"all organizations":    func(q *store.ActionQuery) { q.Organization = "" },
		"a directory":          func(q *store.ActionQuery) { q.Directory = directory.NewID(organization, "one") },
		"a user":               func(q *store.ActionQuery) { q.User = "u1" },
		"a beginning":          func(q *store.ActionQuery) { q.Since = began },
		"an end":               func(q *store.ActionQuery) { q.Until = began },
		"no cursor at all":     func(q *store.ActionQuery) { q.Cursor = "e30" },
		"not even text":        func(q *store.ActionQuery) { q.Cursor = "!" },
	} {
		q := query
		q.Cursor = page.Cursor
		change(&q)
		if _, err := s.CompletedActions(t.Context(), q); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want a fault of kind %s", name, err, fault.Invalid)
		}
	}
	query.Cursor, query.Limit = page.Cursor, 50
	if _, err := s.CompletedActions(t.Context(), query); err != nil {
		t.Errorf("another limit: %v", err)
	}
}
