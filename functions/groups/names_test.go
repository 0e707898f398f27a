package groups_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// A name may be longer than what Graph takes in a filter: such a group is created,
// taken over and told apart like any other.
func TestALongName(t *testing.T) {
	long := strings.Repeat("R&D 'Größe' ", 18) + "東京"
	for _, name := range []string{long, strings.Repeat("x", 119) + "'quoted", strings.Repeat("x", 119) + "𝒳 outside", strings.Repeat("y", directory.MaxGroupName)} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ann := f.person("ann")
			longer := name[:len(name)-1]
			_, err := f.tenant.AddGroup(entratest.Group{DisplayName: longer + "-other"})
			f.must(err)
			created := f.group(name, ann)
			f.run(created)
			f.settle()
			if l := f.link(created); l.Status != directory.Synced || l.Origin != directory.CreatedByUs || f.inEntra(created).DisplayName != name || !slices.Equal(f.names(created), []string{"ann"}) {
				t.Fatalf("created: %+v", l)
			}
			f = newFixture(t)
			bob := f.person("bob")
			theirs, err := f.tenant.AddGroup(entratest.Group{DisplayName: strings.ToUpper(name)})
			f.must(err)
			taken := f.group(name, bob)
			f.run(taken)
			f.settle()
			if l := f.link(taken); l.Status != directory.Synced || l.Origin != directory.TakenOver || l.EntraID != directory.EntraID(theirs.ID) || len(f.tenant.Groups()) != 1 {
				t.Errorf("taken over: %+v", l)
			}
		})
	}
}

// A name of as many characters as Entra takes, counted as Entra does: no more.
func TestCharactersOfANameCountAsInEntra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		fits, not := f.group(strings.Repeat("𝒳", directory.MaxGroupName/2)), f.group(strings.Repeat("𝒳", directory.MaxGroupName/2)+"x")
		f.run(fits, not)
		f.settle()
		if a, b := f.link(fits), f.link(not); a.Status != directory.Synced || b.Status != directory.Parked || b.Reason != directory.InvalidValue || !strings.Contains(b.Message, "1 to 256 characters") {
			t.Errorf("%+v, %+v", a, b)
		}
	})
}

// White space at the end of a name in Entra hides nothing: the group is the one of the
// name, and gets the name as it is in JumpCloud. Two of them are two.
func TestANameWithSpaceAtItsEnd(t *testing.T) {
	for _, loose := range []string{"Sales ", "sales\r\n", "Sales\u00a0"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			theirs, err := f.tenant.AddGroup(entratest.Group{DisplayName: loose})
			f.must(err)
			_, err = f.tenant.AddGroup(entratest.Group{DisplayName: "Sales EMEA"})
			f.must(err)
			id := f.group("Sales", f.person("ann"))
			f.run(id)
			f.settle()
			if l := f.link(id); l.EntraID != directory.EntraID(theirs.ID) || l.Origin != directory.TakenOver || l.Status != directory.Synced || f.inEntra(id).DisplayName != "Sales" || len(f.tenant.Groups()) != 2 {
				t.Errorf("%q: %+v", loose, l)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for _, name := range []string{"Sales", "Sales "} {
			_, err := f.tenant.AddGroup(entratest.Group{DisplayName: name})
			f.must(err)
		}
		id := f.group("Sales", f.person("ann"))
		f.run(id)
		f.settle()
		if l := f.link(id); l.Origin != directory.CreatedByUs || !strings.Contains(l.Message, "2 security groups have the name") || len(f.tenant.Groups()) != 3 {
			t.Errorf("%+v", l)
		}
	})
}
