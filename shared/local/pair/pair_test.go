package pair_test

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"entrasync/shared/local/pair"
)

// errCrash is the error of a machine that stopped.
var errCrash = errors.New("the machine stopped")

// machine lets so many writes through until it stops.
type machine struct{ writes int }

// file is a file of a machine.
type file struct {
	identity   string
	generation uint64
	machine    *machine
}

func (f *file) Identity(context.Context) (string, error)   { return f.identity, nil }
func (f *file) Generation(context.Context) (uint64, error) { return f.generation, nil }

func (f *file) SetIdentity(_ context.Context, identity string) error {
	return f.write(func() { f.identity = identity })
}

func (f *file) SetGeneration(_ context.Context, generation uint64) error {
	return f.write(func() { f.generation = generation })
}

func (f *file) write(do func()) error {
	if f.machine.writes == 0 {
		return errCrash
	}
	f.machine.writes--
	do()
	return nil
}

// always lets every write through.
func always() *machine { return &machine{writes: 1 << 30} }

func join(t interface{ Fatal(...any) }, table, queues file) pair.Finding {
	table.machine, queues.machine = always(), always()
	finding, err := pair.Pair{Table: &table, Queues: &queues}.Join(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return finding
}

// Whenever the machine stops, its own files belong together. A table that was copied before
// the last generation was complete is older than the queues.
func TestOnlyAnOlderTableIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, queues := file{}, file{}
		type snapshot struct {
			file
			advanced bool // since
		}
		var snapshots []*snapshot
		started := false
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			writes := rapid.IntRange(0, 6).Draw(t, "writes until the crash")
			m := &machine{writes: writes}
			table.machine, queues.machine = m, m
			p := pair.Pair{Table: &table, Queues: &queues}
			var err error
			switch step := rapid.SampledFrom([]string{"start", "advance", "snapshot"}).Draw(t, "step"); {
			case step == "snapshot":
				snapshots = append(snapshots, &snapshot{file: table})
				continue
			case step == "start" || !started:
				var finding pair.Finding
				finding, err = p.Join(t.Context())
				if err == nil && finding != pair.Together {
					t.Fatalf("the own table is %s: %+v %+v", finding, table, queues)
				}
				started = err == nil
			default:
				err = p.Advance(t.Context())
				started = err == nil
			}
			for _, s := range snapshots {
				s.advanced = s.advanced || err == nil
			}
		}
		if finding := join(t, table, queues); finding != pair.Together {
			t.Fatalf("the own table is %s: %+v %+v", finding, table, queues)
		}
		for _, s := range snapshots {
			if s.identity == "" {
				continue // of before the first start
			}
			if finding := join(t, s.file, queues); s.advanced && finding != pair.OldTable {
				t.Fatalf("a snapshot is %s, want %s: %+v %+v", finding, pair.OldTable, s.file, queues)
			}
		}
	})
}

func TestJoin(t *testing.T) {
	for name, tc := range map[string]struct {
		table, queues file
		want          pair.Finding
	}{
		"both new":                   {file{}, file{}, pair.Together},
		"new queues":                 {file{identity: "a", generation: 7}, file{}, pair.Together},
		"of before generations":      {file{identity: "a"}, file{identity: "a"}, pair.Together},
		"of one generation":          {file{identity: "a", generation: 7}, file{identity: "a", generation: 7}, pair.Together},
		"stopped between the two":    {file{identity: "a", generation: 8}, file{identity: "a", generation: 7}, pair.Together},
		"another table":              {file{identity: "b", generation: 7}, file{identity: "a", generation: 7}, pair.Foreign},
		"a table without identity":   {file{}, file{identity: "a", generation: 7}, pair.Foreign},
		"an older table":             {file{identity: "a", generation: 6}, file{identity: "a", generation: 7}, pair.OldTable},
		"a table before generations": {file{identity: "a"}, file{identity: "a", generation: 1}, pair.OldTable},
		"older queues":               {file{identity: "a", generation: 9}, file{identity: "a", generation: 7}, pair.OldQueues},
	} {
		t.Run(name, func(t *testing.T) {
			tc.table.machine, tc.queues.machine = always(), always()
			before := tc.table
			finding, err := pair.Pair{Table: &tc.table, Queues: &tc.queues}.Join(t.Context())
			if err != nil || finding != tc.want {
				t.Fatalf("got %s, %v, want %s", finding, err, tc.want)
			}
			used := finding == pair.Together || finding == pair.OldQueues
			if used && (tc.table.identity == "" || tc.table.identity != tc.queues.identity || tc.table.generation != before.generation+1 || tc.table.generation != tc.queues.generation) {
				t.Errorf("afterwards %+v %+v, want one identity and generation %d", tc.table, tc.queues, before.generation+1)
			}
			if !used && tc.table != before {
				t.Errorf("the table is %+v, want it unchanged: %+v", tc.table, before)
			}
		})
	}
}
