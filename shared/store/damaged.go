package store

import (
	"context"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Damaged is the reason of the fault about a record that cannot be read. Its subject is
// the key, with a blank between pk and sk.
const Damaged = directory.Damaged

// IsDamaged reports whether err is about a record that cannot be read.
func IsDamaged(err error) bool {
	f := fault.Of(err)
	return f != nil && f.Kind == fault.Internal && f.Reason == Damaged
}

// DamagedRecord is the fault about a record that cannot be read; err says why.
func DamagedRecord(op string, key Key, err error) error {
	return &fault.Error{Op: op, Kind: fault.Internal, Reason: Damaged, Subject: key.PK + " " + key.SK, Err: err,
		Message: "a record of the table is damaged: put back a copy of the table"}
}

// leftOut logs that a list goes on without a damaged record.
func leftOut(ctx context.Context, key Key, err error) {
	zerolog.Ctx(ctx).Error().Err(err).Str("pk", key.PK).Str("sk", key.SK).Msg("a record of the table is damaged: the list goes on without it")
}
