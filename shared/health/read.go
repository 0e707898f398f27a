package health

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/store"
)

const (
	// countPages is how many pages of the table are counted while somebody waits: with pages
	// of 1 MiB about 4,000 users.
	countPages = 4
	// CountEvery is how often all users and groups of every directory are counted.
	CountEvery = time.Hour
	// shortestCount is the time that must be left to begin to count.
	shortestCount = 20 * time.Second
)

// Known are the records of a directory from which its health is judged.
type Known struct {
	CatchUp store.CatchUp
	// LastResync is nil if none has ended.
	LastResync *store.LastJob
	// Holds are those that are open.
	Holds []store.Hold
}

// Read reads what is known of some directories: one record for each organization, one for each
// directory, and those of its guard.
func Read(ctx context.Context, records *store.Store, directories ...directory.Directory) (map[directory.ID]Known, error) {
	ids := make([]directory.ID, len(directories))
	for i, d := range directories {
		ids[i] = d.ID
	}
	last, err := records.LastJobs(ctx, store.Resync, ids...)
	if err != nil {
		return nil, err
	}
	holds, err := records.OpenHolds(ctx, ids...)
	if err != nil {
		return nil, err
	}
	feeds, all := map[directory.OrganizationID]store.CatchUp{}, map[directory.ID]Known{}
	for _, d := range directories {
		feed, read := feeds[d.Organization]
		if !read {
			if feed, err = records.CatchUp(ctx, d.Organization); err != nil {
				return nil, err
			}
			feeds[d.Organization] = feed
		}
		known := Known{CatchUp: feed, Holds: holds[d.ID]}
		if job, ended := last[d.ID]; ended {
			known.LastResync = &job
		}
		all[d.ID] = known
	}
	return all, nil
}

// Every is the time between two runs of what is scheduled; 0 is the default of what it is for.
type Every struct{ CatchUp, Resync time.Duration }

// Facts are the facts about a directory of which so much is known, without counts.
func (k Known) Facts(d directory.Directory, every Every, credentials []directory.CredentialState) Facts {
	f := Facts{
		Directory: d,
		Feed: Feed{Every: every.CatchUp, Since: d.CreatedAt, LastRunAt: k.CatchUp.LastRunAt, LastFoundAt: k.CatchUp.LastFoundAt,
			LastWebhookAt: k.CatchUp.LastWebhookAt, Trouble: k.CatchUp.Trouble},
		Resync: Resync{Every: every.Resync, Since: d.CreatedAt},
	}
	if d.Suspended != nil {
		f.Suspended = d.Suspended.Message
	}
	for _, part := range d.PartlySuspended {
		f.Partly = append(f.Partly, part.Message)
	}
	for _, h := range k.Holds {
		f.Holds = append(f.Holds, fmt.Sprintf("a hold on %s is open since %s, with %s: %s. Look at GET /v1/directories/{id}/holds/%s/items, and approve or reject it", h.Kind, stamp(h.Since), inHold(h), h.Sentence(), h.ID))
	}
	if last := k.LastResync; last != nil {
		f.Resync.StartedAt, f.Resync.EndedAt = last.StartedAt, last.EndedAt
		if last.Result == store.JobFailed {
			f.Resync.Failed = orElse(last.Message, "its job says why")
		}
	}
	for _, c := range credentials {
		if c.Announced() {
			f.Credentials = append(f.Credentials, c.Message)
		}
	}
	return f
}

// inHold says what waits in a hold.
func inHold(h store.Hold) string {
	accounts, members := number(h.Accounts, "account")+" to be disabled", number(h.Count-h.Accounts, "member")+" to be taken out of groups"
	switch h.Accounts {
	case h.Count:
		return accounts
	case 0:
		return members
	}
	return accounts + " and " + members
}

// CountNow is how the users and groups of a directory stand. A small directory is counted at
// once. A large one, whose links would be too much to read for one request, has the counts
// of the last hour, or nil if it was not counted yet. That it is large, the counts say: then
// they are all that is read.
func CountNow(ctx context.Context, records *store.Store, id directory.ID, now time.Time) (*store.Counts, error) {
	stored, err := records.CountsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	last, known := stored[id]
	if known && last.Pages > countPages {
		return &last, nil
	}
	counted, complete, err := records.Count(ctx, id, countPages, now)
	switch {
	case err != nil:
		return nil, err
	case complete:
		return &counted, nil
	case known: // it has grown since
		return &last, nil
	default:
		return nil, nil
	}
}

// CountDue counts the users and groups of those directories that were not counted for an
// hour, and stores that, as long as there is time.
func CountDue(ctx context.Context, records *store.Store, now time.Time, ids ...directory.ID) error {
	last, err := records.CountsOf(ctx, ids...)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if now.Sub(last[id].CountedAt) < CountEvery || !deadline.Allows(ctx, shortestCount) {
			continue
		}
		counted, _, err := records.Count(ctx, id, 0, now)
		if err == nil {
			err = records.PutCounts(ctx, counted)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
