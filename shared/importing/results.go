package importing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/store"
)

const (
	// The waits between two reads of the results of a bulk job: short at first, then a
	// tenth of the time that it has taken. The first read is when the job before was done.
	firstRead, longestRead = 3 * time.Second, 30 * time.Second
	// patience is how long a bulk job may take (assumed: JumpCloud publishes nothing).
	patience = 15 * time.Minute
	// showTime is how long JumpCloud may take to show a user that it has created (assumed).
	showTime = 10 * time.Minute
)

// poll reads the results of a batch, and says how long to wait if they are not complete.
func (r *run) poll(ctx context.Context, c store.ImportChunk) (time.Duration, error) {
	age, first := time.Since(c.SentAt), max(firstRead, r.took)
	if age < first {
		return first - age, nil
	}
	results, err := r.jumpcloud.BulkResults(ctx, c.Job)
	if err != nil && !fault.Is(err, fault.NotFound) { // it may not show the job yet
		return 0, err
	}
	of, unnamed, complete := matched(c, results)
	if !complete && age < patience {
		return min(max(firstRead, age/10), longestRead), nil
	}
	if c.ResultsAt.IsZero() {
		if r.took = min(age, longestRead); age < first+firstRead { // it may have been done for long
			r.took = first * 3 / 4
		}
		c.ResultsAt = time.Now().UTC()
		if c, err = r.put(ctx, c); err != nil {
			return 0, err
		}
	}
	found, err := r.created(ctx, c)
	if err != nil {
		return 0, err
	}
	c.Lines = slices.Clone(c.Lines) // those of the chunk that was read stay as they are
	late := false
	for i := range c.Lines {
		if line := &c.Lines[i]; line.Status == store.LineSent {
			user, is := found[line.Email]
			late = late || !is && of[i].Done && !of[i].Failed
			conclude(line, c.Job, of[i], unnamed, user)
		}
	}
	r.limited(results)
	if late && time.Since(c.ResultsAt) < showTime {
		return firstRead, nil
	}
	return 0, r.finish(ctx, c)
}

// limited notes that JumpCloud takes no more users, if a result says so.
func (r *run) limited(results []jumpcloud.BulkResult) {
	for _, result := range results {
		if result.Failed && result.Reason == directory.LicenseLimit {
			r.job.Exhausted = sentence(result.Message)
		}
	}
}

// created are the users of the batch whom JumpCloud shows, by e-mail address.
func (r *run) created(ctx context.Context, c store.ImportChunk) (map[string]directory.User, error) {
	var q jumpcloud.UserQuery
	for _, line := range c.Lines {
		if line.Status == store.LineSent {
			q.Emails = append(q.Emails, line.Email)
		}
	}
	users, err := r.jumpcloud.FindUsers(ctx, q)
	found := map[string]directory.User{}
	for _, u := range users {
		found[strings.ToLower(u.Email)] = u
	}
	return found, err
}

// ours reports whether a user may be the one that was created for a line.
func ours(u directory.User, line store.ImportLine) bool {
	return u.ID != "" && strings.EqualFold(u.Username, line.Username) && u.CreationSource == jumpcloud.SourceMicrosoft
}

// conclude makes the line of a batch final. result is the one that names it, and unnamed what
// the failed results say that name nobody; user is who has its address in JumpCloud, nobody
// if the id is "".
func conclude(line *store.ImportLine, job string, result jumpcloud.BulkResult, unnamed string, user directory.User) {
	mine := user.ID != "" && strings.EqualFold(user.Username, line.Username)
	switch {
	case mine && !result.Failed, result.Failed && line.Resent && ours(user, *line):
		line.Imported(user.ID, "")
	case result.Failed:
		line.Fail(sentence(result.Message))
		line.Sent = line.Resent
	case user.ID != "":
		line.Fail("JumpCloud has the e-mail address already, of " + named(user))
	case result.Done:
		line.Fail("JumpCloud says that it created the user, and does not show it: repeat the failed lines")
	case unnamed != "":
		line.Fail(unnamed)
		line.Sent = line.Resent
	default:
		line.Fail(fmt.Sprintf("JumpCloud has not finished its bulk job %s in %d minutes and does not show the user: repeat the failed lines later", job, int(patience.Minutes())))
	}
}

// matched are the results of the lines of a batch by their index, as JumpCloud names them
// by e-mail address or username. complete says that all have one that is final, or that
// there are as many final results as lines, some of which name nobody; unnamed is then what
// those say that failed, "" if none did.
func matched(c store.ImportChunk, results []jumpcloud.BulkResult) (of map[int]jumpcloud.BulkResult, unnamed string, complete bool) {
	byEmail, byUsername := map[string]jumpcloud.BulkResult{}, map[string]jumpcloud.BulkResult{}
	done, said := 0, map[string]bool{}
	for _, result := range results {
		byEmail[strings.ToLower(result.Email)], byUsername[strings.ToLower(result.Username)] = result, result
		if result.Done {
			done++
		}
		if result.Failed && result.Email == "" && result.Username == "" {
			said[sentence(result.Message)] = true
		}
	}
	of, complete = map[int]jumpcloud.BulkResult{}, true
	sent := 0
	for i, line := range c.Lines {
		if line.Status != store.LineSent {
			continue
		}
		sent++
		result, named := byEmail[line.Email]
		if !named {
			result, named = byUsername[strings.ToLower(line.Username)]
		}
		if named {
			of[i] = result
		}
		complete = complete && result.Done
	}
	return of, strings.Join(slices.Sorted(maps.Keys(said)), "; or: "), complete || done >= sent
}

// sentences are what the texts of failed results mean, for the person who must act. The
// texts are assumed: JumpCloud publishes none.
var sentences = map[string]string{
	"user already exists":                          "JumpCloud has the user already: it was created since the accounts were compared",
	"email already in use":                         "JumpCloud has the e-mail address already: it was taken since the accounts were compared",
	"username already in use":                      "JumpCloud has the username already: change the alias in Microsoft 365 and import again",
	"invalid username":                             "JumpCloud does not take the username: change the alias in Microsoft 365 and import again",
	"license limit reached, contact your provider": "The licence limit of the JumpCloud organization is reached: contact your provider, then repeat the failed lines",
	"missing email":                                "JumpCloud needs an e-mail address",
	"unexpected error, try again":                  "JumpCloud failed with this user: repeat the failed lines",
}

// sentence is the message of a failed result.
func sentence(said string) string {
	said = strings.TrimSpace(said)
	if known := sentences[strings.ToLower(said)]; known != "" {
		return known
	}
	if said == "" {
		return "JumpCloud refused the user and does not say why: repeat the failed lines, or create the user there"
	}
	return "JumpCloud refused the user: " + said
}
