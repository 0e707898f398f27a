package imports_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/functions/imports"
	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/importapi"
	"entrasync/shared/importing"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// A small import is worked on while the request waits: its answer says what became of each
// account. One that is larger is left to the function largeimport.
func TestLinesAreInTheAnswer(t *testing.T) {
	for _, n := range []int{1, 100, 101} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				ids := f.accounts(n)
				made := f.create(map[string]any{"userIds": ids})
				small := n <= importapi.ShownLines
				if made.number("total") != n || made.Body["counting"] != false || made.text("by") != "admin token" || made.text("directoryId") != string(f.directory.ID) {
					t.Errorf("the import: %v, want all %d counted, started by the admin token", made.Body, n)
				}
				if small && (made.text("status") != "finished" || made.number("imported") != n) || !small && (made.text("status") != "queued" || made.number("done") != 0) {
					t.Errorf("%d accounts: %v, want finished at once if they are few, and queued otherwise", n, made.Body)
				}
				done := f.work(made.text("jobId"))
				if done.text("status") != "finished" || done.number("done") != n || done.number("imported") != n || done.number("failed") != 0 || done.text("endedAt") == "" || done.text("resultsUrl") == "" {
					t.Errorf("the import in the end: %v, want %d imported, its end and its file", done.Body, n)
				}
				for _, got := range []answer{made, done} {
					lines := got.objects("results")
					if _, there := got.Body["results"]; there != small || small && len(lines) != n {
						t.Errorf("%d lines in the answer of an import of %d, want %t", len(lines), n, small)
					}
					for i, line := range lines {
						name := fmt.Sprintf("p%04d", i)
						if line["id"] != ids[i] || line["username"] != name || line["email"] != name+"@contoso.example" || line["userPrincipalName"] != name+"@contoso.example" ||
							line["firstname"] != "G-"+name || line["lastname"] != "Lee" || line["status"] != "imported" || line["userId"] == "" || line["message"] != nil {
							t.Errorf("line %d: %v, want %s imported", i, line, name)
						}
					}
				}
				if n := len(f.JumpCloud.Users()); n != len(ids) {
					t.Errorf("JumpCloud has %d users, want %d", n, len(ids))
				}
			})
		})
	}
}

// All of a list can be chosen; the accounts are counted and imported by the function
// largeimport.
func TestAllOfAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.accounts(12)
		f.Hire("p0003")
		for _, tc := range []struct {
			body                    map[string]any
			total, imported, failed int
		}{
			{map[string]any{"all": true, "search": "p0001"}, 1, 1, 0},
			{map[string]any{"all": true, "search": "p00", "status": "new"}, 10, 10, 0},
			{map[string]any{"all": true}, 12, 0, 12},
			{map[string]any{"all": true, "search": "nobody"}, 0, 0, 0},
		} {
			made := f.create(tc.body)
			if made.text("status") != "queued" || made.Body["counting"] != true || made.Body["results"] != nil {
				t.Errorf("%v: %v, want it queued, and that the accounts are still counted", tc.body, made.Body)
			}
			done := f.work(made.text("jobId"))
			if done.number("total") != tc.total || done.number("imported") != tc.imported || done.number("failed") != tc.failed || len(done.objects("results")) != tc.total {
				t.Errorf("%v: %v, want %d accounts, %d imported, %d failed, and their lines", tc.body, done.Body, tc.total, tc.imported, tc.failed)
			}
		}
	})
}

// A CSV names accounts by their sign-in names.
func TestACSV(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.account("o'neil", nil)
		made := f.create(map[string]any{"csv": "\uFEFFName;UPN\r\nO'Neil;O'Neil@contoso.example\r\nNobody;nobody@contoso.example\r\nTwice;o'neil@contoso.example\r\n"})
		var got []string
		for _, line := range made.objects("results") {
			got = append(got, fmt.Sprintf("%v %v %v", line["userPrincipalName"], line["status"], line["username"]))
		}
		if want := []string{"o'neil@contoso.example imported oneil", "nobody@contoso.example failed "}; !slices.Equal(got, want) {
			t.Errorf("lines: %q, want %q", got, want)
		}
	})
}

// A choice that cannot be meant is refused, and makes no import.
func TestChoicesThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.account("ann", nil)
		ids := func(n int) []string {
			many := make([]string, n)
			for i := range many {
				many[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
			}
			return many
		}
		long := strings.Repeat("a", 2000)
		for name, tc := range map[string]struct {
			body   any
			status int
			says   string
		}{
			"nothing":                   {map[string]any{}, 422, "userIds, csv, or all"},
			"all that is not meant":     {map[string]any{"all": false}, 422, "userIds, csv, or all"},
			"two ways":                  {map[string]any{"all": true, "userIds": []string{id}}, 422, "in one way"},
			"two other ways":            {map[string]any{"csv": "a@b.example", "userIds": []string{id}}, 422, "in one way"},
			"three ways":                {map[string]any{"all": true, "csv": "a@b.example", "userIds": []string{id}}, 422, "in one way"},
			"search of ids":             {map[string]any{"userIds": []string{id}, "search": "a"}, 422, "body.all"},
			"status of a CSV":           {map[string]any{"csv": "a@b.example", "status": "new"}, 422, "body.all"},
			"no ids":                    {map[string]any{"userIds": []string{}}, 422, "body.userIds"},
			"too many ids":              {map[string]any{"userIds": ids(importing.MostChosen + 1)}, 422, "body.userIds"},
			"too many rows":             {map[string]any{"csv": strings.Join(ids(importing.MostChosen+1), "@b.example\n") + "@b.example"}, 422, "body.csv"},
			"an id that is none":        {map[string]any{"userIds": []string{id, long}}, 422, "body.userIds"},
			"a name that is none":       {map[string]any{"csv": long + "@b.example"}, 422, "body.csv"},
			"a row that is none":        {map[string]any{"csv": "upn\na@b.example\nannb.example"}, 422, "line 3"},
			"an empty CSV":              {map[string]any{"csv": ""}, 422, "body.csv"},
			"a CSV with a heading only": {map[string]any{"csv": "upn\n"}, 422, "body.csv"},
			"an unknown status":         {map[string]any{"all": true, "status": "old"}, 422, "body.status"},
			"an unknown field":          {map[string]any{"all": true, "users": 1}, 422, "body.users"},
			"bad notify":                {map[string]any{"userIds": []string{id}, "notify": []string{"ann@contoso.example", "nobody"}}, 422, "body.notify[1]"},
			"an address beyond ASCII":   {map[string]any{"userIds": []string{id}, "notify": []string{"ann@bücher.example"}}, 422, "body.notify[0]"},
			"too many addresses":        {map[string]any{"userIds": []string{id}, "notify": slices.Repeat([]string{"ann@contoso.example"}, 11)}, 422, "body.notify"},
		} {
			if got := f.call("POST", f.ofDirectory("/imports"), tc.body); got.Status != tc.status || !strings.Contains(got.refused(), tc.says) {
				t.Errorf("%s: %d %s, want %d and %q", name, got.Status, got.refused(), tc.status, tc.says)
			}
		}
		nobodys := "/v1/directories/" + string(functiontest.Organization) + "-nobodys/imports"
		if got := f.call("POST", nobodys, map[string]any{"userIds": []string{id}}); got.Status != http.StatusNotFound || !strings.Contains(got.refused(), "path.id") {
			t.Errorf("an unknown directory: %d %s, want 404 and path.id", got.Status, got.refused())
		}
		unread := "/v1/directories/" + string(f.unread().ID) + "/imports"
		for _, body := range []map[string]any{{"userIds": []string{id}}, {"all": true}} {
			if got := f.call("POST", unread, body); got.Status != http.StatusConflict || !strings.Contains(got.refused(), "authorize the directory first") {
				t.Errorf("a directory whose tenant was never read, with %v: %d %s, want 409 and that it must be authorized", body, got.Status, got.refused())
			}
		}
		if open, err := f.Store.OpenImports(t.Context(), 100); err != nil || len(open) != 0 || len(f.jobs.sent) != 0 {
			t.Errorf("refused choices left the imports %v (%v) and %d messages, want none", open, err, len(f.jobs.sent))
		}
	})
}

// The imports of a directory are listed without their lines, the newest ones first.
func TestImportsAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var want, got []string
		for _, id := range f.accounts(5) {
			want = append([]string{f.create(map[string]any{"userIds": []string{id}}).text("jobId")}, want...)
			time.Sleep(time.Second)
		}
		for cursor := "?limit=2"; cursor != ""; {
			page := f.call("GET", f.ofDirectory("/imports"+cursor), nil)
			for _, item := range page.objects("items") {
				if got = append(got, fmt.Sprint(item["jobId"])); item["results"] != nil || item["imported"] != 1.0 {
					t.Errorf("an import in the list: %v, want one imported, and no lines", item)
				}
			}
			if cursor = page.text("cursor"); cursor != "" {
				cursor = "?limit=2&cursor=" + cursor
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the list has %q, want %q", got, want)
		}
	})
}

// A JumpCloud that never answers leaves the import to the function largeimport.
func TestARequestThatHangsIsAnswered(t *testing.T) {
	for n := 1; ; n++ {
		hung := false
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			ids := f.accounts(3)
			f.outside.Begin(n)
			start := time.Now()
			made := f.create(map[string]any{"userIds": ids})
			if took := time.Since(start); took > timeout-time.Second {
				t.Errorf("request %d hangs: the answer took %s, want less than %s", n, took, timeout-time.Second)
			}
			if hung = f.outside.First() != ""; hung && made.text("status") != "running" {
				t.Errorf("%s hangs, and the import is %s, want running", f.outside.First(), made.text("status"))
			}
			f.outside.End()
			done := f.work(made.text("jobId"))
			if done.text("status") != "finished" || done.number("imported") != len(ids) || len(f.JumpCloud.Users()) != len(ids) {
				t.Errorf("%s hung, and the import says in the end %v, with %d users, want %d imported", f.outside.First(), done.Body, len(f.JumpCloud.Users()), len(ids))
			}
		})
		if !hung {
			if n < 5 {
				t.Errorf("an import sends %d requests, want more: nothing was tested", n-1)
			}
			return
		}
	}
}

// An import that was made is not an error, whatever becomes of the work on it in the
// request: whoever got an error would make it twice.
func TestAnImportThatWasMadeIsAnswered(t *testing.T) {
	for n, failed := 1, "-"; failed != ""; n++ {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			table := functiontest.NewFailing(f.Table, n)
			a := f.api
			a.Parts.Store = store.New(table)
			f.serve(a)
			ids := f.accounts(2)
			got := f.call("POST", f.ofDirectory("/imports"), map[string]any{"userIds": ids})
			failed = table.Failed()
			open, err := f.Store.OpenImports(t.Context(), 9)
			f.Must(err)
			if made := len(open) == 1; made != (got.Status == http.StatusAccepted) {
				t.Errorf("%s failed (call %d), and the answer is %d %s, with the open imports %q, want 202 if there is one", failed, n, got.Status, got.refused(), open)
			}
			f.serve(f.api)
			if len(open) == 1 {
				if done := f.work(open[0]); done.number("imported") != len(ids) || done.text("status") != "finished" {
					t.Errorf("%s failed (call %d), and the import says in the end %v, want %d imported", failed, n, done.Body, len(ids))
				}
			}
		})
	}
}

// An import that is stopped tries no further accounts; its failed lines can be repeated.
func TestStopAndRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.create(map[string]any{"userIds": f.accounts(101), "connect": true, "notify": []string{"ann@contoso.example"}}).text("jobId")
		if got := f.call("POST", "/v1/imports/"+id+"/repeat", nil); got.Status != http.StatusConflict || !strings.Contains(got.refused(), "has not ended") {
			t.Errorf("repeating an import that has not ended: %d %s, want 409", got.Status, got.refused())
		}
		for range 2 { // the second request changes nothing
			if got := f.call("POST", "/v1/imports/"+id+"/stop", nil); got.Status != http.StatusAccepted {
				t.Errorf("stopping: %d %s, want 202", got.Status, got.refused())
			}
		}
		stopped := f.work(id)
		if stopped.text("status") != "stopped" || stopped.number("failed") != 101 || !strings.Contains(stopped.text("message"), "stopped by admin token") || len(f.JumpCloud.Users()) != 0 {
			t.Errorf("the import: %v, want it stopped by the admin token before all 101", stopped.Body)
		}
		if got := f.call("POST", "/v1/imports/"+id+"/stop", nil); got.Status != http.StatusConflict {
			t.Errorf("stopping an import that has ended: %d %s, want 409", got.Status, got.refused())
		}
		again := f.call("POST", "/v1/imports/"+id+"/repeat", nil)
		if again.Status != http.StatusAccepted || again.text("jobId") == id || again.Body["connect"] != true {
			t.Fatalf("repeating: %d %v, want 202 and another import that connects too", again.Status, again.Body)
		}
		if done := f.work(again.text("jobId")); done.number("imported") != 101 || len(f.JumpCloud.Users()) != 101 || len(f.mails.got) != 2 {
			t.Errorf("the repetition: %v, with %d users and %d mails, want 101 and 2", done.Body, len(f.JumpCloud.Users()), len(f.mails.got))
		}
		if got := f.call("POST", "/v1/imports/"+again.text("jobId")+"/repeat", nil); got.Status != http.StatusConflict || !strings.Contains(got.refused(), "nothing to repeat") {
			t.Errorf("repeating an import without failed lines: %d %s, want 409", got.Status, got.refused())
		}
		for _, path := range []string{"/stop", "/repeat"} {
			if got := f.call("POST", "/v1/imports/"+nobodys+path, nil); got.Status != http.StatusNotFound || !strings.Contains(got.refused(), "path.jobId") {
				t.Errorf("%s of an unknown import: %d %s, want 404", path, got.Status, got.refused())
			}
		}
		if got := f.call("GET", "/v1/imports/"+nobodys, nil); got.Status != http.StatusNotFound {
			t.Errorf("an unknown import: %d %s, want 404", got.Status, got.refused())
		}
	})
}

// The log of requests for changes says which directory each concerns.
func TestChangesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.create(map[string]any{"userIds": f.accounts(101)}).text("jobId")
		for i, request := range []string{f.ofDirectory("/imports"), "/v1/imports/" + id + "/stop", "/v1/imports/" + id + "/repeat"} {
			if i == 2 {
				f.work(id)
			}
			var log bytes.Buffer
			_, err := f.handler.Handle(zerolog.New(&log).WithContext(t.Context()), f.request("POST", request, nil))
			f.Must(err)
			if want := fmt.Sprintf("%q:%q", "directory", f.directory.ID); !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "change requested") {
				t.Errorf("%s is logged as %s, want a line with %s", request, &log, want)
			}
		}
	})
}

// nobodys is the id of no import.
const nobodys = "00000000-0000-7000-8000-000000000000"

// The import says who started it, and who hears of its end: whoever is named, or else the
// caller, or else the addresses of the organization.
func TestWhoStartedItAndWhoHearsOfIt(t *testing.T) {
	jwt := func(claims map[string]string) *events.APIGatewayV2HTTPRequestContextAuthorizerDescription {
		return &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: claims}}
	}
	for name, tc := range map[string]struct {
		claims       map[string]string
		named        []string
		organization []string
		by           string
		notify       []string
	}{
		"by a person":                     {map[string]string{"sub": "1", "email": "ann@contoso.example"}, nil, []string{"it@contoso.example"}, "ann@contoso.example", []string{"ann@contoso.example"}},
		"by a program":                    {map[string]string{"sub": "1", "client_id": "c"}, nil, []string{"it@contoso.example", "hr@contoso.example"}, "1", []string{"it@contoso.example", "hr@contoso.example"}},
		"with a claim that is no address": {map[string]string{"sub": "1", "email": "ann"}, nil, []string{"it@contoso.example"}, "ann", []string{"it@contoso.example"}},
		"with addresses":                  {map[string]string{"email": "ann@contoso.example"}, []string{"Bob <bob@contoso.example>"}, []string{"it@contoso.example"}, "ann@contoso.example", []string{"Bob <bob@contoso.example>"}},
		"without any address":             {map[string]string{"client_id": "c"}, nil, nil, "c", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.api.Auth = api.GatewayAuth
				f.serve(f.api)
				o, err := f.Store.Organization(t.Context(), functiontest.Organization)
				f.Must(err)
				o.Notify = tc.organization
				f.Must(f.Store.PutOrganization(t.Context(), o))
				body := map[string]any{"userIds": []string{f.account("ann", nil)}}
				if tc.named != nil {
					body["notify"] = tc.named
				}
				r := f.request("POST", f.ofDirectory("/imports"), body)
				r.RequestContext.Authorizer = jwt(tc.claims)
				made := f.send(r)
				job, err := f.Store.Import(t.Context(), made.text("jobId"))
				if made.Status != http.StatusAccepted || err != nil || made.text("by") != tc.by || !slices.Equal(job.Notify, tc.notify) {
					t.Errorf("%d %v (%v) with the addresses %q, want one started by %s that %q hear of", made.Status, made.Body, err, job.Notify, tc.by, tc.notify)
				}
			})
		})
	}
}

// The small import that was worked on by the request is delivered by the function
// largeimport, which gets a message about each import.
func TestASmallImportIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var free []bool // whether the import that each message names could be worked on
		f.api.Parts.Jobs = senderFunc(func(message queue.Message) error {
			named, err := importing.ReadJob(message.Body)
			f.Must(err)
			job, err := f.Store.Import(t.Context(), named.Import)
			f.Must(err)
			free = append(free, job.Holder == "")
			return nil
		})
		f.serve(f.api)
		made := f.create(map[string]any{"userIds": f.accounts(1), "notify": []string{"ann@contoso.example"}})
		if made.text("resultsUrl") != "" || made.text("mail") != "" || !slices.Equal(free, []bool{true}) {
			t.Errorf("the import: %v with the messages %v, want no file and no mail yet, one message when the request leaves the import", made.Body, free)
		}
		if done := f.work(made.text("jobId")); done.text("resultsUrl") != "/v1/imports/"+made.text("jobId")+"/results" || done.text("mail") != "sent" || len(f.mails.got) != 1 {
			t.Errorf("the import: %v with %d mails, want its file and one mail", done.Body, len(f.mails.got))
		}
	})
}

// senderFunc is a queue.Sender that calls a function with each message.
type senderFunc func(queue.Message) error

// Send implements queue.Sender.
func (f senderFunc) Send(_ context.Context, messages ...queue.Message) error {
	for _, m := range messages {
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// Only whoever has the token can import.
func TestTheTokenIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for _, request := range [][2]string{{"GET", f.ofDirectory("/importable-users")}, {"POST", f.ofDirectory("/imports")}, {"GET", f.ofDirectory("/imports")},
			{"GET", "/v1/imports/" + nobodys}, {"POST", "/v1/imports/" + nobodys + "/stop"}, {"POST", "/v1/imports/" + nobodys + "/repeat"}} {
			for _, header := range []string{"", "Bearer wrong", "Basic " + token} {
				r := f.request(request[0], request[1], nil)
				r.Headers["authorization"] = header
				if got := f.send(r); got.Status != http.StatusUnauthorized {
					t.Errorf("%v with %q: %d, want 401", request, header, got.Status)
				}
			}
		}
	})
}

// A part that is missing is named.
func TestMissingParts(t *testing.T) {
	f := newFixture(t)
	for part, without := range map[string]func(*importapi.API){
		"Store":   func(a *importapi.API) { a.Parts.Store = nil },
		"Clients": func(a *importapi.API) { a.Parts.Clients = nil },
		"Jobs":    func(a *importapi.API) { a.Parts.Jobs = nil },
		"Users":   func(a *importapi.API) { a.Parts.Users = nil },
		"Results": func(a *importapi.API) { a.Results = nil },
		"Auth":    func(a *importapi.API) { a.Auth = nil },
	} {
		a := f.api
		without(&a)
		if _, err := imports.New(a); fault.Of(err) == nil || fault.Of(err).Subject != part || !fault.Is(err, fault.Internal) {
			t.Errorf("without %s: %v, want a fault that names it", part, err)
		}
	}
}

// Accounts can be imported with attributes and connected, as the directory says.
func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		users := &lane{}
		f.api.Parts.Users = users
		f.serve(f.api)
		for _, connect := range []bool{false, true} {
			made := f.create(map[string]any{"userIds": []string{f.account(fmt.Sprintf("connect-%t", connect), nil)}, "connect": connect})
			user, err := f.Store.User(t.Context(), f.directory.Organization, directory.UserID(fmt.Sprint(made.objects("results")[0]["userId"])))
			f.Must(err)
			if got := len(user.Connections) == 1; got != connect || len(users.sent) == 1 != connect {
				t.Errorf("connect %t: connected %t, and %d tasks", connect, got, len(users.sent))
			}
		}
	})
}
