package groups_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"entrasync/shared/entra/entratest"
)

// inWorlds runs a test with every variant of Graph's behaviour.
func inWorlds(t *testing.T, test func(*testing.T, *fixture)) {
	for name, world := range entratest.Worlds() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.enter(world)
				test(t, f)
			})
		})
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
