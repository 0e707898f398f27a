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

// Restored is what was done.
type Restored struct {
	Copy     string    // the copy that was put back
	Made     time.Time // when it was last written
	Records  int
	Damaged  int    // of the records
	Replaced string // where the table of before is now; "" if there was none
}

const opRestore = "backup.restore"

// Restore puts a copy of the table back, the newest that is whole if path is "", and
// keeps the table of before beside it. Nobody may use the data folder meanwhile; the
// caller holds its lock. About is called when everything is known to be right, before
// anything is changed.
//
// A copy that cannot be opened, or belongs to other queues, is a fault of kind
// Invalid, no copy at all of kind NotFound, a file that is in use of kind Conflict.
func Restore(ctx context.Context, files Files, path string, now time.Time, about func() error) (Restored, error) {
	for _, file := range []string{files.Table, files.Queues} {
		if err := boltfile.Check(file); fault.Is(err, fault.Conflict) {
			return Restored{}, err
		}
	}
	if path == "" {
		var err error
		if path, err = newest(ctx, filepath.Join(files.Data, Folder)); err != nil {
			return Restored{}, err
		}
	}
	content, err := bolttable.Inspect(ctx, path)
	if err != nil {
		return Restored{}, err
	}
	identity, err := identityOf(files.Queues)
	if err != nil {
		return Restored{}, err
	}
	if content.Identity != "" && identity != "" && content.Identity != identity {
		return Restored{}, &fault.Error{Op: opRestore, Kind: fault.Invalid, Subject: path,
			Message: "this is a copy of another table: " + files.Queues + " belongs to one that it was not made of"}
	}
	info, err := os.Stat(path)
	if err != nil {
		return Restored{}, fault.Wrap(err, fault.Invalid, opRestore)
	}
	if err := about(); err != nil {
		return Restored{}, err
	}
	done := Restored{Copy: path, Made: info.ModTime().UTC(), Records: content.Records, Damaged: len(content.Damaged)}
	done.Replaced, err = replace(files.Table, path, now)
	if err == nil && content.Identity == "" && identity != "" {
		err = adopt(ctx, files.Table, identity)
	}
	return done, fault.Wrap(err, fault.Transient, opRestore)
}

// newest is the newest copy whose records are all whole, or else the newest that can
// be opened.
func newest(ctx context.Context, folder string) (string, error) {
	copies, err := List(folder)
	if err != nil {
		return "", fault.Wrap(err, fault.Transient, opRestore)
	}
	second := ""
	for _, path := range copies {
		content, err := bolttable.Inspect(ctx, path)
		switch {
		case err != nil:
			continue
		case len(content.Damaged) == 0:
			return path, nil
		case second == "":
			second = path
		}
	}
	if second == "" {
		return "", &fault.Error{Op: opRestore, Kind: fault.NotFound, Subject: folder,
			Message: fmt.Sprintf("there is no copy that can be opened among the %d in %s", len(copies), folder)}
	}
	return second, nil
}

// identityOf is the identity of the queues; "" if there are none, or none that can
// be read.
func identityOf(queues string) (identity string, err error) {
	err = boltfile.Read(queues, func(tx *bbolt.Tx) error {
		identity = boltfile.IdentityIn(tx)
		return nil
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return "", nil
	}
	return identity, err
}

// replace moves the table aside, if there is one, and copies the file to its place.
// Should the machine stop in between there is no table, and the start says so.
func replace(table, from string, now time.Time) (aside string, err error) {
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
	if _, err := os.Stat(table); err == nil {
		aside = table + ".replaced-" + now.UTC().Format("20060102T150405Z")
		if err := durable.Rename(table, aside); err != nil {
			return "", err
		}
	}
	return aside, durable.Rename(fresh, table)
}

// adopt gives a table of before there were identities that of the queues.
func adopt(ctx context.Context, path, identity string) error {
	table, err := bolttable.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(table.SetIdentity(ctx, identity), table.Close())
}
