package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Plan is a job that lists what a resync, or a change, would do (package planning).
const Plan JobKind = "plan"

// A plan keeps, besides its job: what it planned as lines, which are its result; the tasks
// that are left; the records that it has written, for nobody else (package overlay); and a
// journal. All that one step of it writes goes into the journal first, then the job says how
// long the journal is, and only then it is written. So a step is done once, wherever a
// process dies. Steps take turns with two journals: one that fails has perhaps begun to
// replace its own, and the one before may have to be written again.

// planWorkRetention is how long a plan keeps what only its work needs.
const planWorkRetention = 7 * 24 * time.Hour

// The parts of a plan.
const (
	planLinesPart   = "plan"
	planTasksPart   = "tasks"
	planRecordsPart = "records"
	planJournalPart = "journal"
)

// planPK is the partition key of a part of a plan.
func planPK(job, part string) string { return join(jobPart, job, part) }

// PlanRecords is the prefix of the partition keys of the records that a plan has written, and
// until when they are kept.
func PlanRecords(j Job) (prefix string, expires int64) {
	return planPK(j.ID, planRecordsPart) + "#", j.CreatedAt.Add(planWorkRetention).Unix()
}

// PlanTask is a task that is left of a plan, as text.
type PlanTask struct {
	Tier int    // those of lower tiers come first
	Name string // of its object; within a tier they are in the order of their names
	Text []byte
}

// planTaskKey is the key of a task.
func planTaskKey(job string, tier int, name string) Key {
	return Key{PK: planPK(job, planTasksPart), SK: join(fmt.Sprintf("%03d", tier), name)}
}

// PlanStep is what one step of a plan writes.
type PlanStep struct {
	Lines    []plan.Action
	Begun    []PlanTask // that were left before and are done now
	Left     []PlanTask // new ones, which replace those of the same name in the tier
	Recorded []Write    // what the overlay keeps
}

// writes are the writes of a step.
func (s PlanStep) writes(j Job) ([]Write, error) {
	done := map[Key]bool{}
	var writes []Write
	for _, t := range s.Left {
		key := planTaskKey(j.ID, t.Tier, t.Name)
		done[key] = true
		writes = append(writes, Write{If: Any, Item: Item{Key: key, Value: t.Text, Expires: j.CreatedAt.Add(planWorkRetention).Unix()}})
	}
	for _, t := range s.Begun {
		if key := planTaskKey(j.ID, t.Tier, t.Name); !done[key] {
			writes = append(writes, Write{If: Any, Delete: true, Item: Item{Key: key}})
		}
	}
	for _, a := range s.Lines {
		item, err := encode(Key{PK: planPK(j.ID, planLinesPart), SK: a.ID}, a)
		if err != nil {
			return nil, err
		}
		item.Expires = j.CreatedAt.Add(jobRetention).Unix()
		writes = append(writes, Write{If: Any, Item: item})
	}
	return append(writes, s.Recorded...), nil
}

// journalPart is how many bytes of writes one part of a journal has about: as JSON they become
// a third longer.
const journalPart = 200 << 10

// journalKey is the key of a part of the journal of a step.
func journalKey(job string, step, part int) Key {
	return Key{PK: planPK(job, planJournalPart), SK: fmt.Sprintf("%d#%06d", step%2, part)}
}

// PutPlanStep stores the nth step in its journal and returns how many parts it has. The job is
// to say so before [Store.ApplyPlanStep] is called.
func (s *Store) PutPlanStep(ctx context.Context, j Job, n int, step PlanStep) (parts int, err error) {
	writes, err := step.writes(j)
	if err != nil {
		return 0, err
	}
	for len(writes) > 0 {
		fit, size := 0, 0
		for fit < len(writes) && (fit == 0 || size+writes[fit].Item.Size() <= journalPart) {
			size += writes[fit].Item.Size()
			fit++
		}
		part := make([]journalWrite, fit)
		for i, w := range writes[:fit] {
			part[i] = journalWrite{PK: w.Item.PK, SK: w.Item.SK, Value: w.Item.Value, IndexPK: w.Item.IndexPK, IndexSK: w.Item.IndexSK, Expires: w.Item.Expires, Delete: w.Delete}
		}
		item, err := encode(journalKey(j.ID, n, parts), part)
		if err != nil {
			return 0, err
		}
		item.Expires = j.CreatedAt.Add(planWorkRetention).Unix()
		if _, err := s.table.Put(ctx, item, Any); err != nil {
			return 0, err
		}
		parts, writes = parts+1, writes[fit:]
	}
	return parts, nil
}

// ApplyPlanStep writes what is in the journal of the nth step. It may be repeated until the
// next step is applied.
func (s *Store) ApplyPlanStep(ctx context.Context, job string, n, parts int) error {
	for each := range parts {
		part, _, err := get[[]journalWrite](ctx, s, journalKey(job, n, each))
		if err != nil {
			return err
		}
		writes := make([]Write, len(part))
		for i, w := range part {
			writes[i] = w.write()
		}
		if err := s.transactInParts(ctx, writes); err != nil {
			return err
		}
	}
	return nil
}

// transactInParts does writes that need not be done together, as many at once as the table
// takes.
func (s *Store) transactInParts(ctx context.Context, writes []Write) error {
	for len(writes) > 0 {
		n, size := 0, 0
		for n < len(writes) && n < MaxTransactItems && (n == 0 || size+writes[n].Item.Size() <= MaxTransactBytes) {
			size += writes[n].Item.Size()
			n++
		}
		if err := s.table.Transact(ctx, writes[:n]); err != nil {
			return err
		}
		writes = writes[n:]
	}
	return nil
}

// PlanTasks are the next tasks that are left of a plan: up to limit, of one tier.
func (s *Store) PlanTasks(ctx context.Context, job string, limit int) ([]PlanTask, error) {
	page, err := s.table.Query(ctx, Query{PK: planPK(job, planTasksPart), Limit: limit})
	if err != nil {
		return nil, err
	}
	for _, key := range page.Damaged {
		return nil, DamagedRecord("store.plan tasks", key, nil)
	}
	var tasks []PlanTask
	for _, item := range page.Items {
		t, err := planTaskOf(item)
		if err != nil {
			return nil, err
		}
		if len(tasks) > 0 && t.Tier != tasks[0].Tier {
			break
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// planTaskOf is the task of an item.
func planTaskOf(item Item) (PlanTask, error) {
	t := PlanTask{Text: item.Value}
	tier, name, _ := strings.Cut(item.SK, "#")
	if _, err := fmt.Sscanf(tier, "%d", &t.Tier); err != nil {
		return t, DamagedRecord("store.plan tasks", item.Key, err)
	}
	t.Name = name
	return t, nil
}

// SamePlanTasks are those of some tasks that a plan has already, with what they ask for.
func (s *Store) SamePlanTasks(ctx context.Context, job string, tasks []PlanTask) ([]PlanTask, error) {
	keys := make([]Key, len(tasks))
	for i, t := range tasks {
		keys[i] = planTaskKey(job, t.Tier, t.Name)
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	same := make([]PlanTask, len(items))
	for i, item := range items {
		if same[i], err = planTaskOf(item); err != nil {
			return nil, err
		}
	}
	return same, nil
}

// PlanLines lists what a plan has, in the order in which it was planned.
func (s *Store) PlanLines(ctx context.Context, job string, limit int, cursor string) (List[plan.Action], error) {
	return list[plan.Action](ctx, s, Query{PK: planPK(job, planLinesPart), Limit: limit, Cursor: cursor})
}

// EachPlanLine calls do with everything that a plan has, in that order. An error of do ends
// the walk.
func (s *Store) EachPlanLine(ctx context.Context, job string, do func(plan.Action) error) error {
	return s.each(ctx, Query{PK: planPK(job, planLinesPart)}, func(item Item) error {
		a, err := decode[plan.Action](item)
		if err != nil {
			return err
		}
		return do(a)
	})
}

// CreatePlan stores a new plan whose first step is in the journal, if it has any; Conflict if a
// job is open in the directory: a plan of another change would say something else.
func (s *Store) CreatePlan(ctx context.Context, j Job) (Job, error) {
	created, err := s.CreateJob(ctx, j)
	if err == nil && created.ID != j.ID {
		return created, &fault.Error{Op: "store.create plan", Kind: fault.Conflict, Subject: string(j.Directory), Message: "another plan is made of the directory: " + OpenJob{Job: created.ID, Kind: Plan}.wayOut()}
	}
	return created, err
}

// CreateChange stores a job that plans changed settings, whose first step is in the journal. One
// that is open already ends: the settings that it planned are not those of the directory any
// more.
func (s *Store) CreateChange(ctx context.Context, j Job) (Job, error) {
	var created Job
	err := Contended(ctx, func() error {
		var err error
		if created, err = s.CreateJob(ctx, j); err != nil || created.ID == j.ID {
			return err
		}
		created.Status, created.EndedAt, created.Held, created.Place = JobFailed, time.Now().UTC(), Held{}, ""
		created.Message = "the settings were changed again meanwhile: the job " + j.ID + " plans them as they are now"
		if _, err := s.EndJob(ctx, created); err != nil && !fault.Is(err, fault.Changed) {
			return err
		}
		return fault.New(fault.Changed, "store.create change", "")
	})
	return created, err
}

// Table is the table of the records: an overlay reads it.
func (s *Store) Table() Table { return s.table }

// journalWrite is a write as a journal has it: without a condition.
type journalWrite struct {
	PK      string `json:"p"`
	SK      string `json:"s"`
	Value   []byte `json:"v,omitempty"`
	IndexPK string `json:"ip,omitempty"`
	IndexSK string `json:"is,omitempty"`
	Expires int64  `json:"e,omitempty"`
	Delete  bool   `json:"d,omitempty"`
}

// write is the write.
func (w journalWrite) write() Write {
	return Write{If: Any, Delete: w.Delete, Item: Item{Key: Key{PK: w.PK, SK: w.SK}, Value: w.Value, IndexPK: w.IndexPK, IndexSK: w.IndexSK, Expires: w.Expires}}
}
