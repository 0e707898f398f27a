// Package backup makes daily copies of the table of one machine, and restores one.
//
// A copy is made while the table is in use. It is synced, and opened and read completely
// before it counts. Only the table is copied: the queues have tasks, which the next resync
// creates again, and copies of the secrets would be a risk.
//
// # An older table beside newer queues
//
// A restored copy is older than the queues beside it, and than JumpCloud and Entra.
// Accounts are safe if all users and groups are checked after that as if nothing was known
// of their accounts. The caller of [Restore] must make sure of this:
//
//   - A message names a user or a group, never what to do. The function that handles it
//     reads the present state from JumpCloud: no account is enabled or disabled because of
//     the state at the time of the copy.
//   - Accounts and groups that the links do not know are found in Entra: accounts by the
//     immutable id that we gave them or by name, groups by their unique name. So no account
//     is created twice.
//   - A link has what entrasync last wrote, as of the copy. If a user was suspended at the
//     time of the copy, enabled since and suspended again, the link alone would say that
//     there is nothing to do. This is why all users are checked.
//   - Messages about a directory that the table does not know any more are dropped.
//
// Changes that administrators made through the API since the copy are lost: directories,
// settings and connections are as they were then. A user whose connection was removed
// since is connected again, and gets the account back. So administrators must make these
// changes again; the restore command says so.
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

// folderMode lets only the user of the process read the folder: the table has personal
// data.
const (
	folderMode = 0o700
	fileMode   = 0o600
)

// Source is the table that is copied.
type Source interface {
	// WriteTo writes the present state of the table.
	WriteTo(ctx context.Context, w io.Writer) error
	// Damaged reads every record and returns the keys of the damaged ones.
	Damaged(ctx context.Context) ([]store.Key, error)
	// Identity distinguishes the table from others; "" if it has none.
	Identity(ctx context.Context) (string, error)
}

// Keeper makes the daily copies.
type Keeper struct {
	Data    string // the data folder
	Source  Source
	Log     zerolog.Logger
	Metrics metric.Counter
	// Checked is called after each check, unless it is nil.
	Checked func(ctx context.Context)
}

// checkEvery is how often the keeper checks whether there is a copy of the day.
const checkEvery = time.Hour

// Run makes a copy every day, and checks once an hour whether there is one, until ctx
// ends. The first check is at once, unless the table is new and so has no records.
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

// check makes the copy of the day unless there is one, and logs the result.
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

// Copy makes the copy of a day unless there is one, and removes the oldest copies if there
// are more than Kept. While the table has damaged records it removes none, because an
// older copy may have them undamaged. Copies of another table, and copies that cannot be
// read, are not counted and stay, because there may be no other copy of their records.
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

// prune removes the oldest copies of this table if there are more than Kept.
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

// foreign reports whether two identities are of different tables. A file without an
// identity, of an older version, may belong to any table.
func foreign(one, other string) bool { return one != "" && other != "" && one != other }

// List returns the copies in a folder, the newest first. It ignores files with other names.
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

// DayOf is the day of a copy, from its name; false if the name is not that of a copy.
func DayOf(name string) (time.Time, bool) {
	name, begins := strings.CutPrefix(filepath.Base(name), prefix)
	name, ends := strings.CutSuffix(name, suffix)
	day, err := time.Parse(dateForm, name)
	return day, begins && ends && err == nil
}
