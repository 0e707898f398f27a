package users_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/metric"
)

// inWorlds runs a test with every variant of Graph's behaviour.
func inWorlds(t *testing.T, test func(*testing.T, *fixture)) {
	for name, world := range entratest.Worlds() {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.enter(world)
			test(t, f)
		})
	}
}

// If Entra refuses to search deleted accounts, the user gets a new account, and the
// missing search is counted and logged.
func TestDeletedAccountsThatCannotBeSearched(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) { s.RestoreDeleted = true })
	f.enter(entratest.World{NoDeletedSearch: true})
	gone, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example"})
	f.must(err)
	_, err = f.accounts.DeleteUser(gone.ID)
	f.must(err)
	ann := f.person("ann")
	var log strings.Builder
	_, err = f.handler.Handle(zerolog.New(&log).WithContext(t.Context()), oneMessage(f.message(ann, 1)))
	f.must(err)
	if link := f.link(ann); link.Status != directory.Synced || link.EntraID == directory.EntraID(gone.ID) {
		t.Errorf("link: %+v, want Status %v, EntraID not %v", link, directory.Synced, gone.ID)
	}
	if n := f.metrics.Counts()[metric.Key("deleted_accounts_unsearched", "kind", "internal")]; n != 1 {
		t.Errorf("counted %d times: %v, want 1", n, f.metrics.Counts())
	}
	if said := log.String(); !strings.Contains(said, "refuses to search the deleted accounts") || !strings.Contains(said, string(ann)) {
		t.Errorf("logged: %s", said)
	}
	f.enter(entratest.World{})
	bob := f.person("bob")
	f.run(bob)
	if n := f.metrics.Counts()[metric.Key("deleted_accounts_unsearched", "kind", "internal")]; n != 1 {
		t.Errorf("counted a search that went well: %d, want 1", n)
	}
}

// enter makes Graph behave as a world says.
func (f *fixture) enter(world entratest.World) {
	f.entra.Set(func(b *entratest.Behaviour) { b.World = world })
}

// someWorld draws a world.
func someWorld(t *rapid.T) entratest.World {
	worlds := entratest.Worlds()
	return worlds[rapid.SampledFrom(slices.Sorted(maps.Keys(worlds))).Draw(t, "world")]
}
