package simulate

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// The size of a company.
const (
	mostPeople = 5
	mostGroups = 3
)

// Draw makes the day of a seed. The number of steps, the weather and which steps occur
// differ much from day to day: a day on which everything happens hides what only shows
// when something does not happen.
func Draw(seed uint64) Day {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a simulation must repeat itself
	d := Day{Seed: seed}
	add := func(wait time.Duration, do string, a, b int) { d.Steps = append(d.Steps, Step{wait, do, a, b}) }
	people, groups := 1+random.IntN(mostPeople), 1+random.IntN(mostGroups)
	two := random.IntN(3) == 0
	if two {
		add(0, "second", 0, 0)
	}
	for _, setting := range []string{"lockouts", "expiries", "titles", "exact"} {
		if random.IntN(3) == 0 {
			add(0, setting, 0, 0)
		}
	}
	for p := range people {
		if random.IntN(6) == 0 {
			add(0, "found", p, 0)
		}
		add(0, "hire", p, random.IntN(8))
	}
	for g := range groups {
		for p := range people {
			if random.IntN(2) == 0 {
				add(0, "join", p, g)
			}
		}
		if random.IntN(3) > 0 {
			add(0, "connect-group", g, 0)
		}
	}
	crowd := random.IntN(10) == 0
	if crowd {
		add(0, "gone", random.IntN(4), 0)
		add(0, "crowd", 0, 1+random.IntN(9))
		add(0, "connect-group", 0, 0)
		add(0, "calm", 0, 0)
	}
	if random.IntN(3) > 0 {
		add(time.Duration(random.IntN(3))*time.Minute, "calm", 0, 0)
	}
	drawWeather(random, add)
	if crowd {
		drawCrowd(random, add)
	}
	possible := possibleSteps(random, two)
	for range 3 + random.IntN(25) {
		do := possible[random.IntN(len(possible))]
		a, b := people, 1+random.IntN(5)
		if steps[do].ofGroup {
			a = groups
		}
		if steps[do].second == ofGroups {
			b = random.IntN(groups)
		}
		if steps[do].second == ofDirectories {
			if b = 0; two {
				b = random.IntN(2)
			}
		}
		add(drawWait(random), do, random.IntN(a), b)
	}
	return d
}

// drawCrowd lets people of a crowd leave, come back and be deleted while their group is
// listed.
func drawCrowd(random *rand.Rand, add func(time.Duration, string, int, int)) {
	const moves, soon = 4, 400
	for range 1 + random.IntN(moves) {
		add(drawWait(random), "sync-group", 0, 0)
		for range 1 + random.IntN(moves) {
			do := []string{"leave", "leave", "join", "delete"}[random.IntN(4)]
			add(time.Duration(random.IntN(soon))*time.Millisecond, do, firstOfCrowd+random.IntN(pageSize), 0)
		}
	}
}

// drawWeather adds some kinds of trouble.
func drawWeather(random *rand.Rand, add func(time.Duration, string, int, int)) {
	if random.IntN(4) == 0 {
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(weatherSteps)) {
		if random.IntN(4) == 0 {
			add(0, kind, 1+random.IntN(3), 0)
		}
	}
}

// possibleSteps are the steps that may occur in a day, each as often as its weight.
func possibleSteps(random *rand.Rand, two bool) []string {
	var possible []string
	for _, name := range slices.Sorted(maps.Keys(steps)) {
		if !two && steps[name].onlyTwo || steps[name].weight > 1 && random.IntN(8) == 0 || steps[name].weight == 1 && random.IntN(2) == 0 {
			continue
		}
		for range steps[name].weight {
			possible = append(possible, name)
		}
	}
	if len(possible) == 0 {
		return []string{"suspend", "activate"}
	}
	return possible
}

// drawWait is the time before a step: mostly seconds, so that steps overlap with the work
// on those before.
func drawWait(random *rand.Rand) time.Duration {
	switch n := random.IntN(10); {
	case n < 3:
		return time.Duration(random.IntN(1000)) * time.Millisecond
	case n < 7:
		return time.Duration(random.IntN(15_000)) * time.Millisecond
	case n < 9:
		return time.Duration(random.IntN(150)) * time.Second
	default:
		return time.Duration(random.IntN(15)) * time.Minute
	}
}
