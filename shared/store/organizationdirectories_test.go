package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"entrasync/shared/directory"
)

func TestAllOrganizations(t *testing.T) {
	s := open(t)
	var want []directory.OrganizationID
	for i := range 150 { // more than a page
		id := directory.OrganizationID(fmt.Sprintf("%024x", i))
		if err := s.CreateOrganization(t.Context(), directory.Organization{ID: id, CreatedAt: time.Now().UTC()}); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	all, err := s.AllOrganizations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []directory.OrganizationID
	for _, o := range all {
		got = append(got, o.ID)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d organizations, want %d", len(got), len(want))
	}
}

func TestDirectoriesOfOneOrganization(t *testing.T) {
	s := open(t)
	const other = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9013")
	for _, o := range []directory.OrganizationID{organization, other} {
		if err := s.CreateOrganization(t.Context(), directory.Organization{ID: o, CreatedAt: time.Now().UTC()}); err != nil {
			t.Fatal(err)
		}
	}
	want := map[directory.ID]directory.TenantID{}
	for _, id := range []directory.ID{directory.NewID(organization, "one"), directory.NewID(organization, "two"), directory.NewID(other, "three")} {
		d := directory.Directory{ID: id, Organization: id.Organization(), Tenant: directory.TenantID("tenant of " + id)}
		if _, err := s.PutDirectory(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		want[id] = d.Tenant
	}
	for o, names := range map[directory.OrganizationID][]string{organization: {"one", "two"}, other: {"three"}, "5f0c1e2d3a4b5c6d7e8f9014": nil} {
		all, err := s.DirectoriesOf(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var ids, expected []directory.ID
		for _, d := range all {
			ids = append(ids, d.ID)
			if d.Tenant != want[d.ID] || d.Version == 0 {
				t.Errorf("%s: %+v", o, d)
			}
		}
		for _, name := range names {
			expected = append(expected, directory.NewID(o, name))
		}
		if !slices.Equal(ids, expected) {
			t.Errorf("%s: %v, want %v", o, ids, expected)
		}
	}
}
