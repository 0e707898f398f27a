package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/backup"
	"entrasync/shared/local/boltfile"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/pair"
	"entrasync/shared/store"
)

// The names of the files in the data folder.
const (
	lockName    = "lock"
	tableName   = "table.db"
	queuesName  = "queues.db"
	secretsName = "secrets.json"
	resultsName = "results" // a folder
	outboxName  = "outbox"  // a folder
)

// files are the files of the data folder that belong together.
func (c Config) files() backup.Files {
	return backup.Files{Data: c.Data, Table: filepath.Join(c.Data, tableName), Queues: filepath.Join(c.Data, queuesName)}
}

// openFolder makes the data folder if need be, and keeps others out of it until
// release is called.
func (c Config) openFolder() (release func() error, err error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, &fault.Error{Op: "start", Kind: fault.Invalid, Subject: dataVariable, Err: err,
			Message: "the data folder " + c.Data + " cannot be made: choose another, such as .local"}
	}
	release, err = boltfile.Lock(filepath.Join(c.Data, lockName))
	if fault.Is(err, fault.Conflict) {
		return nil, &fault.Error{Op: "start", Kind: fault.Conflict, Subject: dataVariable,
			Message: "the data folder " + c.Data + " is in use by another entrasync process: stop that one or choose another folder"}
	}
	return release, err
}

// openFiles opens table and queues. Beside used queues it refuses a table that is missing,
// empty, damaged, older or of other queues. It also refuses a folder that has neither and
// has copies of a table: with an empty table every webhook would be accepted and dropped,
// because no directory wants it.
func (m *Machine) openFiles(ctx context.Context) error {
	release, err := m.Config.openFolder()
	if err != nil {
		return err
	}
	m.closer = append(m.closer, release)
	files := m.Config.files()
	hasTable, hasQueues := filled(files.Table), filled(files.Queues)
	if !hasTable {
		if err := m.mayBeginAnew(files, hasQueues); err != nil {
			return err
		}
	}
	if m.table, err = bolttable.Open(files.Table); err != nil {
		return refused(files, err)
	}
	m.closer = append(m.closer, m.table.Close)
	m.table.OnDamage(m.reportRecord)
	if hasTable && !hasQueues {
		m.log.Warn().Str("file", files.Queues).Msg("the queues are missing and were made anew: what waited in them is not known any more, so sync the users and groups that changed meanwhile")
	}
	if m.files, err = boltqueue.Open(files.Queues); err != nil {
		return refusedQueues(files, err)
	}
	m.closer = append(m.closer, m.files.Close)
	m.files.OnDamage(m.reportMessage)
	m.isNew = !hasTable
	return m.join(ctx)
}

// mayBeginAnew refuses to make a new table where there was one before.
func (m *Machine) mayBeginAnew(files backup.Files, hasQueues bool) error {
	if hasQueues {
		return refuse(files, fmt.Sprintf("%s is missing or empty, and %s beside it has been in use", files.Table, files.Queues))
	}
	folder := filepath.Join(files.Data, backup.Folder)
	copies, err := backup.List(folder)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "start")
	}
	if len(copies) > 0 {
		return &fault.Error{Op: "start", Kind: fault.Invalid, Message: fmt.Sprintf("%s and %s are missing or empty, and there are copies of a table: %s, or, to begin anew, move %s away (%s)",
			files.Table, files.Queues, putBack(copies), folder, lostWithTheTable)}
	}
	if secrets := filepath.Join(files.Data, secretsName); filled(secrets) {
		m.log.Warn().Str("file", secrets).Msg("table and queues are missing beside " + secrets + ", and there is no copy of the table: the product begins anew (" + lostWithTheTable + ")")
	}
	return nil
}

// filled reports whether a file is there and has a byte.
func filled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// join makes sure that table and queues belong together.
func (m *Machine) join(ctx context.Context) error {
	files, both := m.Config.files(), pair.Pair{Table: m.table, Queues: m.files}
	finding, err := both.Join(ctx)
	switch {
	case err != nil:
		return err
	case finding == pair.Foreign:
		return refuse(files, fmt.Sprintf("%s is not the table that %s belongs to", files.Table, files.Queues))
	case finding == pair.OldTable:
		return refuse(files, fmt.Sprintf("%s is older than %s, so what was done since is not in it: `bin/local restore %s` checks every user and group anew, or take another one", files.Table, files.Queues, files.Table))
	case finding == pair.OldQueues:
		m.log.Warn().Str("file", files.Queues).Msg("the queues are older than the table: what waited in the newer ones is not known any more, so sync the users and groups that changed meanwhile")
	}
	m.advance = func(ctx context.Context) {
		if err := both.Advance(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn().Err(err).Msg("an older table that is put back by hand may not be noticed until the next hour")
		}
	}
	m.closer = append(m.closer, func() error {
		m.advance(context.Background())
		return nil
	})
	return nil
}

// reportRecord logs and counts a damaged record of the table.
func (m *Machine) reportRecord(key store.Key) {
	m.Metrics.Count("damaged_records", 1, "file", "table")
	m.log.Error().Str("file", m.Config.files().Table).Str("pk", key.PK).Str("sk", key.SK).
		Msg("a record of the table is damaged: lists go on without it, what needs it fails; put a copy back with `bin/local restore`")
}

// reportMessage logs and counts a damaged message.
func (m *Machine) reportMessage(queue string, number uint64) {
	m.Metrics.Count("damaged_records", 1, "file", "queues")
	m.log.Error().Str("file", m.Config.files().Queues).Str("queue", queue).Uint64("number", number).
		Msg("a message is damaged and was set aside: the change or task in it is lost")
}

// refuse is the fault about a table that cannot be used, with the way back.
func refuse(files backup.Files, what string) error {
	return &fault.Error{Op: "start", Kind: fault.Invalid, Message: what + ": " + wayBack(files)}
}

// lostWithTheTable is what it means to begin anew.
const lostWithTheTable = "accounts and groups are found again; organizations, directories, settings and connections have to be made again"

// wayBack is what somebody can do without a table.
func wayBack(files backup.Files) string {
	anew := "to start with nothing, move everything out of " + files.Data + " (" + lostWithTheTable + ")"
	copies, err := backup.List(filepath.Join(files.Data, backup.Folder))
	if err != nil || len(copies) == 0 {
		return "there is no copy in " + filepath.Join(files.Data, backup.Folder) + "; put one of your own back with `bin/local restore FILE`, or, " + anew
	}
	return putBack(copies) + ", or, " + anew
}

// putBack is how a copy comes back.
func putBack(copies []string) string {
	return fmt.Sprintf("put the newest of %d copies (%s) back with `bin/local restore`", len(copies), copies[0])
}

// refused is the fault about a table that could not be opened.
func refused(files backup.Files, err error) error {
	if f := fault.Of(err); f.Reason == directory.Damaged {
		return refuse(files, files.Table+": "+f.Message)
	}
	return err
}

// refusedQueues is the fault about queues that could not be opened.
func refusedQueues(files backup.Files, err error) error {
	f := fault.Of(err)
	if f.Reason != directory.Damaged {
		return err
	}
	return &fault.Error{Op: "start", Kind: fault.Invalid, Message: files.Queues + ": " + f.Message +
		": move it away and start again, with new queues; what waited in them is lost with them, so sync the users and groups that changed meanwhile"}
}
