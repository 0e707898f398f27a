package reconcile

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// Sweep finds what was begun and what nobody works on any more, because a process died
// or a message was lost, and sends the task that does it: for marks of members, pending
// notices, actions without a result, connections that were made or ended, notifications
// that were not sent, settings that were not applied, retries of many, holds that were
// decided, and steps that are due for those who left. It reads only the unfinished records of a directory, which are few, and can
// run at any time and twice at once.
type Sweep struct {
	Store *store.Store
	// Users and Groups are the bulk lanes.
	Users, Groups queue.Sender
	Metrics       metric.Counter
	// Publisher gets the actions that the sweep ends itself; nil publishes nothing.
	Publisher Publisher
}

// SweptCause is the type of the cause of the tasks that the sweep sends.
const SweptCause = "swept"

// How much one run reads of one directory. The next run goes on where it ended.
const (
	sweepPages    = 10
	sweepPageSize = 100
)

// sweepLimit is how long one page may take (assumed). The run ends when less is left.
const sweepLimit = 10 * time.Second

// Check returns a fault that names the first part that is missing.
func (s Sweep) Check() error {
	return fault.Missing("reconcile.new", fault.Part{Name: "Store", There: s.Store != nil}, fault.Part{Name: "Users", There: s.Users != nil},
		fault.Part{Name: "Groups", There: s.Groups != nil}, fault.Part{Name: "Metrics", There: s.Metrics != nil})
}

// Run sweeps all directories, each run in another order, so that none is left out if there
// is not enough time for all. The failure of one directory does not affect another.
func (s Sweep) Run(ctx context.Context) error {
	all, err := s.Store.AllDirectories(ctx)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		s.Metrics.Count("directories_swept", len(all)) // the alarm for missing successes counts from then on
	}
	found := map[store.UnfinishedKind]int{}
	failed := []error{s.probe(ctx, all), s.check(ctx, all)}
	left := len(all)
	for _, i := range rand.Perm(len(all)) { //nolint:gosec // nobody gains by guessing the order
		if !deadline.Allows(ctx, sweepLimit) {
			break
		}
		if !all[i].IsSuspended() { // the tasks would only wait
			failed = append(failed, s.sweep(ctx, all[i].ID, found))
		}
		left--
	}
	line := zerolog.Ctx(ctx).Warn().Int("directories", len(all)).Int("leftOut", left)
	for kind, n := range found {
		s.Metrics.Count("swept", n, "kind", string(kind))
		line = line.Int(string(kind), n)
	}
	if len(found) > 0 || left > 0 {
		line.Msg("the sweep found what nobody worked on")
	}
	return errors.Join(failed...)
}

// lateProbe is how late a probe of a suspended directory may be until another one is sent:
// its message was lost, or waits in a long queue.
const lateProbe = 2 * time.Minute

// probe sends a probe of each suspended directory whose last one sent no other.
func (s Sweep) probe(ctx context.Context, all []directory.Directory) error {
	now := time.Now()
	var late []Task
	for _, dir := range all {
		if dir.IsProbed() && now.Sub(dir.Probes.NextAt) > lateProbe {
			late = append(late, Probe(dir.ID, time.Time{}))
		}
	}
	if len(late) > 0 {
		zerolog.Ctx(ctx).Warn().Int("directories", len(late)).Msg("the sweep found suspended directories that nobody probes")
	}
	return Enqueue(ctx, s.Users, late...)
}

// check has one directory of each organization checked whose key was refused when its
// feed was read. The check of one is for all of them.
func (s Sweep) check(ctx context.Context, all []directory.Directory) error {
	var looks []Task
	var failed []error
	seen := map[directory.OrganizationID]bool{}
	for _, dir := range all {
		if dir.IsSuspended() || seen[dir.Organization] {
			continue
		}
		seen[dir.Organization] = true
		feed, err := s.Store.CatchUp(ctx, dir.Organization)
		if failed = append(failed, err); err == nil && feed.Trouble != nil && feed.Trouble.Reason == directory.JumpCloudRefused {
			looks = append(looks, Look(dir.ID))
		}
	}
	return errors.Join(append(failed, Enqueue(ctx, s.Users, looks...))...)
}

// sweep sweeps one directory and adds what it found to found. A page that fails does not
// keep it from the next one.
func (s Sweep) sweep(ctx context.Context, id directory.ID, found map[store.UnfinishedKind]int) error {
	begin, err := s.Store.SweepPlace(ctx, id)
	if err != nil {
		return err
	}
	place := begin
	var failed []error
	var rollouts []store.Selection
	var holds []store.Hold
	var leavers []store.Unfinished
	for range sweepPages {
		if !deadline.Allows(ctx, sweepLimit) {
			break
		}
		page, err := s.Store.Unfinished(ctx, id, sweepPageSize, place)
		if fault.Is(err, fault.Invalid) { // the cursor of another version: the next run begins at the start
			place = ""
			break
		}
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		if len(page.Items) > 0 {
			w := sweeping{Sweep: s, directory: id, now: time.Now().UTC(), found: found}
			failed = append(failed, w.work(ctx, page.Items))
			rollouts, holds, leavers = append(rollouts, w.rollouts...), append(holds, w.holds...), append(leavers, w.leavers...)
		}
		if place = page.Cursor; place == "" {
			break
		}
	}
	if place != begin {
		failed = append(failed, s.Store.PutSweepPlace(ctx, id, place))
	}
	for _, only := range rollouts {
		if !deadline.Allows(ctx, sweepLimit) {
			break
		}
		rollout := Rollout{Store: s.Store, Users: s.Users, Groups: s.Groups}
		if waits, err := rollout.Waits(ctx, id, only); err != nil || waits {
			failed = append(failed, err)
			continue
		}
		found[store.UnfinishedRollout]++
		_, _, err := rollout.Send(ctx, id, only, sweepPages)
		failed = append(failed, err)
	}
	for _, hold := range holds {
		if !deadline.Allows(ctx, sweepLimit) {
			break
		}
		found[store.UnfinishedHold]++
		failed = append(failed, s.finishHold(ctx, hold))
	}
	if len(leavers) > 0 && deadline.Allows(ctx, sweepLimit) {
		w := sweeping{Sweep: s, directory: id, now: time.Now().UTC(), found: found}
		failed = append(failed, w.leave(ctx, leavers))
	}
	return errors.Join(failed...)
}

// finishHold announces a hold, and sends the tasks for what is in it, if that is to be done.
func (s Sweep) finishHold(ctx context.Context, hold store.Hold) (err error) {
	if hold.ToAnnounce {
		if hold, err = announceHold(ctx, s.Store, s.Metrics, hold); err != nil {
			return err
		}
	}
	if hold.Passes > 0 {
		_, err = HeldTasks{Store: s.Store, Users: s.Users, Groups: s.Groups}.Send(ctx, hold)
	}
	return err
}

// sweeping is the work on one page of unfinished records of a directory.
type sweeping struct {
	Sweep
	directory directory.ID
	now       time.Time
	found     map[store.UnfinishedKind]int

	order   []store.Sent // the subjects, in the order of their first records
	about   map[store.Sent][]store.Unfinished
	done    []store.Unfinished // with which nothing is left to do
	tasks   []sweptTask
	ended   []plan.Action
	cause   *plan.Cause // of the tasks; nil: that the sweep found them
	watches []store.DomainWatch
	// rollouts are those whose tasks are to be sent, which are too many for a page.
	rollouts []store.Selection
	holds    []store.Hold       // likewise
	leavers  []store.Unfinished // likewise: the guard is asked about all who are to be deleted
}

// sweptTask is a subject that is to get a task.
type sweptTask struct {
	about store.Sent
	kinds []store.UnfinishedKind
	since time.Time // when the last of its records was due
	// all asks to read all members of a group, or all groups of a user.
	all bool
}

// need adds a record that needs the task.
func (t *sweptTask) need(u store.Unfinished) {
	if !slices.Contains(t.kinds, u.Kind) {
		t.kinds = append(t.kinds, u.Kind)
	}
	if u.Due.After(t.since) {
		t.since = u.Due
	}
}

// work does what the records of one page need.
func (w *sweeping) work(ctx context.Context, records []store.Unfinished) error {
	w.sort(records)
	if err := w.judgeAll(ctx); err != nil {
		return err
	}
	err := errors.Join(w.send(ctx), w.watch(ctx), w.Store.Finish(ctx, w.done...))
	if len(w.ended) > 0 && w.Publisher != nil {
		err = errors.Join(err, w.Publisher.Publish(ctx, w.ended...))
	}
	return err
}

// sort sorts the records by the user or group whose task works on them.
func (w *sweeping) sort(records []store.Unfinished) {
	w.about = map[store.Sent][]store.Unfinished{}
	for _, u := range records {
		about := store.Sent{Directory: w.directory, User: u.User, Group: u.Group}
		switch u.Kind {
		case store.DirtyMember:
			about.User = ""
		case store.PendingNotice:
			about.Group = ""
		case store.OpenAction:
			about = w.subject(u.Action)
		case store.AwaitedDomain:
			w.watches = append(w.watches, u.Watch)
			continue
		case store.UnfinishedRollout:
			w.rollouts = append(w.rollouts, u.Only)
			continue
		case store.UnfinishedHold:
			w.holds = append(w.holds, u.Hold)
			continue
		case store.DueLeaver:
			w.leavers = append(w.leavers, u)
			continue
		}
		if w.about[about] == nil {
			w.order = append(w.order, about)
		}
		w.about[about] = append(w.about[about], u)
	}
}

// subject is the user or the group of an action.
func (w *sweeping) subject(a plan.Action) store.Sent {
	if a.Subject.Kind == groups.subject {
		return store.Sent{Directory: w.directory, Group: directory.GroupID(a.Subject.ID)}
	}
	return store.Sent{Directory: w.directory, User: directory.UserID(a.Subject.ID)}
}

// judgeAll decides about every subject what it needs.
func (w *sweeping) judgeAll(ctx context.Context) error {
	var users []directory.UserID
	var groups []directory.GroupID
	for _, about := range w.order {
		if about.Group != "" {
			groups = append(groups, about.Group)
		} else {
			users = append(users, about.User)
		}
	}
	var knownUsers store.UserRecords
	var knownGroups store.GroupRecords
	var err error
	if len(users) > 0 {
		knownUsers, err = w.Store.ReadUsers(ctx, w.directory, users)
	}
	if err == nil && len(groups) > 0 {
		knownGroups, err = w.Store.ReadGroups(ctx, w.directory, groups)
	}
	if err != nil {
		return err
	}
	sent, err := w.Store.LastSent(ctx, w.order)
	if err != nil {
		return err
	}
	for i, about := range w.order {
		var subject sweptSubject
		if about.Group != "" {
			subject = groupSubject(knownGroups.Groups[about.Group], w.directory, w.now)
		} else {
			subject = userSubject(knownUsers.Users[about.User], w.directory)
		}
		subject.sent = sent[i]
		task, err := w.judge(ctx, subject, w.about[about])
		if err != nil {
			return err
		}
		if task.about = sent[i]; len(task.kinds) > 0 {
			w.tasks = append(w.tasks, task)
		}
	}
	return nil
}

// send sends the tasks of subjects, except those to which it sent one a short while ago.
func (w *sweeping) send(ctx context.Context) error {
	var users []Task
	var groups []GroupTask
	var sent []store.Sent
	var kinds []store.UnfinishedKind
	cause := plan.Cause{Type: SweptCause, At: w.now}
	if w.cause != nil {
		cause = *w.cause
	}
	for _, t := range w.tasks {
		if t.since.After(t.about.At) {
			t.about.Times = 0 // this is new
		}
		if t.about.Times > 0 && t.about.At.Add(sweepWait(t.about.Times)).After(w.now) {
			continue
		}
		if t.about.Group != "" {
			groups = append(groups, GroupTask{Directory: w.directory, Group: t.about.Group, Cause: cause, AllMembers: t.all})
		} else {
			users = append(users, Task{Directory: w.directory, User: t.about.User, Cause: cause, Memberships: t.all})
		}
		kinds = append(kinds, t.kinds...)
		t.about.At, t.about.Times = w.now, t.about.Times+1
		sent = append(sent, t.about)
	}
	if err := errors.Join(Enqueue(ctx, w.Users, users...), Enqueue(ctx, w.Groups, groups...)); err != nil {
		return err
	}
	for _, kind := range kinds {
		w.found[kind]++
	}
	return w.Store.PutSent(ctx, sent...)
}

// sweepWait is how long to wait for what n tasks were sent for, before another one is sent:
// the tasks may wait for their turn in a long queue.
func sweepWait(n int) time.Duration {
	const first, longest = 5 * time.Minute, 6 * time.Hour
	return min(first<<min(n, 10), longest)
}
