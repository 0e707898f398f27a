package largeimport_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/largeimport"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/functiontest"
	"entrasync/shared/importing"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/fileresults"
	"entrasync/shared/local/localtest"
	"entrasync/shared/mail"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// timeout is that of the function.
const timeout = 15 * time.Minute

// tester is what tests and property tests have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// fixture is the function with a directory.
type fixture struct {
	*functiontest.Kit
	t         tester
	folder    string
	directory directory.Directory
	handler   largeimport.Handler
	parts     importing.Parts
	jobs      lane
	users     lane
	mails     postbox
	// outside is called with every request before it is served; its error is the answer, as
	// a response if it is a refusal.
	outside func(*http.Request) error
	// listed changes the pages of the list of accounts.
	listed func(page []byte) []byte
}

// newFixture starts everything.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	return fixtureIn(t, localtest.Folder(t), t.Cleanup)
}

func fixtureIn(t tester, folder string, cleanup func(func())) *fixture {
	t.Helper()
	f := &fixture{t: t, folder: folder}
	f.Kit = functiontest.New(t, functiontest.Config{Folder: folder, Cleanup: cleanup, Transport: f})
	f.directory = f.Directory("main", nil)
	f.parts = importing.Parts{Store: f.Store, Clients: f.Clients(), Jobs: &f.jobs, Users: &f.users}
	f.handler = f.newHandler(f.parts)
	return f
}

// newHandler makes a handler with some parts.
func (f *fixture) newHandler(p importing.Parts) largeimport.Handler {
	f.t.Helper()
	files, err := fileresults.Open(filepath.Join(f.folder, "results"), "http://files.example", []byte("a key of the tests, long enough!"))
	f.Must(err)
	handler, err := largeimport.New(p, importing.Delivery{Results: files, Mail: &f.mails, Address: "https://entrasync.example"})
	f.Must(err)
	return handler
}

// RoundTrip implements http.RoundTripper.
func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.outside != nil {
		var refused refusal
		if err := f.outside(r); errors.As(err, &refused) {
			return &http.Response{StatusCode: refused.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(refused.body)), Request: r}, nil
		} else if err != nil {
			return nil, err
		}
	}
	response, err := f.Kit.RoundTrip(r)
	if err != nil || f.listed == nil || r.URL.Path != "/v1.0/users" {
		return response, err
	}
	page, err := io.ReadAll(response.Body)
	changed := f.listed(page)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(changed)), int64(len(changed))
	response.Header.Del("Content-Length")
	return response, err
}

// lane keeps the messages that are sent to it.
type lane struct {
	mu   sync.Mutex
	sent []queue.Message
}

// Send implements queue.Sender.
func (l *lane) Send(_ context.Context, messages ...queue.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, messages...)
	return nil
}

// postbox keeps the mails that are sent to it.
type postbox struct {
	mu     sync.Mutex
	got    []mail.Message
	refuse error
}

// Send implements mail.Sender.
func (p *postbox) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return p.refuse
	}
	p.got = append(p.got, m)
	return nil
}

// account adds an account with an alias to the tenant; edit changes its properties first.
func (f *fixture) account(alias string, edit func(*entratest.User)) directory.EntraID {
	f.t.Helper()
	u := entratest.User{UserPrincipalName: alias + "@" + functiontest.Domain, DisplayName: alias, AccountEnabled: true,
		Properties: map[string]any{"mailNickname": alias, "givenName": "G-" + alias, "surname": "Lee"}}
	if edit != nil {
		edit(&u)
	}
	added, err := f.Tenant.AddUser(u)
	f.Must(err)
	return directory.EntraID(added.ID)
}

// start makes an import.
func (f *fixture) start(c importing.Choice) store.Import {
	f.t.Helper()
	c.Directory = f.directory.ID
	if c.By == "" {
		c.By = "the test"
	}
	job, err := f.parts.Start(context.Background(), c)
	f.Must(err)
	return job
}

// work invokes the function as its schedule does until nothing is left to do, and returns
// the import and its lines.
func (f *fixture) work(id string) (store.Import, []store.ImportLine) {
	f.t.Helper()
	for range 2000 {
		f.invoke(largeimport.Event{})
		if open, err := f.Store.OpenImports(context.Background(), importing.MostOpen); err == nil && len(open) == 0 {
			return f.result(id)
		}
		time.Sleep(time.Minute)
	}
	f.t.Fatalf("the import does not end: %+v", f.job(id))
	return store.Import{}, nil
}

// invoke invokes the function as Lambda does.
func (f *fixture) invoke(e largeimport.Event) events.SQSEventResponse {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	response, err := f.handler.Handle(ctx, e)
	f.Must(err)
	return response
}

// job reads an import.
func (f *fixture) job(id string) store.Import {
	f.t.Helper()
	job, err := f.Store.Import(context.Background(), id)
	f.Must(err)
	return job
}

// result reads an import and its lines.
func (f *fixture) result(id string) (store.Import, []store.ImportLine) {
	f.t.Helper()
	var lines []store.ImportLine
	f.Must(f.Store.EachImportChunk(context.Background(), id, func(c store.ImportChunk) error {
		lines = append(lines, c.Lines...)
		return nil
	}))
	return f.job(id), lines
}

// file reads the lines of an import from its file.
func (f *fixture) file(id string) []importing.Line {
	f.t.Helper()
	file, err := os.Open(filepath.Join(f.folder, "results", "imports", id, "results.jsonl"))
	f.Must(err)
	defer func() { f.Must(file.Close()) }()
	var lines []importing.Line
	for reader := bufio.NewReader(file); ; {
		text, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return lines
		}
		f.Must(err)
		var line importing.Line
		f.Must(json.Unmarshal(text, &line))
		lines = append(lines, line)
	}
}

// people are the users of JumpCloud by username.
func (f *fixture) people() map[string]jumpcloudtest.Fields {
	all := map[string]jumpcloudtest.Fields{}
	for _, u := range f.JumpCloud.Users() {
		all[u.Text("username")] = u
	}
	return all
}

// said is what a line says, for comparison with the beginning of a message.
func said(line store.ImportLine) string {
	return strings.TrimSpace(string(line.Status) + " " + line.Message)
}

// records are messages as the queue delivers them; their ids are their numbers.
func records(messages ...queue.Message) []events.SQSMessage {
	all := make([]events.SQSMessage, len(messages))
	for i, m := range messages {
		all[i] = events.SQSMessage{MessageId: strconv.Itoa(i), Body: string(m.Body)}
	}
	return all
}

// refusal is an answer instead of that of the simulator.
type refusal struct {
	status int
	body   string
}

// Error implements error.
func (r refusal) Error() string { return r.body }

// peek reads the body of a request and leaves it as it is.
func peek(r *http.Request) (string, error) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return string(body), err
}
