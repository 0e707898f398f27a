package resync

import (
	"context"
	"slices"
	"strconv"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// differing is a user or group that differs.
type differing struct {
	user  directory.UserID
	group directory.GroupID
	// standing is how its link stood when it was compared.
	standing directory.Standing
	// takes is why the user is to lose access; "" if the user is not. letIn says that somebody
	// else had given it.
	takes directory.Reason
	letIn bool
	// strangers are accounts that are to be taken out of the group.
	strangers []directory.EntraID
}

// loses reports whether somebody is to lose something, and has no task yet.
func (d differing) loses() bool { return d.takes != "" || len(d.strangers) > 0 }

// here names the present step, in which something is found.
func (r *run) here() string { return r.job.Phase + "/" + strconv.Itoa(r.place.Number) }

// record stores what was found in a step that began at a time; reported says that the
// directory only wants to know it. Each user and group is counted once, also if the step is
// repeated. Its tasks are sent after that.
func (r *run) record(ctx context.Context, began time.Time, all []differing, reported bool) error {
	if len(all) == 0 {
		return nil
	}
	wanted := make([]store.Finding, len(all))
	for i, d := range all {
		wanted[i] = store.Finding{User: d.user, Group: d.group, Link: d.standing.Version, At: began, Place: r.here(), Reported: reported,
			Takes: d.takes, LetIn: d.letIn, Strangers: d.strangers}
		if d.standing.Status == directory.Parked || d.standing.Status == directory.Held {
			wanted[i].Parked = d.standing.Reason
		}
	}
	stored, err := r.Store.Findings(ctx, r.job.ID, wanted...)
	if err != nil {
		return err
	}
	for i, f := range wanted {
		same := func(e store.Finding) bool { return e.User == f.User && e.Group == f.Group }
		if at := slices.IndexFunc(stored, same); at >= 0 {
			wanted[i] = f.After(stored[at])
		}
		if wanted[i].Place == r.here() {
			r.count(wanted[i])
		}
	}
	return r.Store.AddFindings(ctx, r.job.ID, wanted...)
}

// count counts a finding before its task was worked on.
func (r *run) count(f store.Finding) {
	switch {
	case f.Differs():
		r.job.Found++
	case f.Reported:
		r.job.Reported++
	default:
		r.job.Rechecked++
	}
}

// sendUsers stores users that differ and sends their tasks, except for those who are to lose
// access: they are announced together at the end.
func (r *run) sendUsers(ctx context.Context, began time.Time, all []differing) error {
	if err := r.record(ctx, began, all, false); err != nil {
		return err
	}
	var users []directory.UserID
	for _, d := range all {
		if d.takes == "" {
			users = append(users, d.user)
		}
	}
	return r.sendTasks(ctx, users)
}

// sendTasks sends tasks for users.
func (r *run) sendTasks(ctx context.Context, users []directory.UserID) error {
	tasks := make([]reconcile.Task, len(users))
	for i, id := range users {
		tasks[i] = r.task(id)
	}
	return reconcile.Enqueue(ctx, r.Users, tasks...)
}

// sendLeavers sends the tasks of those who are to lose access. If somebody else let them in, the
// task compares the account, too.
func (r *run) sendLeavers(ctx context.Context, leavers []reconcile.Leaver) error {
	tasks := make([]reconcile.Task, len(leavers))
	for i, l := range leavers {
		tasks[i] = r.task(l.User)
		tasks[i].Compare = l.LetIn
	}
	return reconcile.Enqueue(ctx, r.Users, tasks...)
}

// task is the task of a user who differs. With a connection source it reads that too.
func (r *run) task(id directory.UserID) reconcile.Task {
	return reconcile.Task{Directory: r.dir.ID, User: id, Cause: r.cause(), Memberships: true, Source: r.dir.Settings.ConnectionSource.Type != directory.NoSource}
}

// sendGroups stores groups that differ and sends their tasks.
func (r *run) sendGroups(ctx context.Context, began time.Time, all []differing) error {
	if err := r.record(ctx, began, all, false); err != nil {
		return err
	}
	tasks := make([]reconcile.GroupTask, len(all))
	for i, d := range all {
		tasks[i] = reconcile.GroupTask{Directory: r.dir.ID, Group: d.group, Cause: r.cause(), AllMembers: true}
	}
	return reconcile.Enqueue(ctx, r.Groups, tasks...)
}

// countDrift stores what was found in Entra in a step that began at a time. Its tasks were
// sent, except for those who are to lose something. What is too young to be compared is no
// difference yet.
func (r *run) countDrift(ctx context.Context, found reconcile.DriftFound, began time.Time) error {
	all, err := r.standings(ctx, found.Users, found.Groups)
	if err != nil {
		return err
	}
	for i := range all {
		d := &all[i]
		d.takes, d.letIn = found.LetIn[d.user]
		d.strangers = found.Strangers[d.group]
	}
	all = slices.DeleteFunc(all, func(d differing) bool { return !d.loses() && reconcile.IsYoung(d.standing, began) })
	return r.record(ctx, began, all, found.Reported > 0)
}

// standings reads how the links of users and groups stand.
func (r *run) standings(ctx context.Context, users []directory.UserID, groups []directory.GroupID) ([]differing, error) {
	var all []differing
	if len(users) > 0 {
		links := map[directory.UserID]directory.Standing{}
		if err := r.Store.EachLink(ctx, r.job.Directory, users, func(l directory.Link) { links[l.User] = l.Standing }); err != nil {
			return nil, err
		}
		for _, user := range users {
			all = append(all, differing{user: user, standing: links[user]})
		}
	}
	if len(groups) > 0 {
		records, err := r.Store.ReadGroups(ctx, r.job.Directory, groups)
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			link, _ := records.Groups[group].Link(r.job.Directory)
			all = append(all, differing{group: group, standing: link.Standing})
		}
	}
	return all, nil
}
