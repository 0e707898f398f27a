package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// jobRetention is how long a job is kept after it was made, and jobFindingRetention how long
// what it found: until its end it is longer than any job takes.
const (
	jobRetention        = 30 * 24 * time.Hour
	jobFindingRetention = 7 * 24 * time.Hour
)

// Held says who works on a record of long work. Nobody else does before HeldUntil.
type Held struct {
	Holder    string    `json:"holder,omitempty"` // a random name, new with every piece of work
	HeldUntil time.Time `json:"heldUntil,omitzero"`
}

// HeldAt reports whether somebody works on the record at a time.
func (h Held) HeldAt(now time.Time) bool { return h.Holder != "" && h.HeldUntil.After(now) }

// JobKind is what a job does.
type JobKind string

// The kinds of jobs.
const (
	// Resync compares everything in a directory with JumpCloud and Entra.
	Resync JobKind = "resync"
	// Deactivation deletes what is known of a directory, or of an organization.
	Deactivation JobKind = "deactivation"
	// Change plans settings that were changed, and then has them applied.
	Change JobKind = "change"
)

// Plans reports whether a job of the kind finds out what would be done.
func (k JobKind) Plans() bool { return k == Plan || k == Change }

// JobStatus is how far a job is.
type JobStatus string

// The statuses of a job. The last two are final.
const (
	JobQueued   JobStatus = "queued"
	JobRunning  JobStatus = "running"
	JobFinished JobStatus = "finished"
	JobFailed   JobStatus = "failed" // it was given up; the message says why
)

// Ended reports whether the status is final.
func (s JobStatus) Ended() bool { return s == JobFinished || s == JobFailed }

// Job is long work on a directory, with its progress.
type Job struct {
	ID        string       `json:"id"` // a UUID of version 7, so that ids sort by time
	Directory directory.ID `json:"directoryId"`
	// Organization is instead of Directory for a job on an organization.
	Organization directory.OrganizationID `json:"organizationId,omitempty"`
	Kind         JobKind                  `json:"kind"`
	Status       JobStatus                `json:"status"`
	By           string                   `json:"by"` // who started it
	CreatedAt    time.Time                `json:"createdAt"`
	StartedAt    time.Time                `json:"startedAt,omitzero"`
	EndedAt      time.Time                `json:"endedAt,omitzero"`
	// Phase is what the job does now, since PhaseAt. Done of Total objects of the phase are
	// done; Total is 0 while it is not known.
	Phase   string    `json:"phase,omitempty"`
	PhaseAt time.Time `json:"phaseAt,omitzero"`
	Done    int       `json:"done"`
	Total   int       `json:"total"`
	// Found are the users and groups that differed and got a task. Of these Repaired were
	// repaired, and Parked need a person. Rechecked are those who were parked before, got a
	// task because that may be over, and are parked still: they are no differences. Reported
	// are the differences that the directory only wants to know.
	Found     int `json:"found"`
	Repaired  int `json:"repaired"`
	Parked    int `json:"parked"`
	Rechecked int `json:"rechecked"`
	Reported  int `json:"reported"`
	// Of says what a plan is of, "" for a resync. Planned counts what it has: actions by type,
	// and those that would fail and the undecided by status.
	Of      string         `json:"of,omitempty"`
	Planned map[string]int `json:"planned,omitempty"`
	// Effects are on whom changed settings have which effects; nil until that is planned.
	// Announced says that those who are to lose access were announced to the guard then.
	Effects   []plan.Affected `json:"effects,omitempty"`
	Announced bool            `json:"announced,omitempty"`
	// Holds are the holds in which they wait, with how many of them.
	Holds map[string]int `json:"holds,omitempty"`
	// Message says why the job waits, or how it ended; "" if there is nothing to say.
	Message string `json:"message,omitempty"`
	// Reason is the typed word for why the job waits, if there is one.
	Reason directory.Reason `json:"reason,omitempty"`
	// TroubleSince is since when no progress was possible; zero while there is some.
	TroubleSince time.Time `json:"troubleSince,omitzero"`
	// Place is where the job goes on, as JSON of its kind.
	Place string `json:"place,omitempty"`
	Held
	Version int64 `json:"-"`
}

// OpenJob names a job that has not ended. A directory has at most one, and beside that one that
// plans changed settings, and one that deactivates it: the others end then.
type OpenJob struct {
	Directory    directory.ID             `json:"directoryId"`
	Organization directory.OrganizationID `json:"organizationId,omitempty"` // instead of Directory
	Job          string                   `json:"jobId"`
	Kind         JobKind                  `json:"kind"`
}

// wayOut is what to do about a job that is in the way of another one.
func (o OpenJob) wayOut() string {
	if o.Kind == Plan {
		return "wait for its end, or stop it: POST /v1/jobs/" + o.Job + "/stop"
	}
	return "wait for its end"
}

// LastJob is how the last job of a kind in a directory ended.
type LastJob struct {
	Directory directory.ID `json:"directoryId"`
	Job       string       `json:"jobId"`
	Kind      JobKind      `json:"kind"`
	Result    JobStatus    `json:"result"`
	StartedAt time.Time    `json:"startedAt"`
	EndedAt   time.Time    `json:"endedAt"`
	Found     int          `json:"found"`
	Repaired  int          `json:"repaired"`
	Message   string       `json:"message,omitempty"`
}

// jobKey is the key of a job.
func jobKey(id string) Key { return Key{PK: join(jobPart, id), SK: jobPart} }

// openJobsPK is the partition key of the jobs that have not ended, and openJobKey the key of
// that of a directory. A deactivation and a change of settings are beside the other.
var openJobsPK = join(jobPart, "open")

func openJobKey(id directory.ID, kind JobKind) Key {
	if kind == Deactivation || kind == Change {
		return Key{PK: openJobsPK, SK: join(string(id), string(kind))}
	}
	return Key{PK: openJobsPK, SK: string(id)}
}

// openKey is the key of the job among those that have not ended.
func (j Job) openKey() Key {
	return OpenJob{Directory: j.Directory, Organization: j.Organization, Kind: j.Kind}.key()
}

// key is the key of an open job.
func (o OpenJob) key() Key {
	if o.Organization != "" {
		return Key{PK: openJobsPK, SK: join(string(o.Organization), string(o.Kind))}
	}
	return openJobKey(o.Directory, o.Kind)
}

// about is the id of what the job is on.
func (j Job) about() string {
	if j.Organization != "" {
		return string(j.Organization)
	}
	return string(j.Directory)
}

// lastJobKey is the key of how the last job of a kind in a directory ended.
func lastJobKey(id directory.ID, kind JobKind) Key {
	return Key{PK: organizationPK(id.Organization()), SK: join(jobPart, string(kind), string(id))}
}

// jobItem is the item of a job, in the index of those of its directory.
func jobItem(j Job) (Item, error) {
	item, err := encode(jobKey(j.ID), j)
	item.IndexPK, item.IndexSK = join(jobPart, j.about()), j.ID
	item.Expires = j.CreatedAt.Add(jobRetention).Unix()
	if j.Kind == Deactivation && !j.Status.Ended() {
		item.Expires = 0 // half of a directory would be left
	}
	return item, err
}

// CreateJob stores a new job, or returns the one that is open in the directory already: two
// at once are one. A job of another kind that is open is a fault of kind Conflict.
func (s *Store) CreateJob(ctx context.Context, j Job) (Job, error) {
	begins, err := beginJob(j)
	if err != nil {
		return j, err
	}
	err = Contended(ctx, func() error {
		lost := s.table.Transact(ctx, begins)
		if !fault.Is(lost, fault.Changed) {
			return lost
		}
		other, err := s.OpenJobOf(ctx, j.Directory, j.Kind)
		switch {
		case fault.Is(err, fault.NotFound): // it has just ended
			return lost
		case err != nil:
			return err
		case other.Kind != j.Kind:
			return &fault.Error{Op: "store.create job", Kind: fault.Conflict, Subject: string(j.Directory), Message: "a job of another kind (" + string(other.Kind) + ") is at work in the directory: " + other.wayOut()}
		}
		j, err = s.Job(ctx, other.Job)
		return err
	})
	if err == nil && j.Version == 0 {
		j.Version = 1
	}
	return j, err
}

// beginJob are the writes that store a new job as the open one of its directory.
func beginJob(j Job) ([]Write, error) {
	item, err := jobItem(j)
	if err != nil {
		return nil, err
	}
	open, err := encode(j.openKey(), OpenJob{Directory: j.Directory, Organization: j.Organization, Job: j.ID, Kind: j.Kind})
	return []Write{{Item: item, If: Absent}, {Item: open, If: Absent}}, err
}

// Job reads a job; NotFound if there is none, or none any more.
func (s *Store) Job(ctx context.Context, id string) (Job, error) {
	j, version, err := get[Job](ctx, s, jobKey(id))
	j.Version = version
	return j, missing(err, "job", id)
}

// PutJob writes a job if nobody changed it since it was read; Changed otherwise. It returns
// the job with its new version.
func (s *Store) PutJob(ctx context.Context, j Job) (Job, error) {
	item, err := jobItem(j)
	if err != nil {
		return j, err
	}
	version, err := s.table.Put(ctx, item, IfVersion(j.Version))
	if err == nil {
		j.Version = version
	}
	return j, err
}

// EndJob writes a job that has ended, and how it ended as the last one of its kind in the
// directory; Changed if somebody changed it since it was read.
func (s *Store) EndJob(ctx context.Context, j Job) (Job, error) {
	item, err := jobItem(j)
	if err != nil {
		return j, err
	}
	last, err := encode(lastJobKey(j.Directory, j.Kind), LastJob{Directory: j.Directory, Job: j.ID, Kind: j.Kind, Result: j.Status,
		StartedAt: j.StartedAt, EndedAt: j.EndedAt, Found: j.Found, Repaired: j.Repaired, Message: j.Message})
	if err != nil {
		return j, err
	}
	err = s.table.Transact(ctx, []Write{{Item: item, If: IfVersion(j.Version)}, {Item: last, If: Any}, {Item: Item{Key: openJobKey(j.Directory, j.Kind)}, If: Any, Delete: true}})
	if err == nil {
		j.Version++
	}
	return j, err
}

// OpenJobs are up to limit jobs that have not ended.
func (s *Store) OpenJobs(ctx context.Context, limit int) ([]OpenJob, error) {
	open, err := list[OpenJob](ctx, s, Query{PK: openJobsPK, Limit: limit})
	return open.Items, err
}

// OpenJobOf is the job that has not ended in a directory, or the one that deactivates it or plans
// its settings if that is the kind; NotFound if there is none.
func (s *Store) OpenJobOf(ctx context.Context, id directory.ID, kind JobKind) (OpenJob, error) {
	open, _, err := get[OpenJob](ctx, s, openJobKey(id, kind))
	return open, err
}

// ForgetOpenJob says that an open job has no record any more.
func (s *Store) ForgetOpenJob(ctx context.Context, open OpenJob) error {
	return s.table.Delete(ctx, open.key(), Any)
}

// Jobs lists the jobs of a directory, the newest ones first.
func (s *Store) Jobs(ctx context.Context, id directory.ID, limit int, cursor string) (List[Job], error) {
	return list[Job](ctx, s, Query{PK: join(jobPart, string(id)), Index: true, Backward: true, Limit: limit, Cursor: cursor})
}

// LastJobs reads how the last jobs of a kind ended in some directories; those that never had
// one are left out.
func (s *Store) LastJobs(ctx context.Context, kind JobKind, ids ...directory.ID) (map[directory.ID]LastJob, error) {
	keys := make([]Key, len(ids))
	for i, id := range ids {
		keys[i] = lastJobKey(id, kind)
	}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	found := map[directory.ID]LastJob{}
	for _, item := range items {
		last, err := decode[LastJob](item)
		if err != nil {
			return nil, err
		}
		found[last.Directory] = last
	}
	return found, nil
}

// Finding is a user or group for which a job sent a task.
type Finding struct {
	User  directory.UserID  `json:"userId,omitempty"`
	Group directory.GroupID `json:"groupId,omitempty"`
	// Link is the version of the link, and At the time, before the task was sent: whoever
	// works on it writes a later one.
	Link int64     `json:"link,omitempty"`
	At   time.Time `json:"at"`
	// Place says where in the job it was found first.
	Place string `json:"place"`
	// Parked says why the link was parked then; "" if it was not.
	Parked directory.Reason `json:"parked,omitempty"`
	// Reported says that the directory only wants to know what was found.
	Reported bool `json:"reported,omitempty"`
	// Takes is why the user is to lose access, whose task is sent only once the comparison has
	// ended; "" if the user is not.
	Takes directory.Reason `json:"takes,omitempty"`
	// LetIn says that somebody else enabled the account; the same goes for the task.
	LetIn bool `json:"letIn,omitempty"`
	// Strangers are accounts that somebody else made members of the group and that are to be taken
	// out, as many as are enough for any guard; the same goes for the task.
	Strangers []directory.EntraID `json:"strangers,omitempty"`
}

// Differs reports whether the user or the group differed, to be repaired. One that was parked
// is only checked again.
func (f Finding) Differs() bool { return f.Parked == "" && !f.Reported }

// After is a finding about the same user or group with what was found earlier in the job. It
// stays where it was found first. What differs anywhere differs.
func (f Finding) After(earlier Finding) Finding {
	differs := f.Differs() || earlier.Differs()
	f.Place = earlier.Place
	f.Reported = (f.Reported || earlier.Reported) && !differs
	if earlier.Parked == "" || differs {
		f.Parked = ""
	}
	if f.Takes == "" {
		f.Takes = earlier.Takes
	}
	f.LetIn = f.LetIn || earlier.LetIn
	f.Strangers = slices.Concat(earlier.Strangers, f.Strangers)
	slices.Sort(f.Strangers)
	f.Strangers = slices.Compact(f.Strangers)
	f.Strangers = f.Strangers[:min(len(f.Strangers), directory.MostGuarded)]
	return f
}

// findingsPK is the partition key of what a job found.
func findingsPK(job string) string { return join(jobPart, job, "found") }

// key is the key of a finding of a job.
func (f Finding) key(job string) Key {
	if f.Group != "" {
		return Key{PK: findingsPK(job), SK: join(groupPart, string(f.Group))}
	}
	return Key{PK: findingsPK(job), SK: join(userPart, string(f.User))}
}

// Findings reads those of some findings that a job has stored already; only the user or the
// group of each is needed.
func (s *Store) Findings(ctx context.Context, job string, about ...Finding) ([]Finding, error) {
	keys := make([]Key, len(about))
	for i, f := range about {
		keys[i] = f.key(job)
	}
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.SK, b.SK) })
	items, err := s.batchGet(ctx, slices.Compact(keys))
	if err != nil {
		return nil, err
	}
	found := make([]Finding, len(items))
	for i, item := range items {
		if found[i], err = decode[Finding](item); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// AddFindings stores what a job found, each user and group once.
func (s *Store) AddFindings(ctx context.Context, job string, findings ...Finding) error {
	writes := make([]Write, len(findings))
	for i, f := range findings {
		item, err := encode(f.key(job), f)
		if err != nil {
			return err
		}
		item.Expires = f.At.Add(jobFindingRetention).Unix()
		writes[i] = Write{Item: item, If: Any}
	}
	return s.transactAll(ctx, writes)
}

// ListFindings lists what a job found.
func (s *Store) ListFindings(ctx context.Context, job string, limit int, cursor string) (List[Finding], error) {
	return list[Finding](ctx, s, Query{PK: findingsPK(job), Limit: limit, Cursor: cursor})
}
