package store

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Rollout says that tasks are to be sent for many users or groups of a directory, and which
// are still to be sent: because its settings were stored, and then it is written together
// with them; or because somebody asked to try all of a kind again. It is unfinished until all
// are sent.
type Rollout struct {
	Directory directory.ID `json:"directoryId"`
	Cause     plan.Cause   `json:"cause"`
	// Only says which links get a task. A directory has one rollout of its settings, and one
	// for each selection.
	Only Selection `json:"only,omitzero"`
	// Source says that the connection source is to be read too.
	Source bool `json:"source,omitempty"`
	// Awaits is a job: until it has ended nothing is sent, because it finds out first whom the
	// settings concern, and announces it. "": there is none.
	Awaits string `json:"awaits,omitempty"`
	// Stage and Cursor are where the next page of tasks begins.
	Stage  RolloutStage `json:"stage"`
	Cursor string       `json:"cursor,omitempty"`
	// Sent is how many tasks were sent, if it has a selection.
	Sent    int   `json:"sent,omitempty"`
	Version int64 `json:"-"` // 0: there is none
	// ExcludedBefore and ExcludedNow are the groups whose members the directory excluded
	// until now and excludes with the new settings: what is known of them begins anew with
	// another group.
	ExcludedBefore, ExcludedNow directory.GroupID `json:"-"`
}

// Selection is which links of a directory get a task. The zero selection is that of a change
// of settings: all users and all connected groups.
type Selection struct {
	Kind   string               `json:"kind"` // plan.OfUser or plan.OfGroup
	Status directory.LinkStatus `json:"status,omitempty"`
	Reason directory.Reason     `json:"reason,omitempty"`
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

// next is the stage after this one.
func (s RolloutStage) next() RolloutStage {
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

// BeginOnly is a rollout for a selection from the start, for a cause.
func (r Rollout) BeginOnly(id directory.ID, only Selection, cause plan.Cause) Rollout {
	stage := RolloutOfUsers
	if only.Kind == plan.OfGroup {
		stage = RolloutOfGroups
	}
	return Rollout{Directory: id, Only: only, Cause: cause, Stage: stage, Version: r.Version}
}

// Next is the rollout in its next stage.
func (r Rollout) Next() Rollout {
	r.Stage, r.Cursor = r.Stage.next(), ""
	if r.Only != (Selection{}) {
		r.Stage = RolledOut
	}
	return r
}

// rolloutKey is the key of a rollout of a directory.
func rolloutKey(id directory.ID, only Selection) Key {
	key := sweepKey(id, rolloutPart, "", "")
	if only != (Selection{}) {
		key.SK = join(rolloutPart, only.Kind, string(only.Status), string(only.Reason))
	}
	return key
}

// Rollout reads what is left to send for a directory; its version is 0 if nothing is.
func (s *Store) Rollout(ctx context.Context, id directory.ID, only Selection) (Rollout, error) {
	r, version, err := get[Rollout](ctx, s, rolloutKey(id, only))
	if fault.Is(err, fault.NotFound) {
		return Rollout{}, nil
	}
	r.Version = version
	return r, err
}

// BeginRollout stores a rollout that begins; Changed if another writer was faster.
func (s *Store) BeginRollout(ctx context.Context, r Rollout) error {
	begins, err := r.begins()
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, begins.Item, begins.If)
	return err
}

// begins is the write that stores a rollout that begins: whoever stores it has some time to
// send the tasks.
func (r Rollout) begins() (Write, error) {
	item, err := encode(rolloutKey(r.Directory, r.Only), r)
	item.setUnfinished(r.Directory, UnfinishedRollout, dueAfter)
	return Write{Item: item, If: IfVersion(r.Version)}, err
}

// KeepRollout stores the place where a rollout goes on: it is due. One that began again
// meanwhile stays as it is.
func (s *Store) KeepRollout(ctx context.Context, r Rollout) error {
	item, err := encode(rolloutKey(r.Directory, r.Only), r)
	if err != nil {
		return err
	}
	item.setUnfinished(r.Directory, UnfinishedRollout, 0)
	_, err = s.table.Put(ctx, item, IfVersion(r.Version))
	return unlessChanged(err)
}

// EndRollout deletes a rollout of which all was sent, unless it began again meanwhile.
func (s *Store) EndRollout(ctx context.Context, r Rollout) error {
	return unlessChanged(s.table.Delete(ctx, rolloutKey(r.Directory, r.Only), IfVersion(r.Version)))
}

// ReleaseRollout has the rollout of a directory's settings go on that awaits a job; announced says
// that those who are to lose access were announced to the guard. One that awaits another job, or
// none, stays as it is.
func (s *Store) ReleaseRollout(ctx context.Context, id directory.ID, job string, announced bool) error {
	return Contended(ctx, func() error {
		r, err := s.Rollout(ctx, id, Selection{})
		if err != nil || r.Version == 0 || r.Awaits != job {
			return err
		}
		r.Awaits, r.Cause.Announced = "", announced
		return s.BeginRollout(ctx, r)
	})
}

// unlessChanged is the error of a write that is not needed if another writer was faster.
func unlessChanged(err error) error {
	if fault.Is(err, fault.Changed) {
		return nil
	}
	return err
}
