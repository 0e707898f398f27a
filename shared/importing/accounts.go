package importing

import (
	"context"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/store"
)

// ahead is how many chunks are read together, so that one request to Graph reads all
// their accounts.
const ahead = 10

// load reads a chunk, and with it the ones after it and the accounts of all their lines
// that are not final.
func (r *run) load(ctx context.Context, number int) (store.ImportChunk, error) {
	if c, known := r.chunks[number]; known && (!c.SentAt.IsZero() || time.Since(r.readAt) < listedLife) {
		return c, nil
	}
	clear(r.chunks)
	clear(r.accounts)
	r.readAt = time.Now()
	var ids []directory.EntraID
	var upns []directory.UPN
	for n := number; n < min(number+ahead, r.job.Chunks); n++ {
		c, err := r.Store.ImportChunk(ctx, r.job.ID, n)
		if err != nil {
			clear(r.chunks)
			return c, err
		}
		for _, line := range c.Lines {
			switch {
			case line.Final():
			case line.ID != "":
				ids = append(ids, line.ID)
			default:
				upns = append(upns, line.UPN)
			}
		}
		r.chunks[n] = c
	}
	err := r.readAccounts(ctx, ids, upns)
	if err != nil {
		clear(r.chunks)
	}
	return r.chunks[number], err
}

// listed are accounts that were read when the choice was collected. They need not be read
// again if they are sent soon.
type listed map[directory.EntraID]listedAccount

type listedAccount struct {
	directory.TenantAccount
	read time.Time
}

const (
	// mostListed bounds the memory for them.
	mostListed = 10_000
	// listedLife is how long they are up to date enough: who is blocked in Entra meanwhile
	// gets a user in JumpCloud, as would somebody who is blocked after the import.
	listedLife = 5 * time.Minute
)

// keep keeps accounts, as long as there is space.
func (l listed) keep(accounts []directory.TenantAccount, read time.Time) {
	for _, a := range accounts {
		if len(l) < mostListed {
			l[a.ID] = listedAccount{a, read}
		}
	}
}

// take moves those of some accounts that are up to date to another map, and returns the ids
// of the others. It sets oldest to when the oldest one was read, if that is earlier.
func (l listed) take(ids []directory.EntraID, to map[directory.EntraID]directory.TenantAccount, oldest *time.Time) (others []directory.EntraID) {
	for _, id := range ids {
		a, kept := l[id]
		if kept && time.Since(a.read) < listedLife {
			if to[id] = a.TenantAccount; a.read.Before(*oldest) {
				*oldest = a.read
			}
		} else {
			others = append(others, id)
		}
		delete(l, id)
	}
	return others
}

// readAccounts reads accounts by id, and by UPN those of which only that is known; their
// lines get the id.
func (r *run) readAccounts(ctx context.Context, ids []directory.EntraID, upns []directory.UPN) error {
	attributes := r.directory.Settings.ImportAttributes()
	ids = r.listed.take(ids, r.accounts, &r.readAt)
	if len(ids) > 0 {
		accounts, err := r.entra.AccountsByID(ctx, ids, attributes)
		if err != nil {
			return err
		}
		for id, a := range accounts {
			r.accounts[id] = a
		}
	}
	if len(upns) == 0 {
		return nil
	}
	accounts, err := r.entra.AccountsByUPN(ctx, upns, attributes)
	if err != nil {
		return err
	}
	for _, c := range r.chunks {
		for i, line := range c.Lines {
			if a, found := accounts[directory.UPN(strings.ToLower(string(line.UPN)))]; found && line.ID == "" {
				c.Lines[i].ID = a.ID
				r.accounts[a.ID] = a
			}
		}
	}
	return nil
}
