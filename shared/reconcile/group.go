package reconcile

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Groups brings groups up to date: their members, who are connected to the directory by
// them, and the security groups in Entra.
type Groups struct{ Parts }

// NewGroups returns a fault that names the first part that is missing.
func NewGroups(parts Parts) (Groups, error) { return Groups{parts.remembering()}, parts.check() }

// groups names them in logs, metrics and records.
var groups = noun{subject: "group", attempts: "group", failed: "group_attempts_failed", ended: "groups_settled", scope: directory.OfGroups}

// Sync tries tasks of one directory together. No group occurs twice. The outcomes are in
// the order of the attempts; the failure of one group does not affect another.
func (g Groups) Sync(ctx context.Context, id directory.ID, attempts []GroupAttempt) []Outcome {
	b := &groupBatch{}
	b.Parts, b.trouble = g.Parts, newRecognition()
	for _, a := range attempts {
		b.objects = append(b.objects, &group{work: work{attempted: a.attempted(groups), stage: readingRecords, linkless: a.Group == ""}, attempt: a})
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

// group is the work on one group. Each of its parts is filled in by the stages after which
// it is named.
type group struct {
	work
	attempt GroupAttempt
	link    directory.GroupLink
	read    groupRead
	plan    plan.Group
	match   groupMatch
	guard   groupGuard
	written groupWritten
}

// groupRead is what JumpCloud has of a group, and what we know of it.
type groupRead struct {
	paths []directory.Path // that connect it
	since time.Time        // it is connected; zero if it is not
	// source is the group in JumpCloud, nil if it is gone there; answered says whether
	// JumpCloud was read, held whether the connection source has the group.
	source         *directory.Group
	answered, held bool
	marked         []store.Mark // the members that are marked dirty
	stranded       time.Time    // the StrandedAt of the link for which all is read
}

// groupMatch is how the group got its group in Entra, and who is to be in it.
type groupMatch struct {
	claimed bool // the group in Entra is new to us
	awaits  bool // for members who will get their accounts soon
	waited  bool // until this attempt
	// excluded are the accounts of members whose sign-in names are excluded.
	excluded map[directory.EntraID]bool
	// byID are the places of members by their accounts, see [group.byAccount].
	byID map[directory.EntraID]int
	// gone says that the group in Entra is not there any more, and that this is only
	// reported.
	gone bool
}

// exclude notes the account of a member whose sign-in name is excluded.
func (m *groupMatch) exclude(id directory.EntraID) {
	if m.excluded == nil {
		m.excluded = map[directory.EntraID]bool{}
	}
	m.excluded[id] = true
}

// groupWritten is the results of the actions.
type groupWritten struct {
	members map[directory.UserID]directory.Member // with new results
	unsure  []string                              // the actions whose results are not known
	again   bool                                  // a member is to be retried
}

// groupReadStages are the stages that read one group by itself. The stages of a kind are
// a function, so that a program that only sends tasks does not link what they call.
func groupReadStages() []stage[*groupBatch, *group] {
	return []stage[*groupBatch, *group]{
		{"read source", each((*groupBatch).readSource), false},         // sets read.held; connects what the source has
		{"read group", each((*groupBatch).readGroup), false},           // sets read.source and plan
		{"read membership", each((*groupBatch).readMembership), false}, // users join and leave
	}
}

// groupStages are the stages of the work on groups, after they were read.
func groupStages() []stage[*groupBatch, *group] {
	return []stage[*groupBatch, *group]{
		{"expect", (*groupBatch).expect, true},             // sets lagging and recheckAt
		{"lease", (*groupBatch).lease, false},              // ends those that another worker works on
		{"recall", (*groupBatch).recall, false},            // sets open and plan.Unsure
		{"find leavers", (*groupBatch).findLeavers, false}, // sets plan.Leavers of those that are not connected any more
		{"reclaim", (*groupBatch).reclaim, false},          // sets link: the group whose claim was given up
		{"spare", (*groupBatch).spare, false},              // sets plan: no deletion of a group that another directory has
		{"load members", (*groupBatch).loadMembers, false}, // sets plan.Members
		{"await", (*groupBatch).await, false},              // ends those whose members will get accounts soon
		{"compare", (*groupBatch).compare, false},          // sets plan.Shown: the group in Entra
		{"look up", (*groupBatch).lookUp, false},           // sets plan: groups found by name and who is in them
		{"decide", (*groupBatch).decide, false},            // sets todo, obstacle, link and match
		{"claim", (*groupBatch).claimFound, false},         // makes sure that a found group belongs to no other
		{"guard", (*groupBatch).guard, false},              // sets guard and todo: whether many are taken out at once
		{"write", (*groupBatch).send, false},               // sets written and link
		{"conclude", (*groupBatch).end, false},             // sets link: how the group stands
		{"keep members", (*groupBatch).keepKnown, true},
		{"record failures", (*groupBatch).recordFailures, true},
		{"recheck", (*groupBatch).enqueueRechecks, true},
		{"publish", (*groupBatch).publish, true},
	}
}

// run reads the groups and takes them through the stages, as [userBatch.run] does.
func (b *groupBatch) run(ctx context.Context, id directory.ID) {
	if !b.readRecords(ctx, id) {
		return
	}
	if s := b.dir.Stopped(directory.OfGroups); s != nil {
		b.setAside(ctx, live(b.objects), *s)
		return
	}
	goThrough(ctx, b, b.objects, []stage[*groupBatch, *group]{{"authorize", (*groupBatch).authorize, false}}) // sets the clients
	b.leases = newLeases(b.Store)
	defer b.leases.close()
	excluding, others := apart(b.objects, b.excludes)
	goThrough(ctx, b, excluding, excludeStages())
	inWaves(others, func(g *group) {
		goThrough(ctx, b, []*group{g}, groupReadStages())
	}, func(wave []*group) {
		own := *b
		own.completed = nil
		defer func() {
			for _, g := range wave {
				b.leases.end(ctx, g.attempt.Group)
			}
		}()
		goThrough(ctx, &own, wave, groupStages())
	})
}

func (g *group) standing() *directory.Standing { return &g.link.Standing }

func (g *group) name() string { return g.plan.Name }

// isKnown reports whether the group has a link, or is to have one.
func (g *group) isKnown() bool { return g.link.Version > 0 || g.plan.Connected }

func (g *group) waiting() (store.Waiting, error) {
	return waitingTask(plan.OfGroup, g.id, g.attempt.GroupTask, isUrgent(g.cause, g.claims, g.plan.Settings), g.directory)
}

func (g *group) recording() store.Recording {
	link := g.link
	return store.Recording{Group: &link}
}

func (g *group) logged(e *zerolog.Event) *zerolog.Event { return e }

// parking records nothing: a group that is parked has its reason in the link.
func (g *group) parking(fault.Kind) *plan.Action { return nil }

// recordAfterConflict has nothing to record: only the worker that has the lease writes.
func (g *group) recordAfterConflict(context.Context, Parts, directory.Directory, []plan.Action) {}

// owner is the group as the owner of a group in Entra.
func (b *groupBatch) owner(g *group) store.Owner {
	return store.Owner{Organization: b.dir.Organization, Group: g.attempt.Group, Username: g.plan.Name}
}
