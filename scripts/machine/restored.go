package machine

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"entrasync/scripts/wiring"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/backup"
	"entrasync/shared/local/durable"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// restoredName is a file that says that the table is an older copy. Restore makes it, and
// the next start removes it after it has sent a task for every user and group.
const restoredName = "restored"

// atOnce is how many links are changed at a time: changes that arrive together share a
// commit.
const atOnce = 50

// Restore puts a copy of the table of a data folder back: the newest one without damage
// if path is "". See package backup for what that means beside newer queues.
func Restore(ctx context.Context, c Config, path string) (done backup.Restored, err error) {
	release, err := c.openFolder()
	if err != nil {
		return backup.Restored{}, err
	}
	defer func() { err = errors.Join(err, release()) }()
	marked := func() error {
		err := durable.Write(filepath.Join(c.Data, restoredName), []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600)
		return fault.Wrap(err, fault.Transient, "machine.restore")
	}
	return backup.Restore(ctx, c.files(), path, time.Now(), marked)
}

// afterRestore sends a task for every user and group if the table was put back since the
// last start, and clears what the links say of the accounts, which is older than what was
// written. Without that, a user who was suspended when the copy was made, enabled after
// that, and is suspended again would look up to date, and nothing would be written.
func (m *Machine) afterRestore(ctx context.Context) error {
	marker := filepath.Join(m.Config.Data, restoredName)
	if _, err := os.Stat(marker); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	cause := plan.Cause{Type: "table_restored", ID: rand.Text(), At: time.Now().UTC(), Many: true}
	users, groups := 0, 0
	err := pages(func(cursor string) (store.List[directory.Directory], error) {
		return m.Store.Directories(ctx, 0, cursor)
	}, func(directories []directory.Directory) error {
		for _, d := range directories {
			n, err := m.forget(ctx, d, cause)
			users += n
			if err != nil {
				return err
			}
			n, err = m.enqueueGroups(ctx, d.ID, cause)
			groups += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = errors.Join(os.Remove(marker), durable.SyncFolder(m.Config.Data))
	}
	if err != nil {
		return fault.Wrap(err, fault.Transient, "machine.after restore")
	}
	m.log.Warn().Int("users", users).Int("groups", groups).Msg("the table is an older copy: every user and group in it is checked, and the accounts are written anew")
	return nil
}

// forget clears what the links of a directory say of their accounts, but for the immutable
// id, and sends a task for each user. The task reads the memberships too, so that a user
// who left a group since the copy does not get access again.
func (m *Machine) forget(ctx context.Context, dir directory.Directory, cause plan.Cause) (users int, err error) {
	id, source := dir.ID, dir.Settings.ConnectionSource.Type != directory.NoSource
	err = pages(func(cursor string) (store.List[directory.Link], error) { return m.Store.Links(ctx, id, 0, cursor) }, func(links []directory.Link) error {
		users += len(links)
		changes, changing := errgroup.WithContext(ctx)
		changes.SetLimit(atOnce)
		var tasks []reconcile.Task
		for _, link := range links {
			changes.Go(func() error {
				return m.Store.ChangeLink(changing, id, link.User, func(l directory.Link) directory.Link {
					l.Applied = l.Applied.Only(directory.Attributes{directory.ImmutableID: nil})
					return l
				})
			})
			tasks = append(tasks, reconcile.Task{Directory: id, User: link.User, Cause: cause, Memberships: true, Source: source})
		}
		if err := changes.Wait(); err != nil {
			return err
		}
		return reconcile.Enqueue(ctx, m.Queues[wiring.UsersBulk], tasks...)
	})
	return users, err
}

// enqueueGroups sends a task for every connected group of a directory, which compares all
// its members with Entra.
func (m *Machine) enqueueGroups(ctx context.Context, id directory.ID, cause plan.Cause) (groups int, err error) {
	err = pages(func(cursor string) (store.List[directory.GroupConnection], error) {
		return m.Store.GroupConnections(ctx, id, 0, cursor)
	}, func(connections []directory.GroupConnection) error {
		groups += len(connections)
		var tasks []reconcile.GroupTask
		for _, c := range connections {
			tasks = append(tasks, reconcile.GroupTask{Directory: id, Group: c.Group, Cause: cause, AllMembers: true})
		}
		return reconcile.Enqueue(ctx, m.Queues[wiring.GroupsBulk], tasks...)
	})
	return groups, err
}

// pages goes through all pages of a list.
func pages[R any](read func(cursor string) (store.List[R], error), do func([]R) error) error {
	for cursor := ""; ; {
		page, err := read(cursor)
		if err != nil {
			return err
		}
		if err := do(page.Items); err != nil {
			return err
		}
		if cursor = page.Cursor; cursor == "" {
			return nil
		}
	}
}
