package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"
)

// figures asks for the first sync at its full size, which `make bench` does.
var figures = flag.Bool("figures", false, "play the first sync of 10,000 users in 500 groups and print what it cost")

// How an organization is made: every user is in two or three groups.
const (
	groupSize     = 50
	groupsPerUser = 2.5
)

// size is how large a first sync is.
type size struct {
	name          string
	users, groups int
	apart         bool // every worker is a process of its own, as on AWS
}

// The first syncs of the figures, and a small one that fits into the quota, with which every
// run of the tests checks that there is no needless write.
var (
	fullSizes = []size{
		{name: "entrasync in one process", users: 10000, groups: 500},
		{name: "entrasync in ten processes, as on AWS", users: 10000, groups: 500, apart: true},
	}
	smallSizes = []size{{name: "small", users: 400, groups: 20}}
)

// TestFirstSyncOfGroups plays the first sync of an organization whose groups are
// all connected at once, with the functions users and groups as they are, in
// virtual time. It must not take much longer than the quota alone would.
func TestFirstSyncOfGroups(t *testing.T) {
	sizes := smallSizes
	if *figures {
		sizes = fullSizes
	}
	var spent []cost
	for _, s := range sizes {
		if got := int(float64(s.users) * groupsPerUser / groupSize); got != s.groups {
			t.Fatalf("%d users fill %d groups, want %d", s.users, got, s.groups)
		}
		t.Run(s.name, func(t *testing.T) {
			progress("%s:", s.name)
			synctest.Test(t, func(t *testing.T) { spent = append(spent, firstSync(t, s)) })
		})
	}
	if *figures && !t.Failed() {
		fmt.Print(table(sizes[0], spent))
	}
}

// cost is what a first sync took.
type cost struct {
	name            string
	units, requests int
	took            time.Duration
}

// firstSync plays one. A small one, for which the quota is enough, may take a minute.
func firstSync(t *testing.T, s size) cost {
	t.Helper()
	o := newOrganization(t, s)
	o.ConnectGroups(o.groups...)
	took := o.work()
	o.compare()
	seen, fewest := o.Entra.Counters(), s.fewest()
	progress("%d requests were refused for want of quota", seen.Throttled)
	if seen.WriteUnits > fewest+fewest/20 {
		t.Errorf("%d write units, want at most %d", seen.WriteUnits, fewest+fewest/20)
	}
	if least := bound(fewest); took > least+max(least/10, time.Minute) {
		t.Errorf("the first sync took %s, want at most %s", took, least+max(least/10, time.Minute))
	}
	return cost{s.name, seen.WriteUnits, seen.Requests, took}
}

// boundPerUnit is for how many members Microsoft counts one write unit.
const boundPerUnit = 3

// fewest are the least write units that a first sync needs: one for each account, and those
// of each group's members with 20 in a request.
func (s size) fewest() int {
	units := s.users
	for left := groupSize; left > 0; left -= 20 {
		units += s.groups * ((min(left, 20) + boundPerUnit - 1) / boundPerUnit)
	}
	return units
}

// singly are the write units when each member is added by a request of its own.
func (s size) singly() int { return s.users + s.groups + s.groups*groupSize }

// bound is how long write units take at least: the quota is a bucket that is full
// at the start and fills in the window.
func bound(units int) time.Duration {
	const burst, window = 3000, 150 * time.Second // Microsoft Graph documentation, throttling limits
	return time.Duration(max(units-burst, 0)) * window / time.Duration(burst)
}

// table is what first syncs cost, beside the lower bound and the cost with one call for each
// write.
func table(s size, spent []cost) string {
	fewest, singly := s.fewest(), s.singly()
	spent = append(spent,
		// A look-up and a write for every account and every group, and two more
		// writes for the group's members, 20 to a request.
		cost{"lower bound", fewest, (2*s.users + 4*s.groups) / 20, bound(fewest)},
		// The same look-ups, each a request of its own as every write.
		cost{"one call for each write", singly, s.users + s.groups + singly, bound(singly)},
	)
	var out bytes.Buffer
	columns := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(columns, "%d users, %d groups of %d\twrite units\tHTTP requests\tseconds\tabove the bound\n", s.users, s.groups, groupSize)
	for _, c := range spent {
		fmt.Fprintf(columns, "%s\t%d\t%d\t%.0f\t%.1f %%\n", c.name, c.units, c.requests, c.took.Seconds(), 100*(c.took.Seconds()/bound(fewest).Seconds()-1))
	}
	if err := columns.Flush(); err != nil {
		return err.Error()
	}
	return out.String()
}

// progress prints how far the figures are.
func progress(format string, arguments ...any) {
	if *figures {
		fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	}
}
