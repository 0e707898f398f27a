// Package planning runs the engines without writing to the outside systems, and says what they
// would do.
//
// A plan is not made by rules of its own: the very engines of package reconcile work on an
// overlay of the records (package overlay), with clients whose writes answer success without
// being sent. What was planned for one object is seen by the next one: an account that is to
// be created exists from then on, and the name of one that is to be renamed is free. The
// actions that the engines complete are the plan. Tasks that they send are worked on until
// nothing is left, except those that only read the same once more later.
//
// So a plan is what happens if nothing else changes meanwhile. What the outside systems would
// refuse is in it as far as reads show that (refusals.go); what others change is not.
package planning

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/readonly"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
	"entrasync/shared/store/overlay"
)

const (
	// usersAtOnce and groupsAtOnce are how many tasks of one directory are worked on together.
	usersAtOnce, groupsAtOnce = 50, 10
	// tries is how often a task is tried that fails, and steps how often one that only goes on:
	// the members of a very large group take several.
	tries, steps = 5, 30
)

// Plan is a plan that is being made. Whoever makes it works on Store, sends tasks to Lanes, and
// calls [Plan.Work] until no task is left.
type Plan struct {
	Table *overlay.Table // has everything that is planned
	Store *store.Store   // on it
	Lanes reconcile.Lanes
	// Tasks are those that are left. They can be taken out and put in again.
	Tasks *Tasks

	clients reconcile.Clients
	began   time.Time

	replaced   *replaced
	publishing sync.Mutex // the engines publish side by side
	found      []plan.Action
	failed     error // why something could not be noted
}

// New begins a plan on a table. clients are those of the outside systems.
func New(table store.Table, clients reconcile.Clients) *Plan {
	over := overlay.New(table)
	p := &Plan{Table: over, Store: store.New(over), Tasks: &Tasks{}, replaced: &replaced{}, began: time.Now().UTC()}
	p.clients = planned{clients, over, p.replaced}
	users, groups := userLane{p.Tasks}, groupLane{p.Tasks}
	p.Lanes = reconcile.Lanes{UsersLive: users, UsersBulk: users, GroupsLive: groups, GroupsBulk: groups}
	return p
}

// Context is a context for what is planned: its requests may only read, and its log lines say
// that they are about a plan.
func Context(ctx context.Context) context.Context {
	return zerolog.Ctx(ctx).With().Bool("plan", true).Logger().WithContext(readonly.Only(ctx))
}

// Clients are those of the outside systems, of which nothing is sent that writes.
func (p *Plan) Clients() reconcile.Clients { return p.clients }

// Work works on some of the tasks that are left: those of the lowest tier, users before groups,
// because groups wait for the accounts of their members. It returns what was planned,
// and how long to wait before the next call because an outside system asks for that. A fault
// says that nothing can be planned now; the plan is then not to be used any more.
func (p *Plan) Work(ctx context.Context) (planned []plan.Action, wait time.Duration, err error) {
	ctx = Context(ctx)
	dir, users, groups := p.Tasks.next()
	if dir == "" {
		return nil, 0, nil
	}
	p.found, p.replaced.values = nil, nil
	parts := reconcile.Parts{Store: p.Store, Clients: p.clients, Lanes: p.Lanes, Metrics: &metric.Memory{}, Publisher: (*publisher)(p), Plans: true}
	var outcomes []reconcile.Outcome
	if len(users) > 0 {
		engine, err := reconcile.NewUsers(parts)
		if err != nil {
			return nil, 0, err
		}
		outcomes = engine.Sync(ctx, dir, users)
	} else {
		engine, err := reconcile.NewGroups(parts)
		if err != nil {
			return nil, 0, err
		}
		outcomes = engine.Sync(ctx, dir, groups)
	}
	if err := p.suspended(ctx, dir); err != nil {
		return nil, 0, err
	}
	for i, o := range outcomes {
		if o.Err != nil && fault.Is(o.Err, fault.Internal) && readonly.Refusal(o.Err) != nil {
			return nil, 0, o.Err
		}
		if !o.Retry {
			continue
		}
		var again undone
		if len(users) > 0 {
			again = undone{User: &users[i].Task, Number: users[i].Number, Tier: p.Tasks.nextTier()}
		} else {
			again = undone{Group: &groups[i].GroupTask, Number: groups[i].Number, Tier: p.Tasks.nextTier()}
		}
		if again.Number >= steps || o.Err != nil && again.Number >= tries {
			p.giveUp(ctx, again, o.Err)
			continue
		}
		if p.Tasks.add(again); o.Err != nil {
			wait = max(wait, o.After)
		}
	}
	if p.failed != nil {
		return nil, 0, p.failed
	}
	return p.found, wait, p.name(ctx, p.found)
}

// suspended is the fault that nothing can be planned in a directory whose tasks wait; nil if
// they do not.
func (p *Plan) suspended(ctx context.Context, id directory.ID) error {
	dir, err := p.Store.Directory(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	}
	for _, scope := range []directory.Scope{directory.OfUsers, directory.OfGroups} {
		if s := dir.Stopped(scope); s != nil {
			return &fault.Error{Op: "planning.work", Kind: fault.Unauthorized, Subject: string(id), Reason: s.Reason, Message: s.Message}
		}
	}
	return nil
}

// giveUp notes that nothing could be planned about an object. A group that waits for members
// without accounts is planned without them: the plan says about each of them why.
func (p *Plan) giveUp(ctx context.Context, t undone, err error) {
	entry := p.undecided(ctx, t, err)
	if entry.Error.Reason != directory.MemberAbsent {
		p.found = append(p.found, entry)
	}
}

// undecided is the entry of an object about which nothing could be planned.
func (p *Plan) undecided(ctx context.Context, t undone, err error) plan.Action {
	now := time.Now().UTC()
	a := plan.Action{ID: newID(), Type: plan.Update, Status: plan.Undecided, Changes: []directory.Change{}, At: now, CompletedAt: now,
		Error: &plan.Failure{Kind: string(fault.Transient), Reason: directory.Unavailable, Message: "it could not be planned: something is in the way that may pass"}}
	if t.User != nil {
		a.Directory, a.Cause, a.Subject = t.User.Directory, t.User.Cause, plan.Subject{Kind: plan.OfUser, ID: string(t.User.User)}
		if known, readErr := p.Store.User(ctx, a.Directory.Organization(), t.User.User); readErr == nil {
			if link, linked := known.Link(a.Directory); linked {
				a.EntraID = link.EntraID
				a.Subject.Name = string(link.UPN)
				noteWhy(&a, link.Standing)
			}
		}
	} else {
		a.Type, a.Directory, a.Cause, a.Subject = plan.RenameGroup, t.Group.Directory, t.Group.Cause, plan.Subject{Kind: plan.OfGroup, ID: string(t.Group.Group)}
		if known, readErr := p.Store.Group(ctx, a.Directory.Organization(), t.Group.Group); readErr == nil {
			if link, linked := known.Link(a.Directory); linked {
				a.EntraID, a.Subject.Name = link.EntraID, link.Name
				noteWhy(&a, link.Standing)
			}
		}
	}
	if f := fault.Of(err); f != nil && f.Message != "" {
		a.Error.Kind, a.Error.Message = string(f.Kind), f.Message
		if f.Reason != "" {
			a.Error.Reason = f.Reason
		}
	}
	return a
}

// noteWhy notes why nothing could be planned, as a link says it.
func noteWhy(a *plan.Action, s directory.Standing) {
	if s.Reason != "" {
		a.Error.Reason, a.Error.Message = s.Reason, s.Message
	}
}

// publisher gets what the engines complete.
type publisher Plan

// Publish implements reconcile.Publisher. What an earlier process left open, and what others
// changed, is not planned; nor are tries that fail and lead to others.
func (p *publisher) Publish(ctx context.Context, actions ...plan.Action) error {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	for _, a := range actions {
		if a.Type == plan.Drift || a.At.Before(p.began) || isTry(a, actions) {
			continue
		}
		if a.Status == plan.Held {
			news, err := p.notListed(ctx, &a)
			if p.failed = errors.Join(p.failed, err); err != nil || !news {
				continue
			}
		}
		if a.Status == plan.Succeeded {
			a.Status = plan.Planned
		}
		if IsMade(a.EntraID) {
			a.EntraID = ""
		}
		p.found = append(p.found, p.replaced.fill(a))
	}
	return nil
}

// isTry reports whether an action failed and is not the last word on its object: it is tried again, or
// the account is restored for it.
func isTry(a plan.Action, all []plan.Action) bool {
	if a.Status != plan.Failed || a.Error == nil {
		return false
	}
	restored := func(other plan.Action) bool { return other.Type == plan.Restore && other.Subject == a.Subject }
	return a.Error.Kind == string(fault.Transient) || a.Error.Reason == directory.AccountMissing && slices.ContainsFunc(all, restored)
}

// userLane and groupLane take the tasks that are sent.
type (
	userLane  struct{ tasks *Tasks }
	groupLane struct{ tasks *Tasks }
)

// Send implements queue.Sender.
func (l userLane) Send(_ context.Context, messages ...queue.Message) error {
	for _, m := range messages {
		task, err := reconcile.ReadTask(m.Body)
		if err != nil {
			return err
		}
		if !task.Probe && task.Password == nil && isSoon(task.NotBefore) {
			l.tasks.add(undone{User: &task, Tier: l.tasks.tierOf(&task.NotBefore, afterLists)})
		}
	}
	return nil
}

// Send implements queue.Sender.
func (l groupLane) Send(_ context.Context, messages ...queue.Message) error {
	for _, m := range messages {
		task, err := reconcile.ReadGroupTask(m.Body)
		if err != nil {
			return err
		}
		if isSoon(task.NotBefore) {
			first := afterLists
			if task.AllMembers {
				first = lists
			}
			l.tasks.add(undone{Group: &task, Tier: l.tasks.tierOf(&task.NotBefore, first)})
		}
	}
	return nil
}

// isSoon reports whether a task is about what is to be done, and does not only read the same later.
func isSoon(due time.Time) bool { return time.Until(due) <= plan.SecondRead }

// Count adds actions to counts: by type those that would be sent, by status the others.
func Count(counts map[string]int, actions []plan.Action) map[string]int {
	for _, a := range actions {
		name := string(a.Status)
		if a.Status == plan.Planned {
			name = string(a.Type)
		}
		counts[name]++
	}
	return counts
}
