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

// restoredName is the file that says, from the moment that a copy is put back until
// the next start has done what that asks for, that the table is older than what was
// done with it.
const restoredName = "restored"

// atOnce is how many links are changed at a time: those that come together share a
// commit.
const atOnce = 50

// Restore puts a copy of the table of a data folder back: the newest that is whole
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

// afterRestore has everybody looked at if the table was put back since the last
// start, as if nothing was known of what their accounts hold. What the links know is
// older than what was written: somebody who was suspended when the copy was made,
// enabled after that, and is suspended again would be taken for done.
func (m *Machine) afterRestore(ctx context.Context) error {
	marker := filepath.Join(m.Config.Data, restoredName)
	if _, err := os.Stat(marker); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	cause := plan.Cause{Type: "table_restored", ID: rand.Text(), At: time.Now().UTC()}
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
	m.log.Warn().Int("users", users).Int("groups", groups).Msg("the table is an older copy: all that it knows of are looked at, and their accounts written anew")
	return nil
}

// forget has the links of a directory know nothing of what their accounts hold but
// the immutable id, and each user looked at, with all by which the user is connected:
// who left a group since is not let in again.
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

// enqueueGroups has every connected group of a directory compared with Entra as a
// whole.
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
