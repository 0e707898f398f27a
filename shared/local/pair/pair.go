// Package pair notices when table and queues of one machine do not belong together
// any more, because somebody put one of the two files back.
//
// Both files have the same identity, which tells them from those of another product,
// and a generation, a number that grows from time to time in both. It is written to
// the table first. So whatever moment the machine stops at, the table is never behind
// its queues, and a table that is behind is an older one.
//
// What that means: messages are about what JumpCloud says now and may come again, so
// older queues lose only what was sent since. An older table believes that accounts
// are as they were when it was written, and would leave them wrong for good.
package pair

import (
	"context"
	"crypto/rand"
)

// File is one of the two files.
type File interface {
	// Identity is "" for a file that was given none yet.
	Identity(ctx context.Context) (string, error)
	SetIdentity(ctx context.Context, identity string) error
	// Generation is 0 for a file that was given none yet.
	Generation(ctx context.Context) (uint64, error)
	SetGeneration(ctx context.Context, generation uint64) error
}

// Pair are the two files.
type Pair struct{ Table, Queues File }

// Finding is how the two stand to one another.
type Finding string

// The findings.
const (
	Together  Finding = "together"
	Foreign   Finding = "foreign"    // the queues belong to another table
	OldTable  Finding = "old_table"  // the table is older than the queues
	OldQueues Finding = "old_queues" // the queues are older than the table
)

// Join finds out how the two stand to one another and, unless the table cannot be
// used with the queues, begins a new generation. Files of before there were
// identities are given one, and so are queues that are new.
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
	} else if table > queues+1 { // a crash leaves it one ahead at most
		finding = OldQueues
	}
	return finding, p.Advance(ctx)
}

// identify gives queues without an identity that of the table, which is made up if
// it has none either.
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

// Advance begins a new generation: every table that was copied before is older than
// the queues from then on.
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
