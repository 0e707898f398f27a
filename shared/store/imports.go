package store

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// importRetention is how long an import and its lines are kept, as long as its files.
const importRetention = 30 * 24 * time.Hour

// ImportStatus is how far an import is.
type ImportStatus string

// The statuses of an import. The last three are final.
const (
	ImportQueued   ImportStatus = "queued"
	ImportRunning  ImportStatus = "running"
	ImportFinished ImportStatus = "finished" // every chosen account has its line
	ImportStopped  ImportStatus = "stopped"  // the same; somebody stopped it before all were tried
	ImportFailed   ImportStatus = "failed"   // the same; it was given up
)

// Ended reports whether the status is final.
func (s ImportStatus) Ended() bool { return s != ImportQueued && s != ImportRunning }

// Import is a job that creates users of JumpCloud from accounts of a tenant. The accounts
// are in its chunks.
type Import struct {
	ID        string       `json:"id"` // a UUID of version 7, so that ids sort by time
	Directory directory.ID `json:"directoryId"`
	By        string       `json:"by"`               // who started it
	Notify    []string     `json:"notify,omitempty"` // the addresses that get the mail at its end
	Connect   bool         `json:"connect"`          // whether the new users are connected to the directory
	Choice    ImportChoice `json:"choice"`
	Status    ImportStatus `json:"status"`
	// Message says why the import waits, or how it ended; "" if there is nothing to say.
	Message   string    `json:"message,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
	// Total are the accounts that are known to be chosen: all of them once Collected.
	Total    int `json:"total"`
	Imported int `json:"imported"`
	Failed   int `json:"failed"`
	// Chunks is how many chunks there are, and Next the first one that is not done.
	Chunks int `json:"chunks"`
	Next   int `json:"next"`
	// Collected says that all chosen accounts are in chunks; until then Cursor says where
	// the list of them goes on.
	Collected bool   `json:"collected"`
	Cursor    string `json:"cursor,omitempty"`
	// Exhausted is why JumpCloud takes no more users, as it said; the rest is not tried.
	Exhausted string `json:"exhausted,omitempty"`
	// TroubleSince is since when no progress was possible; zero while there is some.
	TroubleSince time.Time `json:"troubleSince,omitzero"`
	// Keys are what the links in mails open the results with.
	Keys []ImportKey `json:"keys,omitempty"`
	// Delivered says that the files are written and the mail was sent or refused; Mail says
	// what became of the mail.
	Delivered bool   `json:"delivered"`
	Mail      string `json:"mail,omitempty"`
	Held
	Version int64 `json:"-"`
}

// ImportKey is what is stored of a key that reads the results of an import without the token
// of the API: its hash, and until when it does so.
type ImportKey struct {
	Hash  string    `json:"hash"`
	Until time.Time `json:"until"`
}

// Done are the accounts that have their final line.
func (i Import) Done() int { return i.Imported + i.Failed }

// ImportChoice is what the administrator chose, unless it was a list of accounts.
type ImportChoice struct {
	// All chooses every account of the list with Search and Status.
	All    bool   `json:"all,omitempty"`
	Search string `json:"search,omitempty"`
	Status string `json:"status,omitempty"`
	// FailedOf chooses the accounts whose lines in another import are failed.
	FailedOf string `json:"failedOf,omitempty"`
}

// LineStatus is what became of one account of an import.
type LineStatus string

// The statuses of a line. The last two are final.
const (
	LineWaiting  LineStatus = "waiting"
	LineSent     LineStatus = "sent" // JumpCloud may have the user, or create it now
	LineImported LineStatus = "imported"
	LineFailed   LineStatus = "failed"
)

// ImportLine is one account of an import and what became of it.
type ImportLine struct {
	ID        directory.EntraID `json:"id,omitempty"` // "" while only the UPN is known
	UPN       directory.UPN     `json:"userPrincipalName"`
	Email     string            `json:"email"`
	Username  string            `json:"username"`
	FirstName string            `json:"firstname"`
	LastName  string            `json:"lastname"`
	Status    LineStatus        `json:"status"`
	Message   string            `json:"message"`
	// Sent says that JumpCloud may have created the user for this line, or does so later:
	// then a user who is there is that one.
	Sent bool `json:"sent,omitempty"`
	// Resent says that this was so before the line was sent this time.
	Resent bool `json:"resent,omitempty"`
	// Recorded says that it is recorded from which account the user came, and that the user
	// is connected if that was asked for.
	Recorded bool             `json:"recorded,omitempty"`
	User     directory.UserID `json:"userId,omitempty"` // in JumpCloud, once it is imported
}

// Fill fills in what the user of the account gets in JumpCloud.
func (l *ImportLine) Fill(upn directory.UPN, user directory.User) {
	l.UPN, l.Email, l.Username, l.FirstName, l.LastName = upn, user.Email, user.Username, user.FirstName, user.LastName
}

// Imported makes the line final: JumpCloud has the user.
func (l *ImportLine) Imported(user directory.UserID, message string) {
	l.Status, l.User, l.Message, l.Sent, l.Resent = LineImported, user, message, false, false
}

// Fail makes the line final: the account was not imported, and the message says why.
func (l *ImportLine) Fail(message string) { l.Status, l.Message = LineFailed, message }

// Final reports whether it is known what became of the account.
func (l *ImportLine) Final() bool { return l.Status == LineImported || l.Status == LineFailed }

// ImportChunkSize is how many lines a chunk has at most.
const ImportChunkSize = 100

// ImportChunk is a part of the lines of an import. Its lines are sent in batches, one after
// the other; the lines of the present batch are LineSent.
type ImportChunk struct {
	Import string       `json:"importId"`
	Number int          `json:"number"` // from 0
	Lines  []ImportLine `json:"lines"`
	// Batch is how many lines are sent together at most; 0: all. It gets smaller when
	// JumpCloud refuses a batch as a whole.
	Batch int `json:"batch,omitempty"`
	// SentAt is when the present batch was about to be sent; zero if there is none. Job is
	// JumpCloud's id of the bulk job; "" if it is not known whether JumpCloud has it.
	SentAt time.Time `json:"sentAt,omitzero"`
	Job    string    `json:"job,omitempty"`
	// ResultsAt is when all results of the batch were there; zero before.
	ResultsAt time.Time `json:"resultsAt,omitzero"`
	Done      bool      `json:"done"`
	Version   int64     `json:"-"`
}

// Stop is the request to stop an import.
type Stop struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// importPK is the partition key of an import and its chunks.
func importPK(id string) string { return join(importPart, id) }

// openImportsPK is the partition key of the imports that have not ended.
var openImportsPK = join(importPart, "open")

// The sort keys of an import.
const (
	importSK    = "import"
	stopSK      = "stop"
	chunkPrefix = "chunk"
)

// chunkKey is the key of a chunk.
func chunkKey(id string, number int) Key {
	return Key{PK: importPK(id), SK: join(chunkPrefix, fmt.Sprintf("%06d", number))}
}

// importItem is the item of an import, in the index of those of its directory.
func importItem(i Import) (Item, error) {
	item, err := encode(Key{PK: importPK(i.ID), SK: importSK}, i)
	item.IndexPK, item.IndexSK = join(importPart, string(i.Directory)), i.ID
	item.Expires = i.CreatedAt.Add(importRetention).Unix()
	return item, err
}

// CreateImport stores a new import. Its chunks, if it has any yet, have been stored before.
func (s *Store) CreateImport(ctx context.Context, i Import) error {
	item, err := importItem(i)
	if err != nil {
		return err
	}
	open, err := encode(Key{PK: openImportsPK, SK: i.ID}, i.ID)
	if err != nil {
		return err
	}
	return s.table.Transact(ctx, []Write{{Item: item, If: Absent}, {Item: open, If: Any}})
}

// Import reads an import; NotFound if there is none, or none any more.
func (s *Store) Import(ctx context.Context, id string) (Import, error) {
	i, version, err := get[Import](ctx, s, Key{PK: importPK(id), SK: importSK})
	i.Version = version
	return i, missing(err, "import", id)
}

// PutImport writes an import if nobody changed it since it was read; Changed otherwise. It
// returns the import with its new version.
func (s *Store) PutImport(ctx context.Context, i Import) (Import, error) {
	item, err := importItem(i)
	if err != nil {
		return i, err
	}
	version, err := s.table.Put(ctx, item, IfVersion(i.Version))
	if err == nil {
		i.Version = version
	}
	return i, err
}

// Imports lists the imports of a directory, the newest ones first.
func (s *Store) Imports(ctx context.Context, id directory.ID, limit int, cursor string) (List[Import], error) {
	return list[Import](ctx, s, Query{PK: join(importPart, string(id)), Index: true, Backward: true, Limit: limit, Cursor: cursor})
}

// OpenImports are the ids of up to limit imports on which there is something left to do,
// the oldest ones first.
func (s *Store) OpenImports(ctx context.Context, limit int) ([]string, error) {
	open, err := list[string](ctx, s, Query{PK: openImportsPK, Limit: limit})
	return open.Items, err
}

// CloseImport says that nothing is left to do on an import.
func (s *Store) CloseImport(ctx context.Context, id string) error {
	return s.table.Delete(ctx, Key{PK: openImportsPK, SK: id}, Any)
}

// StopImport stores that an import is to be stopped. A second request changes nothing.
func (s *Store) StopImport(ctx context.Context, i Import, stop Stop) error {
	item, err := encode(Key{PK: importPK(i.ID), SK: stopSK}, stop)
	if err != nil {
		return err
	}
	item.Expires = i.CreatedAt.Add(importRetention).Unix()
	if _, err = s.table.Put(ctx, item, Absent); fault.Is(err, fault.Changed) {
		return nil
	}
	return err
}

// ImportStop reads the request to stop an import; NotFound if there is none.
func (s *Store) ImportStop(ctx context.Context, id string) (Stop, error) {
	stop, _, err := get[Stop](ctx, s, Key{PK: importPK(id), SK: stopSK})
	return stop, err
}

// ImportChunk reads a chunk; NotFound if there is none.
func (s *Store) ImportChunk(ctx context.Context, id string, number int) (ImportChunk, error) {
	c, version, err := get[ImportChunk](ctx, s, chunkKey(id, number))
	c.Version = version
	return c, missing(err, "chunk of the import", id)
}

// PutImportChunk writes a chunk, which is kept as long as its import, that was created at
// a time. A new chunk, of version 0, replaces one of the same number: it is the same part of
// the same list. Otherwise it returns Changed if somebody changed the chunk since it was
// read.
func (s *Store) PutImportChunk(ctx context.Context, c ImportChunk, created time.Time) (ImportChunk, error) {
	item, err := encode(chunkKey(c.Import, c.Number), c)
	if err != nil {
		return c, err
	}
	item.Expires = created.Add(importRetention).Unix()
	cond := IfVersion(c.Version)
	if c.Version == 0 {
		cond = Any
	}
	version, err := s.table.Put(ctx, item, cond)
	if err == nil {
		c.Version = version
	}
	return c, err
}

// EachImportChunk calls do with every chunk of an import, in their order. An error of do
// ends the walk.
func (s *Store) EachImportChunk(ctx context.Context, id string, do func(ImportChunk) error) error {
	return s.each(ctx, Query{PK: importPK(id), SKPrefix: chunkPrefix}, func(item Item) error {
		c, err := decode[ImportChunk](item)
		if err != nil {
			return err
		}
		c.Version = item.Version
		return do(c)
	})
}
