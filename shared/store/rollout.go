package store

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Rollout says that the settings of a directory were stored, and which tasks for that are
// still to be sent. It is written together with the settings, and is unfinished until all
// are sent.
type Rollout struct {
	Directory directory.ID `json:"directoryId"`
	Cause     plan.Cause   `json:"cause"`
	// Source says that the connection source is to be read too.
	Source bool `json:"source,omitempty"`
	// Stage and Cursor are where the next page of tasks begins.
	Stage   RolloutStage `json:"stage"`
	Cursor  string       `json:"cursor,omitempty"`
	Version int64        `json:"-"` // 0: there is none
}

// RolloutStage names for whom tasks are being sent.
type RolloutStage string

// The stages of a rollout, in their order.
const (
	RolloutOfUsers  RolloutStage = "users"
	RolloutOfGroups RolloutStage = "groups"
	RolloutOfSource RolloutStage = "source"
	RolledOut       RolloutStage = "done"
)

// Next is the stage after this one.
func (s RolloutStage) Next() RolloutStage {
	switch s {
	case RolloutOfUsers:
		return RolloutOfGroups
	case RolloutOfGroups:
		return RolloutOfSource
	default:
		return RolledOut
	}
}

// Begin is a rollout from the start, for a cause. It also does what is left of this one.
func (r Rollout) Begin(id directory.ID, cause plan.Cause, source bool) Rollout {
	return Rollout{Directory: id, Cause: cause, Source: source || r.Source, Stage: RolloutOfUsers, Version: r.Version}
}

// rolloutKey is the key of the rollout of a directory.
func rolloutKey(id directory.ID) Key { return sweepKey(id, rolloutPart, "", "") }

// Rollout reads what is left to send for a directory; its version is 0 if nothing is.
func (s *Store) Rollout(ctx context.Context, id directory.ID) (Rollout, error) {
	r, version, err := get[Rollout](ctx, s, rolloutKey(id))
	if fault.Is(err, fault.NotFound) {
		return Rollout{}, nil
	}
	r.Version = version
	return r, err
}

// begins is the write that stores a rollout that begins: whoever stored the settings has
// some time to send the tasks.
func (r Rollout) begins() (Write, error) {
	item, err := encode(rolloutKey(r.Directory), r)
	item.setUnfinished(r.Directory, UnfinishedRollout, dueAfter)
	return Write{Item: item, If: IfVersion(r.Version)}, err
}

// KeepRollout stores the place where a rollout goes on: it is due. One that began again
// meanwhile stays as it is.
func (s *Store) KeepRollout(ctx context.Context, r Rollout) error {
	item, err := encode(rolloutKey(r.Directory), r)
	if err != nil {
		return err
	}
	item.setUnfinished(r.Directory, UnfinishedRollout, 0)
	_, err = s.table.Put(ctx, item, IfVersion(r.Version))
	return unlessChanged(err)
}

// EndRollout deletes a rollout of which all was sent, unless it began again meanwhile.
func (s *Store) EndRollout(ctx context.Context, r Rollout) error {
	return unlessChanged(s.table.Delete(ctx, rolloutKey(r.Directory), IfVersion(r.Version)))
}

// unlessChanged is the error of a write that is not needed if another writer was faster.
func unlessChanged(err error) error {
	if fault.Is(err, fault.Changed) {
		return nil
	}
	return err
}
