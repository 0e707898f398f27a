package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltfile"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/durable"
)

// Files are the files of a data folder that belong together.
type Files struct {
	Data          string // the data folder
	Table, Queues string // their paths
}

// Restored describes a finished restore.
type Restored struct {
	Copy     string    // the copy that was restored
	Made     time.Time // when it was last written
	Records  int
	Damaged  int    // how many of the records are damaged
	Replaced string // where the old table is now; "" if there was none
}

const opRestore = "backup.restore"

// Restore replaces the table by a copy, and keeps the old table beside it. If path is "",
// it takes the newest copy of this table without damaged records. The caller holds the lock
// of the data folder. about is called after all checks and before the first change. path
// may be that of the table itself: an older table that somebody put there is restored too.
//
// A copy that cannot be opened, or belongs to other queues, is a fault of kind Invalid; no
// copy at all is one of kind NotFound, and a file in use is one of kind Conflict.
func Restore(ctx context.Context, files Files, path string, now time.Time, about func() error) (Restored, error) {
	for _, file := range []string{files.Table, files.Queues} {
		if err := boltfile.Check(file); fault.Is(err, fault.Conflict) {
			return Restored{}, err
		}
	}
	beside, err := readQueues(files.Queues)
	if err != nil {
		return Restored{}, err
	}
	if path == "" {
		if path, err = newest(ctx, files, beside); err != nil {
			return Restored{}, err
		}
	}
	content, err := bolttable.Inspect(ctx, path)
	if err != nil {
		return Restored{}, err
	}
	if foreign(content.Identity, beside.identity) {
		return Restored{}, &fault.Error{Op: opRestore, Kind: fault.Invalid, Subject: path, Message: "this is a copy of another table: " + notOf(files)}
	}
	info, err := os.Stat(path)
	if err != nil {
		return Restored{}, fault.Wrap(err, fault.Invalid, opRestore)
	}
	if err := about(); err != nil {
		return Restored{}, err
	}
	done := Restored{Copy: path, Made: info.ModTime().UTC(), Records: content.Records, Damaged: len(content.Damaged)}
	done.Replaced, err = replace(ctx, files.Table, path, beside, now)
	return done, fault.Wrap(err, fault.Transient, opRestore)
}

// notOf is the text that a copy is not of the table that the queues belong to, and how to
// restore it all the same.
func notOf(files Files) string {
	return files.Queues + " belongs to one that it was not made of. To put it back all the same, move " + files.Queues +
		" away first; the messages in it are lost, and every user and group is checked anyway"
}

// newest is the newest copy of the table without damaged records, or else the newest copy
// that can be opened.
func newest(ctx context.Context, files Files, beside queues) (string, error) {
	folder := filepath.Join(files.Data, Folder)
	copies, err := List(folder)
	if err != nil {
		return "", fault.Wrap(err, fault.Transient, opRestore)
	}
	second, others := "", ""
	for _, path := range copies {
		content, err := bolttable.Inspect(ctx, path)
		switch {
		case err != nil:
			continue
		case foreign(content.Identity, beside.identity):
			if others == "" {
				others = path
			}
		case len(content.Damaged) == 0:
			return path, nil
		case second == "":
			second = path
		}
	}
	if second == "" && others != "" {
		return "", &fault.Error{Op: opRestore, Kind: fault.Invalid, Subject: others, Message: "this, and every other copy in " + folder + " that can be opened, is of another table: " + notOf(files)}
	}
	if second == "" {
		return "", &fault.Error{Op: opRestore, Kind: fault.NotFound, Subject: folder,
			Message: fmt.Sprintf("there is no copy that can be opened among the %d in %s", len(copies), folder)}
	}
	return second, nil
}

// queues has the identity and generation of the queues beside a table; it is zero if there
// are no queues, or they cannot be read.
type queues struct {
	identity   string
	generation uint64
}

// readQueues reads identity and generation of the queues.
func readQueues(path string) (q queues, err error) {
	err = boltfile.Read(path, func(tx *bbolt.Tx) error {
		q = queues{boltfile.IdentityIn(tx), boltfile.GenerationIn(tx)}
		return nil
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return queues{}, nil
	}
	return q, err
}

// replace renames the table, if there is one, and puts a copy of the file in its place that
// fits the queues beside it. If the machine stops in between, there is no table, and the
// next start reports it.
func replace(ctx context.Context, table, from string, beside queues, now time.Time) (aside string, err error) {
	fresh := table + ".restoring"
	err = durable.WriteFrom(fresh, fileMode, func(w io.Writer) error {
		source, err := os.Open(from)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, source)
		return errors.Join(err, source.Close())
	}, nil)
	if err != nil {
		return "", err
	}
	if err := adopt(ctx, fresh, beside); err != nil {
		return "", err
	}
	if _, err := os.Stat(table); err == nil {
		aside = table + ".replaced-" + now.UTC().Format("20060102T150405Z")
		if err := durable.Rename(table, aside); err != nil {
			return "", err
		}
	}
	return aside, durable.Rename(fresh, table)
}

// adopt gives a table the identity and generation of the queues: a copy has an older
// generation, and one of an older version has no identity.
func adopt(ctx context.Context, path string, beside queues) error {
	if beside.identity == "" {
		return nil
	}
	table, err := bolttable.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(table.SetIdentity(ctx, beside.identity), table.SetGeneration(ctx, beside.generation), table.Close())
}
