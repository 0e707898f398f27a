package reconcile

import (
	"context"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Groups brings groups up to date: who is in them, which connects users to the
// directory, and the security groups in Entra.
type Groups struct{ Parts }

// NewGroups refuses parts of which one is missing, by its name.
func NewGroups(parts Parts) (Groups, error) { return Groups{parts}, parts.check() }

// groups names them in logs, metrics and records.
var groups = noun{subject: "group", attempts: "group", failed: "group_attempts_failed", ended: "groups_settled"}

// Sync tries tasks of one directory together. No group occurs twice. The outcomes
// stand in the order of the attempts; one group's trouble is never another's.
func (g Groups) Sync(ctx context.Context, id directory.ID, attempts []GroupAttempt) []Outcome {
	b := &groupBatch{}
	b.Parts = g.Parts
	for _, a := range attempts {
		b.objects = append(b.objects, &group{work: work{attempted: a.attempted(groups), linkless: a.Group == ""}, attempt: a})
	}
	b.run(ctx, id)
	return b.outcomes()
}

// groupBatch is the work on some groups of one directory.
type groupBatch struct {
	linkEngine[*group]
	jumpcloud JumpCloud
	entra     Entra
	leases    *leases
}

// group is the work on one group. Each part of it is filled in by the stages that it is
// named after.
type group struct {
	work
	attempt GroupAttempt
	link    directory.GroupLink
	read    groupRead
	plan    plan.Group
	match   groupMatch
	written groupWritten
}

// groupRead is what JumpCloud has of a group, and what we know of it.
type groupRead struct {
	paths []directory.Path // by which it is connected
	// source is the group in JumpCloud, nil if it is gone there; asked says whether it
	// was asked for, held whether the connection source holds it.
	source      *directory.Group
	asked, held bool
	marked      []store.Mark // the members that are to be looked at
}

// groupMatch is how the group came to the one in Entra, and who is to be in it.
type groupMatch struct {
	claimed bool // the group in Entra is new to us
	awaits  bool // members are about to get their accounts
	waited  bool // and do not any more
	// byID are the members by the account that they are or are to be.
	byID map[directory.EntraID]directory.Member
	open []plan.Action // of which nobody knew how they ended when the attempt began
}

// groupWritten is what became of the actions.
type groupWritten struct {
	members map[directory.UserID]directory.Member // of which more is known now
	unsure  []string                              // the actions of which nobody knows how they ended
	again   bool                                  // a member is to be tried again
}

// groupReadStages is how one group is read, each by itself. The stages of a kind are a
// function, so that a program which only sends tasks does not hold what they call.
func groupReadStages() []stage[*groupBatch, *group] {
	return []stage[*groupBatch, *group]{
		{"read source", each((*groupBatch).readSource), false},         // sets read.held; connects what the source holds
		{"read group", each((*groupBatch).readGroup), false},           // sets read.source and plan
		{"read membership", each((*groupBatch).readMembership), false}, // users join and leave
	}
}

// groupStages is the way of groups that were read through the engine.
func groupStages() []stage[*groupBatch, *group] {
	return []stage[*groupBatch, *group]{
		{"expect", (*groupBatch).expect, true},             // sets lagging and lookAt
		{"lease", (*groupBatch).lease, false},              // ends those that somebody else works on
		{"recall", (*groupBatch).recall, false},            // sets match.open and plan.Unsure
		{"reclaim", (*groupBatch).reclaim, false},          // sets link: the group that was given free
		{"spare", (*groupBatch).spare, false},              // sets plan: no deletion of what another directory has
		{"load members", (*groupBatch).loadMembers, false}, // sets plan.Members and match.byID
		{"await", (*groupBatch).await, false},              // ends those whose members are about to get accounts
		{"look up", (*groupBatch).lookUp, false},           // sets plan: groups found by name and who is in them
		{"decide", (*groupBatch).decide, false},            // sets todo, obstacle, link and match
		{"claim", (*groupBatch).claimFound, false},         // makes sure that a found group is no other's
		{"write", (*groupBatch).send, false},               // sets written and link
		{"conclude", (*groupBatch).end, false},             // sets link: how the group stands
		{"keep members", (*groupBatch).keepKnown, true},
		{"record failures", (*groupBatch).recordFailures, true},
		{"look again", (*groupBatch).enqueueRechecks, true},
		{"publish", (*groupBatch).publish, true},
	}
}

// run reads the groups and takes them through the stages, as those of users.
func (b *groupBatch) run(ctx context.Context, id directory.ID) {
	if !b.readRecords(ctx, id) {
		return
	}
	goThrough(ctx, b, b.objects, []stage[*groupBatch, *group]{{"authorize", (*groupBatch).authorize, false}}) // sets the clients
	inWaves(b.objects, func(g *group) {
		goThrough(ctx, b, []*group{g}, groupReadStages())
	}, func(wave []*group) {
		own := *b
		own.completed, own.leases = nil, newLeases(b.Store)
		defer func() { own.leases.endAll(ctx, wave) }()
		goThrough(ctx, &own, wave, groupStages())
	})
}

func (g *group) standing() *directory.Standing { return &g.link.Standing }

func (g *group) name() string { return g.plan.Name }

func (g *group) recording() store.Recording {
	link := g.link
	return store.Recording{Group: &link}
}

func (g *group) logged(e *zerolog.Event) *zerolog.Event { return e }

// parking records nothing: a group that is parked has its reason in the link.
func (g *group) parking(fault.Kind) *plan.Action { return nil }

// recordAfterConflict has nothing to keep: who has the lease of a group is alone.
func (g *group) recordAfterConflict(context.Context, Parts, directory.Directory, []plan.Action) {}

// owner is the group as the owner of a group in Entra.
func (b *groupBatch) owner(g *group) store.Owner {
	return store.Owner{Organization: b.dir.Organization, Group: g.attempt.Group, Username: g.plan.Name}
}
