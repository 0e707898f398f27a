package store_test

import (
	"fmt"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// on is a directory on a tenant.
func on(name string, tenant directory.TenantID, domains ...string) directory.Directory {
	return directory.Directory{ID: directory.NewID(organization, name), Organization: organization, Name: name, Tenant: tenant, VerifiedDomains: domains}
}

func TestNeighbours(t *testing.T) {
	s := open(t)
	first := on("one", "t1", "a.example", "B.example")
	alone, err := s.Neighbours(t.Context(), first)
	if err != nil || len(alone.Directories) != 0 {
		t.Fatalf("%+v, %v, want 0 Directories", alone, err)
	}
	if first.Version, err = s.PutDirectoryAmong(t.Context(), first, nil, alone); err != nil || first.Version != 1 {
		t.Fatalf("version %d, %v, want 1", first.Version, err)
	}
	for name, tc := range map[string]struct {
		directory directory.Directory
		want      int
	}{
		"the same tenant":              {on("two", "T1"), 1},
		"a domain of it":               {on("two", "b.example"), 1},
		"a domain in common":           {on("two", "t2", "c.example", "a.example"), 1},
		"a tenant of its own":          {on("two", "t2", "c.example"), 0},
		"the directory itself":         {first, 0},
		"a name that looks like a key": {on("two", "t1#E"), 0},
	} {
		if got, err := s.Neighbours(t.Context(), tc.directory); err != nil || len(got.Directories) != tc.want {
			t.Errorf("%s: %d neighbours, %v, want %v Directories", name, len(got.Directories), err, tc.want)
		}
	}
	// Once its names are claimed, a directory is changed like any other record.
	among, err := s.Neighbours(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	first.Name = "New"
	version, err := s.PutDirectoryAmong(t.Context(), first, nil, among)
	if got, readErr := s.Directory(t.Context(), first.ID); err != nil || readErr != nil || version != 2 || got.Version != 2 || got.Name != "New" {
		t.Errorf("version %d: %+v, %v, %v, want version 2, Version 2, Name \"New\"", version, got, err, readErr)
	}
	if _, err := s.PutDirectoryAmong(t.Context(), first, nil, among); !fault.Is(err, fault.Changed) {
		t.Errorf("an old version was written: %v, want a fault of kind %s", err, fault.Changed)
	}
}

// Of two directories that read their neighbours before either was stored, only one is
// stored, whichever name they have in common.
func TestTheSecondOnATenantSeesTheFirst(t *testing.T) {
	for name, second := range map[string]directory.Directory{
		"the tenant": on("two", "T1"),
		"a domain":   on("two", "t2", "z.example", "a.example"),
	} {
		s := open(t)
		first := on("one", "t1", "a.example")
		before, err := s.Neighbours(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		beforeSecond, err := s.Neighbours(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutDirectoryAmong(t.Context(), first, nil, before); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutDirectoryAmong(t.Context(), second, nil, beforeSecond); !fault.Is(err, fault.Changed) {
			t.Errorf("%s: %v, want a fault of kind %s", name, err, fault.Changed)
		}
		if _, err := s.Directory(t.Context(), second.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: the second directory is there: %v, want a fault of kind %s", name, err, fault.NotFound)
		}
		after, err := s.Neighbours(t.Context(), second)
		if err != nil || len(after.Directories) != 1 || after.Directories[0].ID != first.ID {
			t.Errorf("%s: %+v, %v, want 1 Directories, ID %v", name, after.Directories, err, first.ID)
		}
	}
}

// A tenant with more domains than fit a transaction can be claimed too.
func TestTenantWithManyDomains(t *testing.T) {
	s := open(t)
	var domains []string
	for i := range 500 {
		domains = append(domains, fmt.Sprintf("d%03d.example", i))
	}
	first := on("one", "t1", domains...)
	before, err := s.Neighbours(t.Context(), first)
	if err == nil {
		_, err = s.PutDirectoryAmong(t.Context(), first, nil, before)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Neighbours(t.Context(), on("two", "t1", domains...)); err != nil || len(got.Directories) != 1 {
		t.Errorf("%+v, %v, want 1 Directories", got, err)
	}
}
