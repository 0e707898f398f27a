package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// The guard stops a mistake in JumpCloud before it takes access from many (directory.Guard).
// Who would lose access is counted before the action is recorded: an attempt that dies after
// that counts the same person once. What would be too much waits in a hold (store.Hold): the
// links say so, everything else goes on, and a person approves or rejects it.

// HeldCause is the type of the cause of the tasks that are sent for what waits in a hold.
const HeldCause = "hold"

// question asks the guard of a directory whether some people may lose access by actions of
// one kind.
type question struct {
	dir   directory.Directory
	kind  plan.HoldKind
	items []store.HeldItem // what would wait of each, in the order in which they are to pass
	// together says that it is one cause: all may pass, or nobody does.
	together bool
	// announces says that they are not to lose access at this moment, but will: nobody is
	// counted.
	announces bool
	// others are likely to lose access by the same cause, and expected is how many more.
	others   []string
	expected int
	// more says that not all who lose access by the cause are known yet.
	more bool
	// byNumber says that they are no share of the linked users.
	byNumber bool
	// group, if it is not "", is the one out of which they are taken, and members counts who is
	// in it.
	group   directory.GroupID
	members func(context.Context) (int, error)
	// names finds the names of accounts of which none is known, as far as it can; nil: nobody's.
	names func(context.Context, []directory.EntraID) map[directory.EntraID]string
}

// verdict is the answer for one of them.
type verdict struct {
	// hold is the one in which the action waits; nil: it is to be done.
	hold *store.Hold
	// kept is what waits, or waited, of the action; nil if nothing does.
	kept *store.HeldItem
}

// rejected reports whether a person decided that the action is not to be done.
func (v verdict) rejected() bool { return v.hold != nil && v.hold.Status == store.HoldRejected }

// guard answers a question. The answers are in the order of its items.
func (p Parts) guard(ctx context.Context, q question) ([]verdict, error) {
	answers := make([]verdict, 0, len(q.items))
	parts := p.inParts(q)
	undecided := make([][]string, len(parts))
	if q.together && len(parts) > 1 {
		var err error
		if undecided, err = undecidedIn(ctx, parts); err != nil {
			return nil, err
		}
	}
	for i := range parts {
		j := &parts[i]
		j.others = slices.Concat(q.others, slices.Concat(undecided[:i]...), slices.Concat(undecided[i+1:]...))
		j.coming = len(q.others) + len(q.items) - len(answers) - len(j.items)
		if err := store.Contended(ctx, func() error { return j.judge(ctx) }); err != nil {
			return nil, err
		}
		j.report(ctx)
		answers = append(answers, j.answers...)
	}
	return answers, nil
}

// inParts is the work on a question, in parts that are stored at once.
func (p Parts) inParts(q question) (parts []judgement) {
	for some := range slices.Chunk(q.items, store.MaxHeld) {
		j := judgement{Parts: p, question: q}
		j.items = some
		parts = append(parts, j)
	}
	return parts
}

// undecidedIn are the people in each part of a question of whom nothing is known yet: whoever
// waits, was rejected or is approved is no case any more.
func undecidedIn(ctx context.Context, parts []judgement) ([][]string, error) {
	undecided := make([][]string, len(parts))
	for i := range parts {
		fresh, err := parts[i].read(ctx)
		if err != nil {
			return nil, err
		}
		undecided[i] = parts[i].people(fresh)
	}
	return undecided, nil
}

// plannedHold begins the ids of holds that would begin by what is planned: nobody finds them.
const plannedHold = "planned-"

// judgement is the work on a question, or on a part of a long one.
type judgement struct {
	Parts
	question
	coming int // how many more are about to be judged by the same cause

	now     time.Time
	known   store.GuardRecords
	answers []verdict
	change  store.GuardChange
}

// judge reads what is known, decides, and stores the decision.
func (j *judgement) judge(ctx context.Context) error {
	fresh, err := j.read(ctx)
	if err != nil {
		return err
	}
	if err := j.decide(ctx, fresh); err != nil {
		return err
	}
	j.change.Known = j.known
	if !j.change.Counts && len(j.change.Items) == 0 {
		return nil
	}
	j.findNames(ctx)
	return j.Store.KeepGuard(ctx, j.change, j.now)
}

// read reads what is known, and answers for those of whom something is; fresh are the others.
func (j *judgement) read(ctx context.Context) (fresh []int, err error) {
	j.now, j.answers, j.change = time.Now().UTC(), make([]verdict, len(j.items)), store.GuardChange{}
	if j.known, err = j.Store.Guard(ctx, j.dir.ID, j.kind, j.group, j.items...); err != nil {
		return nil, err
	}
	guard := j.dir.Settings.Guard
	j.known.Count, j.known.OfGroup = j.known.Count.Within(guard.Span(), j.now), j.known.OfGroup.Within(guard.Span(), j.now)
	for i, item := range j.items {
		if !j.fromBefore(i, item) {
			fresh = append(fresh, i)
		}
	}
	return fresh, nil
}

// people are whom some items are about.
func (j *judgement) people(some []int) []string {
	people := make([]string, len(some))
	for n, i := range some {
		people[n] = j.items[i].Person()
	}
	return people
}

// fromBefore answers for one of whom something is known already, and reports whether that is
// so.
func (j *judgement) fromBefore(i int, item store.HeldItem) bool {
	kept, waited := j.known.Items[item.About()]
	if waited {
		j.answers[i].kept = &kept
	}
	if j.dir.Settings.Guard.Off() {
		return true
	}
	if hold, found := j.known.Holds[kept.Hold]; waited && found && j.fromHold(i, item, &kept, &hold) {
		return true
	}
	account := j.group == ""
	counted := j.known.Count.Has(item.Person(), account) && (account || j.known.OfGroup.Has(item.Person(), false))
	if counted && !j.announces && !j.known.Count.People.Lately(item.Person(), j.now) {
		j.count(i)
	}
	return counted
}

// fromHold answers for one who waits in a hold, or waited there when it was decided, and
// reports whether that is the answer.
func (j *judgement) fromHold(i int, item store.HeldItem, kept *store.HeldItem, hold *store.Hold) bool {
	same := kept.Reason == item.Reason
	switch {
	case hold.Approves(j.now):
	case hold.Status == store.HoldRejected && same:
		j.answers[i].hold = hold
	case hold.Status == store.HoldOpen:
		j.answers[i].hold = hold
		if tried := kept.Announced && !j.announces; tried || !same {
			kept.Reason, kept.Action, kept.Announced = item.Reason, item.Action, kept.Announced && !tried
			j.change.Items = append(j.change.Items, *kept)
		}
	default:
		return false
	}
	return true
}

// decide answers for those of whom nothing is known: they join the hold that is open, or begin
// one, or are counted.
func (j *judgement) decide(ctx context.Context, fresh []int) error {
	if len(fresh) == 0 {
		return nil
	}
	if hold, found := j.known.Holds[j.known.Count.Open]; found && hold.Status == store.HoldOpen {
		j.join(&hold, fresh)
		return nil
	}
	if j.together {
		why, err := j.exceeds(ctx, append(j.people(fresh), j.others...)...)
		switch {
		case err != nil:
			return err
		case why != "":
			return j.begin(ctx, why, fresh)
		case !j.announces:
			j.count(fresh...)
		}
		return nil
	}
	for n, i := range fresh {
		why, err := j.exceeds(ctx, j.items[i].Person())
		switch {
		case err != nil:
			return err
		case why != "":
			return j.begin(ctx, why, fresh[n:])
		}
		j.count(i)
	}
	return nil
}

// count counts some as people who lose access now.
func (j *judgement) count(some ...int) {
	for _, i := range some {
		person := j.items[i].Person()
		j.known.Count = j.known.Count.With(j.now, person, j.group == "")
		if j.group != "" {
			j.known.OfGroup = j.known.OfGroup.With(j.now, person, false)
		}
	}
	j.change.Counts = true
}

// begin begins a hold, which some join.
func (j *judgement) begin(ctx context.Context, why string, some []int) error {
	limit, err := j.limit(ctx)
	if err != nil {
		return err
	}
	id := uuid.Must(uuid.NewV7()).String()
	if j.Plans {
		id = plannedHold + id
	}
	hold := store.Hold{ID: id, Directory: j.dir.ID, Kind: j.kind, Status: store.HoldOpen, Since: j.now, Message: why, Cause: j.items[some[0]].Cause, Limit: limit}
	j.known.Count.Open, j.change.Counts = hold.ID, true
	j.join(&hold, some)
	return nil
}

// join has some wait in a hold.
func (j *judgement) join(hold *store.Hold, some []int) {
	for _, i := range some {
		item := j.items[i]
		item.Hold, item.Directory, item.Kind, item.Since, item.Announced = hold.ID, j.dir.ID, j.kind, j.now, j.announces
		item.Version = j.known.Items[item.About()].Version
		j.change.Items = append(j.change.Items, item)
		j.answers[i] = verdict{hold: hold, kept: &item}
		hold.Add(item)
	}
	hold.Join(len(some), j.coming+j.expected, j.now)
	if j.announces { // if no task comes to one of them, the sweep sends one
		hold.Passes = max(hold.Passes, 1)
	}
	j.change.Hold = hold
}

// findNames finds the names of those who join a hold and have none, or whose task comes to what
// was announced: whoever decides is to see who waits.
func (j *judgement) findNames(ctx context.Context) {
	var nameless []directory.EntraID
	for _, item := range j.change.Items {
		if item.Name == "" && item.Account != "" {
			nameless = append(nameless, item.Account)
		}
	}
	if len(nameless) == 0 || j.names == nil {
		return
	}
	names := j.names(ctx, nameless)
	for i := range j.change.Items {
		if item := &j.change.Items[i]; item.Name == "" {
			item.Name = names[item.Account]
		}
	}
}

// exceeds says why it would be too much if some more people lost access; "" if it would not.
func (j *judgement) exceeds(ctx context.Context, people ...string) (string, error) {
	guard, next := j.dir.Settings.Guard, j.known.Count.People.Next(people...)+j.expected
	if guard.ExceedsCount(next) {
		return fmt.Sprintf("%s within %s, and the guard of this directory lets %d (maxCount)", j.wouldLose(next), guard.Window, *guard.MaxCount), nil
	}
	if j.group != "" {
		inGroup := j.known.OfGroup.People.Next(people...)
		if inGroup <= guard.Minimum {
			return "", nil
		}
		all, err := j.members(ctx)
		if err != nil {
			return "", err
		}
		all += len(j.known.OfGroup.People) // who was taken out already
		if guard.ExceedsShare(inGroup, all) {
			return fmt.Sprintf("%d of %d members would be taken out of the group %s within %s, and the guard of this directory lets %d %% (maxPercent)", inGroup, all, j.group, guard.Window, guard.MaxPercent), nil
		}
		return "", nil
	}
	next = j.known.Count.Users(people...) + j.expected
	if next <= guard.Minimum || j.byNumber {
		return "", nil
	}
	linked, err := j.linked(ctx, next, people)
	if err != nil || !guard.ExceedsShare(next, linked) {
		return "", err
	}
	return fmt.Sprintf("%s of %d linked users within %s, and the guard of this directory lets %d %% (maxPercent)", j.wouldLose(next), linked, guard.Window, guard.MaxPercent), nil
}

// wouldLose says how many people would lose access.
func (j *judgement) wouldLose(people int) string {
	what := "would lose access"
	if j.kind == plan.Suspensions {
		what = "would be suspended"
	}
	who := fmt.Sprintf("%d people", people)
	if people == 1 {
		who = "1 person"
	}
	if j.expected > 0 || j.more {
		who = "at least " + who
	}
	return who + " " + what
}

// linked counts the linked users of the directory: all, or as many as are enough so that so
// many people are no more than the share. Those who are asked about are among them, also if
// their accounts are only about to be linked.
func (j *judgement) linked(ctx context.Context, next int, people []string) (int, error) {
	enough := j.dir.Settings.Guard.Enough(next)
	if count := j.known.Count; enough > 0 && count.Linked >= enough && j.now.Sub(count.LinkedAt) < j.dir.Settings.Guard.Span() {
		return count.Linked, nil
	}
	if enough == 0 { // the number is for the message
		enough = next
	}
	linked, err := j.Store.LinkedUsers(ctx, j.dir.ID, j.known.Count.People.With(j.now, people...), enough)
	j.known.Count.Linked, j.known.Count.LinkedAt = linked, j.now
	return linked, err
}

// report logs and counts what now waits that did not before.
func (j *judgement) report(ctx context.Context) {
	joined := j.change.Hold
	if joined == nil || j.Plans { // nothing waits because of a plan
		return
	}
	waiting := 0
	for _, item := range j.change.Items {
		if item.Since.Equal(j.now) {
			waiting++
		}
	}
	j.Metrics.Count("held", waiting, "kind", string(j.kind))
	zerolog.Ctx(ctx).Warn().Str("directory", string(j.dir.ID)).Str("hold", joined.ID).Str("kind", string(j.kind)).Int("joined", waiting).Int("count", joined.Count).
		Str("cause", joined.Cause.Type).Msg("more waits in a hold")
	if joined.ToAnnounce {
		if _, err := announceHold(ctx, j.Store, j.Metrics, *joined); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("hold", joined.ID).Msg("the hold is announced once more")
		}
	}
}

// mayBeHeld reports whether something of an object may wait in a hold, or did until it was
// decided: the link says so, or the task is for that. An earlier attempt may have died before
// it noted that in the link; its message comes again.
func (w *work) mayBeHeld(s *directory.Standing, asked bool) bool {
	return s.Hold != "" || asked || w.number > 1
}

// holdLink notes in a link that its object waits in a hold.
func holdLink(s *directory.Standing, v verdict) {
	s.Status, s.Hold, s.HeldFor, s.NextTryAt = directory.Held, v.hold.ID, v.kept.Reason, time.Time{}
	if v.rejected() {
		s.Reason = directory.HoldRejected
		s.Message = fmt.Sprintf("%s rejected the hold %s (%s), so nothing is done until JumpCloud has another reason: %s", v.hold.By, v.hold.ID, v.hold.Note, directory.Remedy(s.Reason))
		return
	}
	s.Reason = v.hold.Kind.Reason()
	s.Message = fmt.Sprintf("%s: this waits in the hold %s until somebody approves or rejects it (POST /v1/directories/%s/holds/%s/approve or /reject)", v.hold.Message, v.hold.ID, v.hold.Directory, v.hold.ID)
}

// planHeld notes for a plan that an action would wait, as the guard says.
func (e *linkEngine[T]) planHeld(o T, action plan.Action, v verdict) {
	if !e.Plans {
		return
	}
	o.engaged().prepare(&action, o.name())
	var link directory.Standing
	holdLink(&link, v)
	action.Status, action.CompletedAt = plan.Held, action.At
	action.EntraID, action.Reason = o.standing().EntraID, v.kept.Reason
	action.Hold = &plan.Hold{ID: v.hold.ID, Reason: link.Reason, Message: link.Message}
	if strings.HasPrefix(v.hold.ID, plannedHold) {
		action.Hold.ID, action.Hold.Message = "", v.hold.Message+": this would wait in a hold until somebody approves or rejects it"
	}
	e.completed = append(e.completed, action)
}

// dropHeld drops what waits of an object, as far as it is known, because nobody asks for it any
// more or because it is done.
func (p Parts) dropHeld(ctx context.Context, items []store.HeldItem) error {
	return fault.Wrap(p.Store.DropHeld(ctx, items...), fault.Transient, "reconcile.drop held")
}
