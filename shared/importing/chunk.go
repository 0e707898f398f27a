package importing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// uncertainTime is how long after sending a batch, of which nobody knows whether it
// arrived, its users are looked up: by then JumpCloud has created them (assumed).
const uncertainTime = 2 * time.Minute

// chunk does the next thing with the first chunk that is not done.
func (r *run) chunk(ctx context.Context) (time.Duration, error) {
	c, err := r.load(ctx, r.job.Next)
	switch {
	case err != nil:
		return 0, err
	case c.Done:
		return 0, r.advance(ctx, c)
	case c.SentAt.IsZero() && r.job.Exhausted != "":
		return 0, r.close(ctx, c, r.job.Exhausted)
	case c.SentAt.IsZero():
		return 0, r.send(ctx, c)
	case c.Job == "":
		return r.recover(ctx, c)
	default:
		return r.poll(ctx, c)
	}
}

// put records a chunk.
func (r *run) put(ctx context.Context, c store.ImportChunk) (store.ImportChunk, error) {
	after, err := r.Store.PutImportChunk(ctx, c, r.job.CreatedAt)
	if err == nil {
		r.chunks[c.Number] = after
	} else {
		delete(r.chunks, c.Number) // it may have been written, or somebody else changed it
	}
	return after, err
}

// advance goes on to the next chunk.
func (r *run) advance(ctx context.Context, c store.ImportChunk) error {
	for _, line := range c.Lines {
		if line.Status == store.LineImported {
			r.job.Imported++
		} else {
			r.job.Failed++
		}
	}
	r.job.Next = c.Number + 1
	r.going()
	return r.save(ctx)
}

// close ends a chunk: its lines that are not final are failed, with a message.
func (r *run) close(ctx context.Context, c store.ImportChunk, message string) error {
	c.Lines = slices.Clone(c.Lines) // those of the chunk that was read stay as they are
	for i := range c.Lines {
		line := &c.Lines[i]
		if line.Final() {
			continue
		}
		if a, read := r.accounts[line.ID]; read {
			line.Fill(a.UPN, r.directory.Settings.Imported(a))
		}
		if line.Status == store.LineSent {
			line.Fail(message + ". JumpCloud may have created the user: repeat the failed lines")
		} else {
			line.Fail(message)
		}
	}
	c.Done = true
	if err := r.finish(ctx, c); err != nil {
		return err
	}
	return r.advance(ctx, c)
}

// send decides about the lines that wait, and sends those that can be imported, as many as
// a batch may have. It records them first.
func (r *run) send(ctx context.Context, c store.ImportChunk) error {
	users, err := r.prepare(ctx, &c)
	if err != nil {
		return err
	}
	if len(users) == 0 {
		c.Done = true
		return r.finish(ctx, c)
	}
	c.SentAt = time.Now().UTC()
	if c, err = r.put(ctx, c); err != nil {
		return err
	}
	job, err := r.jumpcloud.SubmitUsers(ctx, users)
	if err != nil {
		return r.refused(ctx, c, err)
	}
	c.Job = job
	_, err = r.put(ctx, c)
	return err
}

// prepare fails the lines of a chunk that cannot be imported, and returns the users of the
// batch that is to be sent next, whose lines become LineSent.
func (r *run) prepare(ctx context.Context, c *store.ImportChunk) ([]directory.User, error) {
	var accounts []directory.TenantAccount
	for _, line := range c.Lines {
		if a, found := r.accounts[line.ID]; found && line.Status == store.LineWaiting {
			accounts = append(accounts, a)
		}
	}
	known, err := r.findPeople(ctx, r.side, accounts)
	if err != nil {
		return nil, err
	}
	taken := names{}
	for _, line := range c.Lines {
		if line.Status == store.LineImported {
			taken.add(line)
		}
	}
	var users []directory.User
	for i := range c.Lines {
		line := &c.Lines[i]
		if line.Status != store.LineWaiting || c.Batch > 0 && len(users) == c.Batch {
			continue
		}
		a, found := r.accounts[line.ID]
		if !found {
			line.Fail(r.unknown(*line))
			continue
		}
		user := r.directory.Settings.Imported(a)
		line.Fill(a.UPN, user)
		if there, is := known.byEmail[line.Email]; line.Sent && is && ours(there, *line) {
			line.Imported(there.ID, "")
			taken.add(*line)
			continue
		}
		candidate := known.judge(a)
		if candidate.Status == New {
			candidate.Message = taken.clash(*line)
		}
		if candidate.Status != New || candidate.Message != "" {
			line.Fail(candidate.Message)
			continue
		}
		taken.add(*line)
		line.Status, line.Resent, line.Sent = store.LineSent, line.Sent, true
		users = append(users, user)
	}
	return users, nil
}

// unknown is the message of an account that the tenant does not show.
func (r *run) unknown(line store.ImportLine) string {
	name := string(line.UPN)
	if name == "" {
		name = "of the id " + string(line.ID)
	}
	return fmt.Sprintf("The tenant of %s has no account %s: it may have been deleted or renamed since it was chosen", r.directory.Name, name)
}

// names are the usernames and addresses of the lines of a chunk, with the UPNs that have
// them.
type names map[string]directory.UPN

// add adds those of a line.
func (n names) add(line store.ImportLine) {
	n["username "+strings.ToLower(line.Username)], n["address "+line.Email] = line.UPN, line.UPN
}

// clash says which other line of the chunk has the username or the address of a line; "" if
// none has.
func (n names) clash(line store.ImportLine) string {
	if other, taken := n["username "+strings.ToLower(line.Username)]; taken {
		return fmt.Sprintf("The account %s has the username %s too, and was chosen first: change the alias of one of the two in Microsoft 365 and import again", other, line.Username)
	}
	if other, taken := n["address "+line.Email]; taken {
		return fmt.Sprintf("The account %s has the e-mail address %s too, and was chosen first: JumpCloud takes an address once", other, line.Email)
	}
	return ""
}

// refused handles a batch that JumpCloud did not take.
func (r *run) refused(ctx context.Context, c store.ImportChunk, problem error) error {
	f := fault.Of(problem)
	sent := 0
	for _, line := range c.Lines {
		if line.Status == store.LineSent {
			sent++
		}
	}
	switch {
	case f.Reason == directory.LicenseLimit:
		r.job.Exhausted = f.Message
		return r.unsent(ctx, c)
	case f.Kind == fault.Invalid && sent > 1: // perhaps because of one of them
		c.Batch = sent / 2
		return r.unsent(ctx, c)
	case f.Kind == fault.Invalid:
		for i := range c.Lines {
			if line := &c.Lines[i]; line.Status == store.LineSent {
				line.Fail("JumpCloud refused the user: " + f.Message)
				line.Sent = line.Resent
			}
		}
		return r.finish(ctx, c)
	case f.Kind == fault.Throttled, f.Kind == fault.Unauthorized, f.Kind == fault.Forbidden: // certainly not done
		if err := r.unsent(ctx, c); err != nil {
			return err
		}
	}
	return problem
}

// unsent has the lines of a batch wait again that JumpCloud certainly does not have.
func (r *run) unsent(ctx context.Context, c store.ImportChunk) error {
	for i := range c.Lines {
		if line := &c.Lines[i]; line.Status == store.LineSent {
			line.Status, line.Sent = store.LineWaiting, line.Resent
		}
	}
	c.SentAt = time.Time{}
	_, err := r.put(ctx, c)
	return err
}

// recover finds out what became of a batch of which nobody knows whether JumpCloud got it:
// whom JumpCloud has is imported, and the others wait again. When the batch was prepared,
// JumpCloud had none of them.
func (r *run) recover(ctx context.Context, c store.ImportChunk) (time.Duration, error) {
	if wait := uncertainTime - time.Since(c.SentAt); wait > 0 {
		return wait, nil
	}
	found, err := r.created(ctx, c)
	if err != nil {
		return 0, err
	}
	c.Lines = slices.Clone(c.Lines) // those of the chunk that was read stay as they are
	for i := range c.Lines {
		line := &c.Lines[i]
		if user, is := found[line.Email]; line.Status == store.LineSent && is && ours(user, *line) {
			line.Imported(user.ID, "")
		} else if line.Status == store.LineSent {
			line.Status = store.LineWaiting
		}
	}
	return 0, r.finish(ctx, c)
}
