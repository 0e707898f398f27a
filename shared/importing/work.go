package importing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/importing/completemail"
	"entrasync/shared/longwork"
	"entrasync/shared/store"
)

const (
	// recordTime is how long recording may take.
	recordTime = 5 * time.Second
	// longestTrouble is how long an import is tried again while no progress is possible.
	longestTrouble = 24 * time.Hour
	// longestMailing is how long after the end of an import its mail is tried again.
	longestMailing = time.Hour
	// mostKeys is how many keys of mails that were perhaps sent are valid.
	mostKeys = 5
	// troubleWait is the wait after a failure when the outside system named none.
	troubleWait = 20 * time.Second
)

// Worker works on imports.
type Worker struct {
	Parts
	// Delivery writes the files and sends the mail of an import that has ended; nil leaves
	// that to another worker.
	Delivery *Delivery
}

// MostOpen is how many open imports are read together.
const MostOpen = 100

// WorkOnSome works on imports, on a number of them at once. It returns the errors of our own
// records.
func (w Worker) WorkOnSome(ctx context.Context, ids []string, atOnce int) error {
	failed := make([]error, len(ids))
	longwork.Some(len(ids), atOnce, func(i int) {
		if deadline.Allows(ctx, longwork.ShortestStep) {
			_, failed[i] = w.Work(ctx, ids[i])
		}
	})
	return errors.Join(failed...)
}

// Work works on an import until it is done, until somebody else has it, or until the time
// of the invocation is over; done says that nothing is left to do. What is left, the next
// call does.
func (w Worker) Work(ctx context.Context, id string) (done bool, err error) {
	r := run{Worker: w, chunks: map[int]store.ImportChunk{}, accounts: map[directory.EntraID]directory.TenantAccount{}, listed: listed{}, seen: map[directory.EntraID]bool{}}
	if r.job, err = w.Store.Import(ctx, id); fault.Is(err, fault.NotFound) { // its records have expired
		return true, w.Store.CloseImport(ctx, id)
	}
	if err != nil {
		return false, err
	}
	now := time.Now().UTC()
	if r.job.HeldAt(now) {
		return false, nil
	}
	r.job.Holder = uuid.NewString()
	if r.job.Status == store.ImportQueued {
		r.job.Status, r.job.StartedAt = store.ImportRunning, now
	}
	if err := r.save(ctx); err != nil {
		return false, longwork.Overtaken(err)
	}
	defer r.giveBack(ctx)
	_, err = longwork.Loop(ctx, &r)
	return r.job.Delivered, err
}

// Step implements longwork.Work. An import that has ended is left to a worker who delivers
// its results.
func (r *run) Step(ctx context.Context) (wait time.Duration, over bool, err error) {
	wait, err = r.step(ctx)
	return wait, r.job.Delivered || r.job.Status.Ended() && r.Delivery == nil, err
}

// Keep implements longwork.Work.
func (r *run) Keep(ctx context.Context) error { return r.save(ctx) }

// Until implements longwork.Work.
func (r *run) Until() time.Time { return r.job.HeldUntil }

// run is the work of one worker on one import, which it holds.
type run struct {
	Worker
	side
	job store.Import
	// chunks were read ahead, with the accounts of their lines that are to be sent.
	chunks   map[int]store.ImportChunk
	accounts map[directory.EntraID]directory.TenantAccount
	listed   listed
	readAt   time.Time                  // when the oldest of accounts was read
	seen     map[directory.EntraID]bool // the accounts that were put into chunks
	// took is how long the last bulk job took, as far as was seen; 0 before the first.
	took time.Duration
}

// save records the job and extends the lease; Changed if another worker has taken it.
func (r *run) save(ctx context.Context) error {
	recording, cancel := deadline.ForRecords(ctx, recordTime)
	defer cancel()
	r.job.HeldUntil = time.Now().UTC().Add(longwork.LeaseTime)
	after, err := r.Store.PutImport(recording, r.job)
	if err == nil {
		r.job = after
	}
	return err
}

// giveBack ends the lease. If that fails, it expires.
func (r *run) giveBack(ctx context.Context) {
	recording, cancel := deadline.ForAnswer(ctx, recordTime)
	defer cancel()
	r.job.Holder, r.job.HeldUntil = "", time.Time{}
	if _, err := r.Store.PutImport(recording, r.job); err != nil && !fault.Is(err, fault.Changed) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("import", r.job.ID).Msg("the lease of an import could not be given back: it expires")
	}
}

// step does the next thing, and says how long to wait before the one after it. Failures of
// outside systems are recorded in the job; an error is about our own records.
func (r *run) step(ctx context.Context) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, longwork.StepTime)
	defer cancel()
	if r.job.Status.Ended() {
		return r.deliver(ctx)
	}
	wait, err = r.progress(ctx)
	if err == nil || fault.Is(err, fault.Changed) || store.IsDamaged(err) {
		return wait, err
	}
	return r.trouble(ctx, fault.Of(err))
}

// progress collects, sends or ends.
func (r *run) progress(ctx context.Context) (time.Duration, error) {
	if r.entra == nil {
		s, err := r.open(ctx, r.job.Directory)
		if fault.Is(err, fault.NotFound) {
			return 0, r.endAll(ctx, store.ImportFailed, "the directory or the organization of the import is gone")
		}
		if err != nil {
			return 0, err
		}
		r.side = s
	}
	stop, err := r.Store.ImportStop(ctx, r.job.ID)
	switch {
	case err == nil && !r.job.Collected: // all who were chosen get a line
		if err := r.collect(ctx); fault.KindOf(err) == fault.Changed || err == nil {
			return 0, err
		}
		return 0, r.endAll(ctx, store.ImportStopped, "the import was stopped by "+stop.By+" while the accounts were listed: those that were not listed yet have no line")
	case err == nil && !r.sending(ctx):
		return 0, r.endAll(ctx, store.ImportStopped, "the import was stopped by "+stop.By+" before this account was tried: repeat the import for the failed lines")
	case err != nil && !fault.Is(err, fault.NotFound):
		return 0, err
	case !r.job.Collected:
		return 0, r.collect(ctx)
	case r.job.Next < r.job.Chunks:
		return r.chunk(ctx)
	default:
		r.job.Status, r.job.EndedAt, r.job.Message = store.ImportFinished, time.Now().UTC(), r.job.Exhausted
		return 0, r.save(ctx)
	}
}

// sending reports whether JumpCloud may be creating users of the import now: what becomes of
// them is found out before the import is stopped.
func (r *run) sending(ctx context.Context) bool {
	if !r.job.Collected || r.job.Next >= r.job.Chunks {
		return false
	}
	c, err := r.Store.ImportChunk(ctx, r.job.ID, r.job.Next)
	return err != nil || !c.SentAt.IsZero()
}

// going notes that there is progress.
func (r *run) going() { r.job.TroubleSince, r.job.Message = time.Time{}, "" }

// trouble records that an outside system is in the way, and gives the import up if that
// lasts too long.
func (r *run) trouble(ctx context.Context, f *fault.Error) (time.Duration, error) {
	now := time.Now().UTC()
	if r.job.TroubleSince.IsZero() {
		r.job.TroubleSince = now
	}
	said := f.Message
	if said == "" {
		said = fmt.Sprintf("%s failed (%s)", f.Op, f.Kind)
	}
	zerolog.Ctx(ctx).Warn().Err(f).Str("import", r.job.ID).Msg("an import makes no progress")
	if now.Sub(r.job.TroubleSince) > longestTrouble {
		return 0, r.endAll(ctx, store.ImportFailed, "the import was given up after a day without progress: "+said)
	}
	r.job.Message = said
	wait := f.RetryAfter
	if wait == 0 {
		wait = troubleWait
	}
	return wait, r.save(ctx)
}

// endAll ends the import before its end: all lines that wait are failed, with a message. It
// needs our own records only, because an outside system may be why the import ends.
func (r *run) endAll(ctx context.Context, status store.ImportStatus, message string) error {
	for r.job.Next < r.job.Chunks {
		c, err := r.Store.ImportChunk(ctx, r.job.ID, r.job.Next)
		if err != nil {
			return err
		}
		if err := r.close(ctx, c, message); err != nil {
			return err
		}
	}
	r.job.Status, r.job.EndedAt, r.job.Message, r.job.Collected = status, time.Now().UTC(), message, true
	return r.save(ctx)
}

// deliver has the files written and the mail sent, and closes the import. While that is not
// possible, the import says so and is tried again.
func (r *run) deliver(ctx context.Context) (wait time.Duration, err error) {
	if r.Delivery == nil {
		return 0, nil
	}
	if err := r.publish(ctx); err != nil {
		if fault.Is(err, fault.Changed) {
			return 0, err
		}
		r.job.Mail = "waits: " + fault.Of(err).Error()
		return troubleWait, r.save(ctx)
	}
	r.job.Delivered = true
	if err := r.save(ctx); err != nil {
		r.job.Delivered = false
		return 0, err
	}
	return 0, r.Store.CloseImport(ctx, r.job.ID)
}

// publish writes the files and sends the mail.
func (r *run) publish(ctx context.Context) error {
	if err := r.WriteFiles(ctx, r.Delivery.Results, r.job.ID); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("import", r.job.ID).Msg("the results of an import could not be written")
		return err
	}
	r.job.Mail = "not sent: no address was named, and the organization has none"
	if len(r.job.Notify) == 0 {
		return nil
	}
	return r.notify(ctx)
}

// notify sends the mail. The key of its link is recorded before. A mail that cannot be sent
// is noted and does not keep the import from its end.
func (r *run) notify(ctx context.Context) error {
	organization, err := r.Store.Organization(ctx, r.job.Directory.Organization())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	d, err := r.Store.Directory(ctx, r.job.Directory)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	key, kept := newKey(time.Now().UTC())
	r.job.Keys = append(slices.Clone(r.job.Keys[max(0, len(r.job.Keys)-mostKeys+1):]), kept)
	if err := r.save(ctx); err != nil {
		return err
	}
	message := completemail.Complete{
		Job: r.job.ID, Directory: d.Name, Organization: organization.Name, Started: r.job.StartedAt, Finished: r.job.EndedAt,
		Total: r.job.Total, Imported: r.job.Imported, Failed: r.job.Failed, Stopped: r.job.Status == store.ImportStopped,
		Link: resultsURL(r.Delivery.Address, r.job.ID, key), LinkExpires: kept.Until,
	}.Message(r.job.Notify...)
	r.job.Mail = "sent"
	err = r.Delivery.Mail.Send(ctx, message)
	if err != nil && fault.KindOf(err).Decide() == fault.Retry && time.Since(r.job.EndedAt) < longestMailing {
		zerolog.Ctx(ctx).Warn().Err(err).Str("import", r.job.ID).Msg("the mail of an import is sent again later")
		return err
	}
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("import", r.job.ID).Msg("the mail of an import was not sent")
		r.job.Mail = "not sent: " + fault.Of(err).Error()
	}
	return nil
}
