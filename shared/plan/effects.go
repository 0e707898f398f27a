package plan

import (
	"slices"

	"entrasync/shared/directory"
)

// Effect is what a change does to a user or a group, for people who want to know how many it
// concerns.
type Effect string

// The effects.
const (
	EffectCreated        Effect = "created"
	EffectTakenOver      Effect = "taken_over"
	EffectChanged        Effect = "changed"
	EffectEnabled        Effect = "enabled"
	EffectDisabled       Effect = "disabled"
	EffectMembersAdded   Effect = "members_added"
	EffectMembersRemoved Effect = "members_removed"
	EffectDeleted        Effect = "deleted"
	EffectParked         Effect = "parked"    // nothing is sent, and a person has to do something
	EffectUndecided      Effect = "undecided" // nothing could be planned
)

// Effects are all of them, those first that somebody has to know.
func Effects() []Effect {
	return []Effect{EffectDisabled, EffectDeleted, EffectMembersRemoved, EffectParked, EffectChanged, EffectTakenOver,
		EffectCreated, EffectEnabled, EffectMembersAdded, EffectUndecided}
}

// Affected are the users or the groups on which a change has one effect.
type Affected struct {
	Kind   string   `json:"kind"` // OfUser or OfGroup
	Effect Effect   `json:"effect"`
	Count  int      `json:"count"`
	Names  []string `json:"names"` // the first ones, sorted
}

// Effected counts on whom a change has which effects. Each object counts once for each effect.
type Effected struct {
	seen  map[effected]bool
	names map[affected][]string
	count map[affected]int
}

// affected is an effect on users or on groups, and effected is one on one of them.
type (
	affected struct {
		kind   string
		effect Effect
	}
	effected struct {
		affected
		directory directory.ID
		id        string
	}
)

// MostNamed is how many are named of those on whom a change has an effect.
const MostNamed = 10

// Add counts the actions of a plan.
func (e *Effected) Add(actions ...Action) {
	if e.seen == nil {
		e.seen, e.names, e.count = map[effected]bool{}, map[affected][]string{}, map[affected]int{}
	}
	for _, a := range actions {
		of := effected{affected{a.Subject.Kind, effectOf(a)}, a.Directory, a.Subject.ID}
		if of.effect == "" || e.seen[of] {
			continue
		}
		e.seen[of] = true
		e.count[of.affected]++
		name := a.Subject.Name
		if name == "" {
			name = a.Subject.ID
		}
		names := e.names[of.affected]
		at, _ := slices.BinarySearch(names, name)
		if names = slices.Insert(names, at, name); len(names) > MostNamed {
			names = names[:MostNamed]
		}
		e.names[of.affected] = names
	}
}

// Decided reports whether it could be planned for everybody.
func (e *Effected) Decided() bool {
	return e.count[affected{OfUser, EffectUndecided}]+e.count[affected{OfGroup, EffectUndecided}] == 0
}

// All are the effects that the change has.
func (e *Effected) All() []Affected {
	all := []Affected{}
	for _, kind := range []string{OfUser, OfGroup} {
		for _, effect := range Effects() {
			if of := (affected{kind, effect}); e.count[of] > 0 {
				all = append(all, Affected{Kind: kind, Effect: effect, Count: e.count[of], Names: e.names[of]})
			}
		}
	}
	return all
}

// effectOf is the effect of one action; "" if nobody has to know it.
func effectOf(a Action) Effect {
	switch a.Status {
	case Failed:
		return EffectParked
	case Undecided:
		return EffectUndecided
	}
	if a.Type == Update && a.MayTake() {
		return EffectDisabled
	}
	switch a.Type {
	case EndSessions: // it follows the disabling of an account
		return ""
	case Deprovision:
		return EffectDisabled
	case Provision, CreateGroup:
		return EffectCreated
	case TakeOver, TakeOverGroup:
		return EffectTakenOver
	case Enable:
		return EffectEnabled
	case AddMembers:
		return EffectMembersAdded
	case RemoveMembers:
		return EffectMembersRemoved
	case DeleteGroup, DeleteAccount:
		return EffectDeleted
	default:
		return EffectChanged
	}
}
