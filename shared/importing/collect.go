package importing

import (
	"context"
	"slices"
	"strconv"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// graphPage is how many accounts one request to Graph lists: whole chunks, and fewer than
// the 999 that Graph gives at most.
const graphPage = 9 * store.ImportChunkSize

// collect puts the next part of the chosen accounts into chunks. A process that dies before
// it recorded where the list goes on reads the same part again, into the same chunks.
func (r *run) collect(ctx context.Context) error {
	lines, next, err := r.chosen(ctx)
	if err != nil {
		return err
	}
	after, err := r.putChunks(ctx, r.job, r.job.Chunks, lines)
	if err != nil {
		return err
	}
	r.job.Chunks, r.job.Cursor, r.job.Collected = after, next, next == ""
	r.job.Total += len(lines)
	r.going()
	for _, line := range lines {
		r.seen[line.ID] = true
	}
	return r.save(ctx)
}

// chosen are the lines of the next part of the chosen accounts; next is "" after the last.
func (r *run) chosen(ctx context.Context) (lines []store.ImportLine, next string, err error) {
	if r.job.Choice.FailedOf != "" {
		return r.failedBefore(ctx)
	}
	read := time.Now()
	accounts, next, err := r.entra.ListAccounts(ctx, directory.AccountQuery{Search: r.job.Choice.Search, Limit: graphPage, Attributes: r.directory.Settings.ImportAttributes()}, r.job.Cursor)
	if err != nil {
		return nil, "", err
	}
	accounts = r.unseen(members(accounts))
	r.listed.keep(accounts, read)
	if wanted := CandidateStatus(r.job.Choice.Status); wanted != "" {
		candidates, err := r.judgeAll(ctx, r.side, accounts)
		if err != nil {
			return nil, "", err
		}
		accounts = nil
		for _, c := range candidates {
			if c.Status == wanted {
				accounts = append(accounts, c.Account)
			}
		}
	}
	for _, a := range accounts {
		lines = append(lines, store.ImportLine{ID: a.ID, UPN: a.UPN, Status: store.LineWaiting})
	}
	return lines, next, nil
}

// unseen are those of some accounts that no chunk has yet: Graph may list one on two pages.
func (r *run) unseen(accounts []directory.TenantAccount) []directory.TenantAccount {
	return slices.DeleteFunc(accounts, func(a directory.TenantAccount) bool { return r.seen[a.ID] })
}

// failedBefore are the lines of the next chunk of an earlier import that are failed there.
func (r *run) failedBefore(ctx context.Context) (lines []store.ImportLine, next string, err error) {
	number := 0
	if r.job.Cursor != "" {
		if number, err = strconv.Atoi(r.job.Cursor); err != nil {
			return nil, "", fault.Wrap(err, fault.Internal, "importing.collect")
		}
	}
	before, err := r.Store.ImportChunk(ctx, r.job.Choice.FailedOf, number)
	if fault.Is(err, fault.NotFound) { // that was the last one
		return nil, "", nil
	}
	for _, line := range before.Lines {
		if line.Status == store.LineFailed {
			lines = append(lines, store.ImportLine{ID: line.ID, UPN: line.UPN, Sent: line.Sent, Status: store.LineWaiting})
		}
	}
	return lines, strconv.Itoa(number + 1), err
}
