package importing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/mail"
	"entrasync/shared/results"
	"entrasync/shared/spreadsheet"
	"entrasync/shared/store"
)

// Format is a format of the file with the lines of an import.
type Format string

// The formats.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
)

// formats are what is to be known of each format.
var formats = map[Format]struct {
	contentType string
	write       func(io.Writer, func(func(store.ImportLine) error) error) error
}{
	CSV:       {spreadsheet.ContentType, writeCSV},
	JSONLines: {"application/jsonl; charset=utf-8", writeJSONLines},
}

const (
	// keyLife is how long the link in the mail works.
	keyLife = 7 * 24 * time.Hour
	// linkLife is how long the address works to which it leads.
	linkLife = 5 * time.Minute
)

// Delivery is how the results of an import reach people.
type Delivery struct {
	Results results.Store
	Mail    mail.Sender
	// Address is the root of the API for the links in mails.
	Address string
}

// Check returns a fault that names the first part that is missing.
func (d Delivery) Check() error {
	return fault.Missing("importing.new", fault.Part{Name: "Results", There: d.Results != nil}, fault.Part{Name: "Mail", There: d.Mail != nil},
		fault.Part{Name: "Address", There: d.Address != ""})
}

// file is the name of the file of an import in the result store.
func file(id string, f Format) string { return "imports/" + id + "/results." + string(f) }

// WriteFiles writes the lines of an import into the result store, in each format.
func (p Parts) WriteFiles(ctx context.Context, to results.Store, id string) error {
	for _, format := range slices.Sorted(slices.Values([]Format{CSV, JSONLines})) {
		from, into := io.Pipe()
		go func() {
			err := formats[format].write(into, func(do func(store.ImportLine) error) error {
				return p.Store.EachImportChunk(ctx, id, func(c store.ImportChunk) error {
					for _, line := range c.Lines {
						if err := do(line); err != nil {
							return err
						}
					}
					return nil
				})
			})
			into.CloseWithError(err)
		}()
		err := to.Put(ctx, file(id, format), formats[format].contentType, from)
		from.CloseWithError(err) // if not all was read
		if err != nil {
			return err
		}
	}
	return nil
}

// Line is what became of one account, as the API and the files show it.
type Line struct {
	ID        directory.EntraID `json:"id,omitempty" doc:"The object id of the account; missing if only its sign-in name was given and there is none"`
	UPN       directory.UPN     `json:"userPrincipalName"`
	Email     string            `json:"email"`
	Username  string            `json:"username"`
	FirstName string            `json:"firstname"`
	LastName  string            `json:"lastname"`
	Status    store.LineStatus  `json:"status" enum:"waiting,sent,imported,failed" doc:"imported and failed are final"`
	Message   string            `json:"message,omitempty" doc:"Why it was not imported, with what to do"`
	User      directory.UserID  `json:"userId,omitempty" doc:"The new user in JumpCloud"`
}

// LineOf is the line of a chunk as it is shown.
func LineOf(l store.ImportLine) Line {
	return Line{l.ID, l.UPN, l.Email, l.Username, l.FirstName, l.LastName, l.Status, l.Message, l.User}
}

// columns are the columns of the CSV, as JSON Lines name them.
var columns = []string{"status", "message", "email", "username", "firstname", "lastname", "userPrincipalName", "id", "userId"}

// writeCSV writes lines as CSV for a spreadsheet.
func writeCSV(to io.Writer, each func(func(store.ImportLine) error) error) error {
	table, err := spreadsheet.NewWriter(to, columns...)
	if err != nil {
		return err
	}
	err = each(func(l store.ImportLine) error {
		return table.Write(string(l.Status), l.Message, l.Email, l.Username, l.FirstName, l.LastName, string(l.UPN), string(l.ID), string(l.User))
	})
	if err != nil {
		return err
	}
	return table.Flush()
}

// writeJSONLines writes each line as a JSON object in a line of its own.
func writeJSONLines(to io.Writer, each func(func(store.ImportLine) error) error) error {
	lines := json.NewEncoder(to)
	lines.SetEscapeHTML(false)
	return each(func(l store.ImportLine) error { return lines.Encode(LineOf(l)) })
}

// ResultsLink is an address of the file of an import that works for some minutes without a
// token.
func (p Parts) ResultsLink(ctx context.Context, in results.Linker, job store.Import, f Format) (string, error) {
	if !job.Delivered {
		return "", &fault.Error{Op: "importing.results", Kind: fault.Conflict, Subject: job.ID, Message: "the results are not written yet: the import has not ended"}
	}
	return in.Link(ctx, file(job.ID, f), "import-"+job.EndedAt.Format(time.DateOnly)+"-"+job.ID[:8]+"."+string(f), linkLife)
}

// newKey makes a key with which whoever has it can read the results of one import until a
// time, and what is stored of it, which does not give the key away.
func newKey(now time.Time) (key string, kept store.ImportKey) {
	key = rand.Text()
	return key, store.ImportKey{Hash: hashOf(key), Until: now.Add(keyLife)}
}

// hashOf is what is stored of a key: it is random, so that a plain hash is enough.
func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Opens reports whether a key reads the results of an import.
func Opens(job store.Import, key string) bool {
	opens := 0
	for _, kept := range job.Keys {
		if time.Now().Before(kept.Until) {
			opens |= subtle.ConstantTimeCompare([]byte(kept.Hash), []byte(hashOf(key)))
		}
	}
	return opens == 1
}

// resultsURL is the address in the mail.
func resultsURL(base, id, key string) string {
	return strings.TrimSuffix(base, "/") + "/v1/imports/" + url.PathEscape(id) + "/results?key=" + url.QueryEscape(key)
}
