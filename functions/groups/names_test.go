package groups_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// A name may be longer than Graph accepts in a filter: such a group is created, taken
// over and distinguished like any other.
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
			f.finish()
			if l := f.link(created); l.Status != directory.Synced || l.Origin != directory.CreatedByUs || f.inEntra(created).DisplayName != name || !slices.Equal(f.names(created), []string{"ann"}) {
				t.Fatalf("created: %+v", l)
			}
			f = newFixture(t)
			bob := f.person("bob")
			theirs, err := f.tenant.AddGroup(entratest.Group{DisplayName: strings.ToUpper(name)})
			f.must(err)
			taken := f.group(name, bob)
			f.run(taken)
			f.finish()
			if l := f.link(taken); l.Status != directory.Synced || l.Origin != directory.TakenOver || l.EntraID != directory.EntraID(theirs.ID) || len(f.tenant.Groups()) != 1 {
				t.Errorf("taken over: %+v, want Status %v, Origin %v, EntraID %v, 1 Groups", l, directory.Synced, directory.TakenOver, theirs.ID)
			}
		})
	}
}

// A name may have as many characters as Entra accepts, counted as Entra counts them; a
// longer one is refused.
func TestCharactersOfANameCountAsInEntra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		fits, not := f.group(strings.Repeat("𝒳", directory.MaxGroupName/2)), f.group(strings.Repeat("𝒳", directory.MaxGroupName/2)+"x")
		f.run(fits, not)
		f.finish()
		if a, b := f.link(fits), f.link(not); a.Status != directory.Synced || b.Status != directory.Parked || b.Reason != directory.InvalidValue || !strings.Contains(b.Message, "1 to 256 characters") {
			t.Errorf("%+v, %+v, want Status %v, Status %v, Reason %v, the text \"1 to 256 characters\"", a, b, directory.Synced, directory.Parked, directory.InvalidValue)
		}
	})
}

// White space at the end of a name in Entra is ignored: the group is found by the name
// and gets the name that JumpCloud has. Two such groups are ambiguous.
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
			f.finish()
			if l := f.link(id); l.EntraID != directory.EntraID(theirs.ID) || l.Origin != directory.TakenOver || l.Status != directory.Synced || f.inEntra(id).DisplayName != "Sales" || len(f.tenant.Groups()) != 2 {
				t.Errorf("%q: %+v, want EntraID %v, Origin %v, Status %v, DisplayName \"Sales\", 2 Groups", loose, l, theirs.ID, directory.TakenOver, directory.Synced)
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
		f.finish()
		if l := f.link(id); l.Origin != directory.CreatedByUs || !strings.Contains(l.Message, "2 security groups have the name") || len(f.tenant.Groups()) != 3 {
			t.Errorf("%+v, want Origin %v, the text \"2 security groups have the name\", 3 Groups", l, directory.CreatedByUs)
		}
	})
}
