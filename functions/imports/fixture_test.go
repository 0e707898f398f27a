package imports_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/imports"
	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/importapi"
	"entrasync/shared/importing"
	"entrasync/shared/local/fileresults"
	"entrasync/shared/local/localtest"
	"entrasync/shared/mail"
	"entrasync/shared/queue"
)

const (
	token = "canary-api-token"
	// timeout is that of the function.
	timeout = 29 * time.Second
)

// fixture is the function with a directory, and what works on the imports that it leaves.
type fixture struct {
	*functiontest.Kit
	t         *testing.T
	directory directory.Directory
	api       importapi.API
	handler   api.Handler
	files     *fileresults.Store
	jobs      lane
	mails     postbox
	outside   functiontest.Hanging
	authFails bool // the token cannot be read
}

// newFixture starts everything.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t}
	folder := localtest.Folder(t)
	f.Kit = functiontest.New(t, functiontest.Config{Folder: folder, Cleanup: t.Cleanup, Transport: f})
	f.directory = f.Directory("main", nil)
	var err error
	f.files, err = fileresults.Open(filepath.Join(folder, "results"), "http://files.example", []byte("a key of the tests, long enough!"))
	f.Must(err)
	f.api = importapi.API{Parts: importing.Parts{Store: f.Store, Clients: f.Clients(), Jobs: &f.jobs, Users: &lane{}}, Results: f.files,
		Auth: api.TokenAuth(func(context.Context) (string, error) {
			if f.authFails {
				return "", fault.New(fault.Transient, "test", "the secret store does not answer")
			}
			return token, nil
		})}
	f.serve(f.api)
	return f
}

// serve makes the handler of an API.
func (f *fixture) serve(a importapi.API) {
	f.t.Helper()
	var err error
	f.handler, err = imports.New(a)
	f.Must(err)
}

// RoundTrip implements http.RoundTripper.
func (f *fixture) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := f.outside.Before(r); err != nil {
		return nil, err
	}
	return f.Kit.RoundTrip(r)
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
type postbox struct{ got []mail.Message }

// Send implements mail.Sender.
func (p *postbox) Send(_ context.Context, m mail.Message) error {
	p.got = append(p.got, m)
	return nil
}

// account adds an account with an alias to the tenant; edit, if any, changes its properties
// first.
func (f *fixture) account(alias string, edit func(*entratest.User)) string {
	f.t.Helper()
	u := entratest.User{UserPrincipalName: alias + "@" + functiontest.Domain, DisplayName: "Ms " + alias, AccountEnabled: true,
		Properties: map[string]any{"mailNickname": alias, "givenName": "G-" + alias, "surname": "Lee"}}
	if edit != nil {
		edit(&u)
	}
	added, err := f.Tenant.AddUser(u)
	f.Must(err)
	return added.ID
}

// accounts adds n accounts.
func (f *fixture) accounts(n int) []string {
	f.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = f.account(fmt.Sprintf("p%04d", i), nil)
	}
	return ids
}

// answer is what a request is answered with.
type answer struct {
	Status  int
	Headers http.Header
	Body    map[string]any
}

// number is a number of the body; -1 if there is none of that name.
func (a answer) number(name string) int {
	if n, is := a.Body[name].(float64); is {
		return int(n)
	}
	return -1
}

// text is a text of the body; "" if there is none of that name.
func (a answer) text(name string) string {
	text, _ := a.Body[name].(string)
	return text
}

// objects are the objects of a list of the body.
func (a answer) objects(name string) []map[string]any {
	list, _ := a.Body[name].([]any)
	objects := make([]map[string]any, len(list))
	for i := range list {
		objects[i], _ = list[i].(map[string]any)
	}
	return objects
}

// refused says where in the request the mistake is, and what it is.
func (a answer) refused() string {
	said := a.text("detail")
	for _, e := range a.objects("errors") {
		said += fmt.Sprintf(" | %v: %v", e["location"], e["message"])
	}
	return said
}

// call sends a request with the token.
func (f *fixture) call(method, path string, body any) answer {
	f.t.Helper()
	return f.send(f.request(method, path, body))
}

// request is a request with the token.
func (f *fixture) request(method, path string, body any) events.APIGatewayV2HTTPRequest {
	f.t.Helper()
	raw := ""
	if body != nil {
		encoded, err := json.Marshal(body)
		f.Must(err)
		raw = string(encoded)
	}
	rawPath, query, _ := strings.Cut(path, "?")
	r := events.APIGatewayV2HTTPRequest{RawPath: rawPath, RawQueryString: query, Body: raw,
		Headers: map[string]string{"content-type": "application/json", "host": "localhost", "authorization": "Bearer " + token}}
	r.RequestContext.HTTP.Method, r.RequestContext.HTTP.Path = method, rawPath
	return r
}

// send sends a request as Lambda does.
func (f *fixture) send(r events.APIGatewayV2HTTPRequest) answer {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), timeout)
	defer cancel()
	response, err := f.handler.Handle(ctx, r)
	f.Must(err)
	if strings.Contains(response.Body, "canary") {
		f.t.Errorf("%s %s shows a secret", r.RequestContext.HTTP.Method, r.RawPath)
	}
	a := answer{Status: response.StatusCode, Headers: http.Header{}}
	for name, value := range response.Headers {
		a.Headers.Set(name, value)
	}
	for name, values := range response.MultiValueHeaders {
		a.Headers[http.CanonicalHeaderKey(name)] = values
	}
	if response.Body != "" {
		f.Must(json.Unmarshal([]byte(response.Body), &a.Body))
	}
	return a
}

// ofDirectory is a path below the directory.
func (f *fixture) ofDirectory(path string) string {
	return "/v1/directories/" + string(f.directory.ID) + path
}

// create makes an import, which must be taken.
func (f *fixture) create(body map[string]any) answer {
	f.t.Helper()
	got := f.call("POST", f.ofDirectory("/imports"), body)
	if got.Status != http.StatusAccepted {
		f.t.Fatalf("an import of %v: %d %s, want 202", body, got.Status, got.refused())
	}
	return got
}

// get reads an import.
func (f *fixture) get(id string) answer {
	f.t.Helper()
	got := f.call("GET", "/v1/imports/"+id, nil)
	if got.Status != http.StatusOK {
		f.t.Fatalf("the import %s: %d %s, want 200", id, got.Status, got.refused())
	}
	return got
}

// work works on all open imports until nothing is left to do, as the function largeimport
// does, and returns one of them.
func (f *fixture) work(id string) answer {
	f.t.Helper()
	worker := importing.Worker{Parts: f.api.Parts, Delivery: &importing.Delivery{Results: f.files, Mail: &f.mails, Address: "https://entrasync.example"}}
	for range 100 {
		open, err := f.Store.OpenImports(context.Background(), importing.MostOpen)
		f.Must(err)
		if len(open) == 0 {
			return f.get(id)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
		f.Must(worker.WorkOnSome(ctx, open, 1))
		cancel()
		time.Sleep(time.Minute)
	}
	f.t.Fatalf("the import does not end: %v", f.get(id).Body)
	return answer{}
}

// follow reads the file that an answer leads to.
func (f *fixture) follow(a answer) (status int, text string) {
	f.t.Helper()
	if a.Status != http.StatusFound {
		f.t.Fatalf("the answer is %d, want 302", a.Status)
	}
	return f.open(a.Headers.Get("Location"))
}

// open reads the file at an address.
func (f *fixture) open(link string) (status int, text string) {
	f.t.Helper()
	address, err := url.Parse(link)
	f.Must(err)
	if address.Host != "files.example" {
		f.t.Fatalf("the answer leads to %q, want the file", link)
	}
	w := httptest.NewRecorder()
	f.files.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address.String(), nil))
	return w.Code, w.Body.String()
}

// linkInMail finds the link to results in a mail.
var linkInMail = regexp.MustCompile(`https://entrasync\.example(/v1/imports/[^ ?]+/results\?key=[A-Z0-9]+)`)

// mailed is the path of the link in the last mail.
func (f *fixture) mailed() string {
	f.t.Helper()
	if len(f.mails.got) == 0 {
		f.t.Fatal("no mail was sent, want one")
	}
	found := linkInMail.FindStringSubmatch(f.mails.got[len(f.mails.got)-1].Text)
	if found == nil {
		f.t.Fatalf("the mail has no link: %s", f.mails.got[len(f.mails.got)-1].Text)
	}
	return found[1]
}
