package importing

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/mail"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

const (
	// MostChosen is how many accounts can be named one by one. Of a larger tenant all can be
	// chosen.
	MostChosen = 10_000
	// longestName is the length of the longest text that names an account. A UPN has at most
	// 113 characters and an id has 36.
	longestName = 200
)

// Choice says what to import: the accounts with some ids or UPNs, or all of a list.
type Choice struct {
	Directory directory.ID
	IDs       []directory.EntraID
	UPNs      []directory.UPN
	store.ImportChoice
	Connect bool
	By      string   // who chose
	Notify  []string // the e-mail addresses that hear of the end
}

// Start makes an import of a choice. Each account is imported once, however often it is
// chosen. Call [Parts.Announce] then; without it the work begins with the next run of the
// schedule.
func (p Parts) Start(ctx context.Context, c Choice) (store.Import, error) {
	lines := c.lines()
	if err := c.check(lines); err != nil {
		return store.Import{}, err
	}
	d, err := p.Store.Directory(ctx, c.Directory)
	if err != nil {
		return store.Import{}, err
	}
	if err := unread(d); err != nil {
		return store.Import{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return store.Import{}, fault.Wrap(err, fault.Internal, "importing.start")
	}
	job := store.Import{ID: id.String(), Directory: c.Directory, By: c.By, Notify: c.Notify, Connect: c.Connect, Choice: c.ImportChoice,
		Status: store.ImportQueued, CreatedAt: time.Now().UTC(), Total: len(lines), Collected: !c.All && c.FailedOf == ""}
	if job.Chunks, err = p.putChunks(ctx, job, 0, lines); err != nil {
		return store.Import{}, err
	}
	return job, p.Store.CreateImport(ctx, job)
}

// check refuses lines that are too many, and those that cannot name an account.
func (c Choice) check(lines []store.ImportLine) error {
	refuse := func(message string) error {
		subject := "userIds"
		if len(c.UPNs) > 0 {
			subject = "csv"
		}
		return &fault.Error{Op: "importing.start", Kind: fault.Invalid, Subject: subject, Message: message}
	}
	if len(lines) > MostChosen {
		return refuse(fmt.Sprintf("%d accounts are chosen and %d is the most: choose all with a search, or import in parts", len(lines), MostChosen))
	}
	for _, line := range lines {
		if name := string(line.ID) + string(line.UPN); name == "" || len(name) > longestName {
			return refuse(fmt.Sprintf("%.40q names no account: an id has 36 characters and a sign-in name at most 113", name))
		}
	}
	return nil
}

// Addresses are the e-mail addresses that hear of the end of an import: those that were
// named or, without any, that of the caller or else those of the organization. The fault
// about one that is not an address has its place as the subject.
func (p Parts) Addresses(ctx context.Context, id directory.ID, named []string, caller string) ([]string, error) {
	for i, text := range named {
		if _, err := mail.ParseAddress(text); err != nil {
			return nil, &fault.Error{Op: "importing.addresses", Kind: fault.Invalid, Subject: fmt.Sprintf("notify[%d]", i), Message: fault.Of(err).Message, Err: err}
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	if _, err := mail.ParseAddress(caller); err == nil {
		return []string{caller}, nil
	}
	o, err := p.Store.Organization(ctx, id.Organization())
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return o.Notify, err
}

// lines are the lines of the accounts that are named, each once, in their order.
func (c Choice) lines() []store.ImportLine {
	var lines []store.ImportLine
	seen := map[string]bool{}
	add := func(key string, line store.ImportLine) {
		if line.Status = store.LineWaiting; !seen[key] {
			seen[key] = true
			lines = append(lines, line)
		}
	}
	for _, id := range c.IDs {
		add(strings.ToLower(string(id)), store.ImportLine{ID: directory.EntraID(strings.ToLower(string(id)))})
	}
	for _, upn := range c.UPNs {
		add(strings.ToLower(string(upn)), store.ImportLine{UPN: upn})
	}
	return lines
}

// putChunks stores lines in chunks that begin with a number, and returns the number after
// the last one.
func (p Parts) putChunks(ctx context.Context, job store.Import, from int, lines []store.ImportLine) (next int, err error) {
	for chunk := range slices.Chunk(lines, store.ImportChunkSize) {
		if _, err := p.Store.PutImportChunk(ctx, store.ImportChunk{Import: job.ID, Number: from, Lines: chunk}, job.CreatedAt); err != nil {
			return from, err
		}
		from++
	}
	return from, nil
}

// Job is the message that says that there is work on an import.
type Job struct {
	Import string `json:"importId"`
}

// ReadJob reads a message.
func ReadJob(body []byte) (Job, error) {
	var j Job
	if err := json.Unmarshal(body, &j); err != nil || j.Import == "" {
		return j, &fault.Error{Op: "importing.read job", Kind: fault.Invalid, Message: "the message names no import", Err: err}
	}
	return j, nil
}

// Announce says that there is work on an import. If the queue does not take the message,
// the schedule finds the import.
func (p Parts) Announce(ctx context.Context, id string) {
	body, err := json.Marshal(Job{id})
	if err == nil {
		err = p.Jobs.Send(ctx, queue.Message{GroupID: id, DedupID: uuid.NewString(), Body: body})
	}
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("import", id).Msg("an import waits for the schedule")
	}
}

// Repeat makes an import of the accounts whose lines in an import are failed.
func (p Parts) Repeat(ctx context.Context, id, by string) (store.Import, error) {
	before, err := p.Store.Import(ctx, id)
	switch {
	case err != nil:
		return store.Import{}, err
	case !before.Status.Ended():
		return store.Import{}, &fault.Error{Op: "importing.repeat", Kind: fault.Conflict, Subject: id, Message: "the import has not ended yet: wait for its end, or stop it"}
	case before.Failed == 0:
		return store.Import{}, &fault.Error{Op: "importing.repeat", Kind: fault.Conflict, Subject: id, Message: "no line of the import is failed: there is nothing to repeat"}
	}
	return p.Start(ctx, Choice{Directory: before.Directory, ImportChoice: store.ImportChoice{FailedOf: id}, Connect: before.Connect, By: by, Notify: before.Notify})
}
