// Package backup keeps daily copies of the table of one machine, and puts one back.
//
// A copy is made while the table is in use, synced, and opened and read as a whole
// before it counts. Only the table is copied: the queues hold what is to be looked
// at, which the next look finds again, and the secrets are not to lie about.
//
// # An older table beside newer queues
//
// A copy that is put back is older than the queues beside it, and than JumpCloud and
// Entra. What concerns people is safe, if everybody is looked at after that as if
// nothing was known of their accounts, which whoever calls [Restore] has to see to:
//
//   - A message names a user or a group, never what to do. Whoever handles it reads
//     what JumpCloud says now: nobody is enabled or disabled because of what was so
//     when the copy was made.
//   - What the links do not know of Entra is found there: accounts by the immutable
//     id that we gave them or by name, groups by their unique name. Nobody is made
//     twice.
//   - A link compares with what was last written as far as it knows. Of somebody who
//     was suspended when the copy was made, enabled since and suspended again it would
//     think that all is done; therefore the look.
//   - Messages about a directory that the table does not know any more are dropped.
//
// What administrators decided through the API since the copy was made is not safe:
// directories, settings and connections are as they were then. Somebody whose
// connection was taken away since is connected again, and gets the account back. So
// it has to be decided again; whoever puts a copy back is told so.
package backup

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltfile"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/durable"
	"entrasync/shared/metric"
	"entrasync/shared/store"
)

// The names of the copies, and how many are kept.
const (
	Folder = "backup" // in the data folder
	Kept   = 7

	prefix   = "table-"
	suffix   = ".db"
	dateForm = time.DateOnly // of UTC
)

// folderMode lets only the owner in: the table holds who is who.
const (
	folderMode = 0o700
	fileMode   = 0o600
)

// Source is the table that is copied.
type Source interface {
	// WriteTo writes the table as it is now.
	WriteTo(ctx context.Context, w io.Writer) error
	// Damaged reads every record and names those that are damaged.
	Damaged(ctx context.Context) ([]store.Key, error)
	// Identity tells the table from others; "" if it has none.
	Identity(ctx context.Context) (string, error)
}

// Keeper makes the daily copies.
type Keeper struct {
	Data    string // the data folder
	Source  Source
	Log     zerolog.Logger
	Metrics metric.Counter
	// Checked is called after each look, unless it is nil.
	Checked func(ctx context.Context)
}

// checkEvery is how often the keeper looks whether there is a copy of the day.
const checkEvery = time.Hour

// Run makes a copy of every day, and looks for it once an hour, until ctx ends. The
// first look is at once unless the table is new, since there is nothing in it then.
func (k Keeper) Run(ctx context.Context, isNew bool) {
	if !isNew {
		k.check(ctx)
	}
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.check(ctx)
		}
	}
}

// check makes the copy of the day unless it is there, and tells of it.
func (k Keeper) check(ctx context.Context) {
	path, made, err := k.Copy(ctx, time.Now())
	if ctx.Err() != nil {
		return
	}
	if k.Checked != nil {
		k.Checked(ctx)
	}
	switch {
	case err != nil:
		k.Metrics.Count("table_copies", 1, "outcome", "failed")
		k.Log.Error().Err(err).Str("file", path).Msg("today's copy of the table could not be made; it is tried again in an hour")
	case made:
		k.Metrics.Count("table_copies", 1, "outcome", "made")
		k.Log.Info().Str("file", path).Msg("the table was copied")
	}
}

// Copy makes the copy of a day, unless it is there, and removes the oldest of more
// than Kept. As long as the table has damaged records none is removed, because an
// older copy may have them whole. Copies of another table, and what cannot be read,
// are not counted and stay: nobody knows whether they are all that is left of it.
func (k Keeper) Copy(ctx context.Context, day time.Time) (path string, made bool, err error) {
	folder := filepath.Join(k.Data, Folder)
	path = filepath.Join(folder, prefix+day.UTC().Format(dateForm)+suffix)
	if _, err := os.Stat(path); err == nil {
		return path, false, nil
	}
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return path, false, fault.Wrap(err, fault.Transient, "backup.copy")
	}
	damaged, err := k.Source.Damaged(ctx)
	if err != nil {
		return path, false, err
	}
	err = durable.WriteFrom(path, fileMode, func(w io.Writer) error { return k.Source.WriteTo(ctx, w) }, func(fresh string) error {
		content, err := bolttable.Inspect(ctx, fresh)
		if err == nil && len(content.Damaged) > len(damaged) {
			err = fault.New(fault.Transient, "backup.copy", "the copy has damaged records that the table has not")
		}
		return err
	})
	if err != nil {
		return path, false, fault.Wrap(err, fault.Transient, "backup.copy")
	}
	if len(damaged) > 0 {
		return path, true, nil
	}
	return path, true, fault.Wrap(k.prune(ctx, folder), fault.Transient, "backup.prune")
}

// prune removes the oldest copies of this table of more than Kept.
func (k Keeper) prune(ctx context.Context, folder string) error {
	copies, err := List(folder)
	if err != nil {
		return err
	}
	mine, err := k.Source.Identity(ctx)
	if err != nil {
		return err
	}
	copies = slices.DeleteFunc(copies, func(path string) bool {
		identity, err := boltfile.IdentityOf(path)
		return err != nil || foreign(identity, mine)
	})
	for _, old := range copies[min(Kept, len(copies)):] {
		if err := os.Remove(old); err != nil {
			return err
		}
	}
	return nil
}

// foreign reports whether two identities are those of two tables. A file of before
// there were identities may be of any.
func foreign(one, other string) bool { return one != "" && other != "" && one != other }

// List is the copies in a folder, the newest first. What has another name is none.
func List(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if os.IsNotExist(err) {
		return nil, nil
	}
	var copies []string
	for _, entry := range entries {
		if _, is := DayOf(entry.Name()); is {
			copies = append(copies, filepath.Join(folder, entry.Name()))
		}
	}
	slices.Sort(copies)
	slices.Reverse(copies)
	return copies, err
}

// DayOf is the day of a copy, by its name.
func DayOf(name string) (time.Time, bool) {
	name, begins := strings.CutPrefix(filepath.Base(name), prefix)
	name, ends := strings.CutSuffix(name, suffix)
	day, err := time.Parse(dateForm, name)
	return day, begins && ends && err == nil
}
