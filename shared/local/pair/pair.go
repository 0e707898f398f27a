// Package pair notices when table and queues of one machine do not belong together any
// more, because somebody replaced one of the two files by an older one.
//
// Both files have the same identity, which distinguishes them from files of another
// installation, and a generation, a number that grows from time to time in both. A new
// generation is written to the table first. So, whenever the machine stops, the
// generation of the table is not less than that of its queues. A table with a lesser
// generation is an older file.
//
// Older queues lose only the messages that were sent since; a message only names a user
// or a group to check, and may come again. An older table has old links: entrasync would
// believe that accounts are as they were then, and never correct them.
package pair

import (
	"context"
	"crypto/rand"
)

// File is one of the two files.
type File interface {
	// Identity is "" for a file without one.
	Identity(ctx context.Context) (string, error)
	SetIdentity(ctx context.Context, identity string) error
	// Generation is 0 for a file without one.
	Generation(ctx context.Context) (uint64, error)
	SetGeneration(ctx context.Context, generation uint64) error
}

// Pair are the two files.
type Pair struct{ Table, Queues File }

// Finding is the result of comparing the two files.
type Finding string

// The findings.
const (
	Together  Finding = "together"
	Foreign   Finding = "foreign"    // the queues belong to another table
	OldTable  Finding = "old_table"  // the table is older than the queues
	OldQueues Finding = "old_queues" // the queues are older than the table
)

// Join compares the two files and, unless the finding is Foreign or OldTable, begins a new
// generation. Files of a version without identities get one, and so do new queues.
func (p Pair) Join(ctx context.Context) (Finding, error) {
	identity, err := p.Table.Identity(ctx)
	if err != nil {
		return "", err
	}
	ofQueues, err := p.Queues.Identity(ctx)
	if err != nil {
		return "", err
	}
	if ofQueues != "" && ofQueues != identity {
		return Foreign, nil
	}
	table, queues, err := p.generations(ctx)
	switch {
	case err != nil:
		return "", err
	case table < queues:
		return OldTable, nil
	}
	finding := Together
	if ofQueues == "" {
		if err := p.identify(ctx, identity); err != nil {
			return "", err
		}
	} else if table > queues+1 { // after a crash the table is at most one ahead
		finding = OldQueues
	}
	return finding, p.Advance(ctx)
}

// identify gives the queues the identity of the table. If the table has none, it generates
// one for both.
func (p Pair) identify(ctx context.Context, identity string) error {
	if identity == "" {
		identity = rand.Text()
		if err := p.Table.SetIdentity(ctx, identity); err != nil {
			return err
		}
	}
	return p.Queues.SetIdentity(ctx, identity)
}

// generations are those of both files.
func (p Pair) generations(ctx context.Context) (table, queues uint64, err error) {
	if table, err = p.Table.Generation(ctx); err != nil {
		return 0, 0, err
	}
	queues, err = p.Queues.Generation(ctx)
	return table, queues, err
}

// Advance begins a new generation. After it, every copy of the table that was made before
// is older than the queues.
func (p Pair) Advance(ctx context.Context) error {
	table, queues, err := p.generations(ctx)
	if err == nil && table > queues { // so that the table is never more than one ahead
		err = p.Queues.SetGeneration(ctx, table)
	}
	if err == nil {
		err = p.Table.SetGeneration(ctx, table+1)
	}
	if err == nil {
		err = p.Queues.SetGeneration(ctx, table+1)
	}
	return err
}
