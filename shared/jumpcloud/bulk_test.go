package jumpcloud_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// newcomers are count users to import.
func newcomers(count int) (users []directory.User) {
	for i := range count {
		name := fmt.Sprintf("new%03d", i)
		users = append(users, directory.User{Username: name, Email: name + "@example.com", FirstName: "New", LastName: fmt.Sprint(i)})
	}
	return users
}

// finish waits until the simulator has processed the jobs.
func finish() {
	time.Sleep(time.Minute)
	synctest.Wait()
}

func TestSubmitUsersSendsWhatTheUserHas(t *testing.T) {
	for name, tc := range map[string]struct {
		user directory.User
		want string
	}{
		"the least": {directory.User{Username: "mira", Email: "Mira@Example.com"},
			`[{"attributes":[],"email":"mira@example.com","firstname":"","lastname":"","username":"mira"}]`},
		"everything": {directory.User{
			ID: "64a1b2c3d4e5f60718293a4b", State: directory.Activated, AccountLocked: true, CreationSource: "manual", // JumpCloud's to decide
			Username: "mira", Email: "mira@example.com", AlternateEmail: "M@home.example", FirstName: "Mira", LastName: "O’Kafor, jr.", DisplayName: "Mira <O>",
			Manager: "64a1b2c3d4e5f60718293a01", Fields: map[string]string{"jobTitle": "Lead", "department": "", "password": "no rule exports it"},
			Phones: map[string]string{"work": "+49 30", "mobile": "", "home": "1"}, Work: directory.Address{Locality: "Berlin", PostalCode: "10827"},
			Attributes: map[string]string{"b": "2", "a": "1", "none": ""}},
			`[{"addresses":[{"locality":"Berlin","postalCode":"10827","type":"work"}],"alternateEmail":"M@home.example",` +
				`"attributes":[{"name":"a","value":"1"},{"name":"b","value":"2"}],"displayname":"Mira \u003cO\u003e","email":"mira@example.com",` +
				`"firstname":"Mira","jobTitle":"Lead","lastname":"O’Kafor, jr.","manager":"64a1b2c3d4e5f60718293a01",` +
				`"phoneNumbers":[{"number":"1","type":"home"},{"number":"+49 30","type":"work"}],"username":"mira"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{200, 201} {
				var got string
				client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					got = r.Method + " " + r.URL.String() + " " + r.Header.Get("creation-source") + " " + string(body)
					w.WriteHeader(status)
					_, _ = io.WriteString(w, `{"jobId":"j1"}`)
				}))
				job, err := client.SubmitUsers(t.Context(), []directory.User{tc.user})
				if err != nil || job != "j1" {
					t.Errorf("status %d: got job %q, %v, want j1", status, job, err)
				}
				if diff := cmp.Diff("POST http://sim/api/v2/bulk/users jumpcloud:o365 "+tc.want, got); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// What is submitted becomes users, in the state of the organization's default, and the
// results say so whatever their order.
func TestUsersAreImported(t *testing.T) {
	for _, count := range []int{1, 99, 100} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client := simulator(t)
				sim.Set(func(b *jumpcloudtest.Behaviour) { b.BulkShuffle, b.BulkNames = true, jumpcloudtest.NamesInBoth })
				users := newcomers(count)
				users[0] = directory.User{Username: "mira", Email: "Mira@Example.com", FirstName: "Mira", LastName: "Okafor", Phones: map[string]string{"work": "1"},
					Work: directory.Address{Country: "DE"}, Fields: map[string]string{"jobTitle": "Lead"}, Attributes: map[string]string{"Division": "West"}}
				job, err := client.SubmitUsers(t.Context(), users)
				if err != nil {
					t.Fatal(err)
				}
				before, err := client.BulkResults(t.Context(), job)
				if err != nil || len(before) != count || slices.ContainsFunc(before, func(r jumpcloud.BulkResult) bool { return r.Done || r.Failed }) {
					t.Errorf("at first: got %d results, %v, %v, want %d that are not done", len(before), before, err, count)
				}
				finish()
				results, err := client.BulkResults(t.Context(), job)
				if err != nil || len(results) != count {
					t.Fatalf("got %d results, %v, want %d", len(results), err, count)
				}
				slices.SortFunc(results, func(a, b jumpcloud.BulkResult) int { return strings.Compare(a.Username, b.Username) })
				mira := results[0]
				if want := (jumpcloud.BulkResult{Done: true, Email: "mira@example.com", Username: "mira", User: mira.User}); mira != want || mira.User == "" {
					t.Errorf("got result %+v, want %+v with the user's id", mira, want)
				}
				want := users[0]
				want.ID, want.Email, want.State, want.CreationSource = mira.User, "mira@example.com", directory.Staged, "jumpcloud:o365"
				got, err := client.User(t.Context(), mira.User)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%v; user (-want +got):\n%s", err, diff)
				}
				if got, err := client.CountUsers(t.Context()); err != nil || got != count {
					t.Errorf("got %d users, %v, want %d", got, err, count)
				}
			})
		})
	}
}

func TestTooManyUsersAreNotSent(t *testing.T) {
	sim, client := simulator(t)
	for _, count := range []int{0, 101} {
		if _, err := client.SubmitUsers(t.Context(), newcomers(count)); !fault.Is(err, fault.Internal) || sim.Counters().Requests != 0 {
			t.Errorf("%d users: got %v after %d requests, want kind internal without any", count, err, sim.Counters().Requests)
		}
	}
}

// One bad user does not lose the others, and the license limit is recognized in a result.
func TestUsersFailOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		addUser(t, sim, "new001", nil)
		sim.Set(func(b *jumpcloudtest.Behaviour) { b.LicenseLimit = 3 })
		job, err := client.SubmitUsers(t.Context(), newcomers(4))
		if err != nil {
			t.Fatal(err)
		}
		finish()
		got, err := client.BulkResults(t.Context(), job)
		want := []jumpcloud.BulkResult{
			{Done: true, Email: "new000@example.com", Username: "new000"},
			{Done: true, Failed: true, Message: "User already exists", Email: "new001@example.com", Username: "new001"},
			{Done: true, Email: "new002@example.com", Username: "new002"},
			{Done: true, Failed: true, Message: "License limit reached, contact your provider", Reason: directory.LicenseLimit, Email: "new003@example.com", Username: "new003"},
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v; results (-want +got):\n%s", err, diff)
		}
		sim.Set(func(b *jumpcloudtest.Behaviour) { b.LicenseRefusesRequest = true })
		if _, err := client.SubmitUsers(t.Context(), newcomers(1)); !fault.Is(err, fault.Forbidden) || fault.Of(err).Reason != directory.LicenseLimit {
			t.Errorf("at the limit: got %v, want kind forbidden with reason %s", err, directory.LicenseLimit)
		}
	})
}

// Users are submitted once, whatever the answer.
func TestUsersAreSubmittedOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		status int // 0: no answer
		body   string
		kind   fault.Kind
		reason directory.Reason
		says   string
		wait   time.Duration
	}{
		"throttled":               {429, `{"message":"slow"}`, fault.Throttled, "", "slow down", 17 * time.Second},
		"an outage":               {500, `{"message":"license server down"}`, fault.Transient, "", "failed", 0},
		"a gateway":               {504, `<html>`, fault.Transient, "", "timed out", 0},
		"no answer":               {0, "", fault.Transient, "", "did not answer", 0},
		"a redirect":              {302, "", fault.Transient, "", "redirect", 0},
		"no JSON":                 {201, `<html>`, fault.Transient, "", "nobody knows", 0},
		"no job":                  {201, `{"jobId":null}`, fault.Transient, "", "nobody knows", 0},
		"a plan":                  {402, `{"message":"Payment Required"}`, fault.Forbidden, directory.LicenseLimit, "contact your provider", 0},
		"a license limit as 403":  {403, `{"message":"License limit reached"}`, fault.Forbidden, directory.LicenseLimit, "license limit", 0},
		"a license limit as 400":  {400, `{"message":"no free licences"}`, fault.Forbidden, directory.LicenseLimit, "license limit", 0},
		"a license limit as 409":  {409, `{"message":"all licenses are used"}`, fault.Forbidden, directory.LicenseLimit, "license limit", 0},
		"a role":                  {403, `{"message":"forbidden"}`, fault.Forbidden, "", "users.create", 0},
		"a bad user":              {400, `{"message":"/0/email: bad"}`, fault.Invalid, "", "JumpCloud refused the users: /0/email: bad", 0},
		"a bad user without more": {422, `{}`, fault.Invalid, "", "invalid", 0},
		"the key":                 {401, `{"message":"license of ` + apiKey + `"}`, fault.Unauthorized, "", "API key", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					requests++
					if tc.status == 0 {
						time.Sleep(time.Hour)
					}
					if tc.wait > 0 {
						w.Header().Set("Retry-After", fmt.Sprint(tc.wait.Seconds()))
					}
					w.WriteHeader(max(tc.status, 200))
					_, _ = io.WriteString(w, tc.body)
				}))
				_, err := client.SubmitUsers(t.Context(), newcomers(1))
				f := fault.Of(err)
				if f == nil || f.Kind != tc.kind || f.Reason != tc.reason || !strings.Contains(f.Message, tc.says) || f.RetryAfter != tc.wait || strings.Contains(err.Error(), apiKey) {
					t.Errorf("got %v, wait %v, want kind %s, reason %q, %q and wait %v", err, f.RetryAfter, tc.kind, tc.reason, tc.says, tc.wait)
				}
				if requests != 1 {
					t.Errorf("got %d requests, want 1", requests)
				}
			})
		})
	}
}

// A request whose answer was lost may have created the users: they are found by name.
func TestALostAnswerCreatesUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		sim.FailNext(jumpcloudtest.Fault{Method: http.MethodPost, Path: "/api/v2/bulk/users", Drop: true, AfterChange: true})
		if _, err := client.SubmitUsers(t.Context(), newcomers(3)); !fault.Is(err, fault.Transient) {
			t.Fatalf("got %v, want kind transient", err)
		}
		finish()
		found, err := client.FindUsers(t.Context(), jumpcloud.UserQuery{Emails: []string{"new000@example.com"}, Usernames: []string{"new001", "new002"}})
		if err != nil || len(found) != 3 || sim.Counters().ByRoute["POST /api/v2/bulk/users"] != 1 {
			t.Errorf("got %v, %v, %v, want three users of one request", found, err, sim.Counters().ByRoute)
		}
	})
}

// Results may come one by one, or never.
func TestResultsThatAreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		sim.Set(func(b *jumpcloudtest.Behaviour) {
			b.BulkPace, b.BulkHidesPending, b.BulkStopsAt, b.BulkNames = time.Hour, true, 3, jumpcloudtest.NamesNowhere
		})
		job, err := client.SubmitUsers(t.Context(), newcomers(4))
		if err != nil {
			t.Fatal(err)
		}
		for hour, want := range []int{0, 1, 2, 2} {
			got, err := client.BulkResults(t.Context(), job)
			if err != nil || len(got) != want || slices.ContainsFunc(got, func(r jumpcloud.BulkResult) bool { return r != jumpcloud.BulkResult{Done: true} }) {
				t.Errorf("hour %d: got %+v, %v, want %d that are done and name nobody", hour, got, err, want)
			}
			time.Sleep(time.Duration(hour)*time.Hour + time.Minute - time.Since(start))
			synctest.Wait()
		}
	})
}

// start is when the virtual time of a bubble begins.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestAllPagesOfResults(t *testing.T) {
	for totals, requests := range map[bool]int{true: 3, false: 4} {
		synctest.Test(t, func(t *testing.T) {
			sim, client := simulator(t)
			sim.Set(func(b *jumpcloudtest.Behaviour) { b.OmitTotals = !totals })
			job := submitRaw(t, sim, 250)
			finish()
			got, err := client.BulkResults(t.Context(), job)
			names := map[string]bool{}
			for _, result := range got {
				names[result.Username] = result.Done
			}
			if err != nil || len(got) != 250 || len(names) != 250 {
				t.Errorf("totals %t: got %d results of %d users, %v, want 250", totals, len(got), len(names), err)
			}
			if got := sim.Counters().ByRoute["GET /api/v2/bulk/users/{job_id}/results"]; got != requests {
				t.Errorf("totals %t: got %d requests, want %d", totals, got, requests)
			}
		})
	}
}

// submitRaw starts a job with more users than one call of ours has.
func submitRaw(t *testing.T, sim *jumpcloudtest.Simulator, count int) string {
	t.Helper()
	var users []map[string]string
	for _, user := range newcomers(count) {
		users = append(users, map[string]string{"username": user.Username, "email": user.Email})
	}
	body, err := json.Marshal(users)
	must(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://sim/api/v2/bulk/users", strings.NewReader(string(body)))
	must(t, err)
	r.Header.Set("x-api-key", apiKey)
	response, err := jumpcloudtest.Transport(sim).RoundTrip(r)
	must(t, err)
	defer response.Body.Close()
	var answer struct {
		JobID string `json:"jobId"`
	}
	must(t, json.NewDecoder(response.Body).Decode(&answer))
	return answer.JobID
}

func TestJobsThatAreNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		for _, job := range []string{"", ".", "..", "64a1b2c3d4e5f60718293fff", "a/b?c"} {
			if _, err := client.BulkResults(t.Context(), job); !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: got %v, want kind not_found", job, err)
			}
		}
		job, err := client.SubmitUsers(t.Context(), newcomers(1))
		must(t, err)
		sim.FailNext(jumpcloudtest.Fault{Path: "/api/v2/bulk/users/*/results", Status: 404})
		if _, err := client.BulkResults(t.Context(), job); !fault.Is(err, fault.NotFound) {
			t.Errorf("too early: got %v, want kind not_found", err)
		}
		if got, err := client.BulkResults(t.Context(), job); err != nil || len(got) != 1 {
			t.Errorf("got %v, %v, want one result", got, err)
		}
	})
}

// JumpCloud publishes neither the words of status nor what is in meta and
// persistedFields.
func TestResultsAreReadLiberally(t *testing.T) {
	const id, other, job = "64a1b2c3d4e5f60718293a4b", "64a1b2c3d4e5f60718293a01", "64a1b2c3d4e5f60718293b00"
	done, failed := jumpcloud.BulkResult{Done: true}, jumpcloud.BulkResult{Done: true, Failed: true}
	named := func(r jumpcloud.BulkResult, email, username string, user directory.UserID) jumpcloud.BulkResult {
		r.Email, r.Username, r.User = email, username, user
		return r
	}
	for name, tc := range map[string]struct {
		result string
		want   jumpcloud.BulkResult
	}{
		"nothing":                          {`{}`, jumpcloud.BulkResult{}},
		"nulls":                            {`{"id":null,"status":null,"statusMsg":null,"meta":null,"persistedFields":null}`, jumpcloud.BulkResult{}},
		"an empty status":                  {`{"status":""}`, jumpcloud.BulkResult{}},
		"a status that is no text":         {`{"status":{}}`, jumpcloud.BulkResult{}},
		"a number as status":               {`{"status":3}`, jumpcloud.BulkResult{}},
		"pending":                          {`{"status":"pending"}`, jumpcloud.BulkResult{}},
		"in capitals":                      {`{"status":" PENDING "}`, jumpcloud.BulkResult{}},
		"in progress":                      {`{"status":"IN_PROGRESS"}`, jumpcloud.BulkResult{}},
		"inProgress":                       {`{"status":"inProgress"}`, jumpcloud.BulkResult{}},
		"as protobuf writes it":            {`{"status":"JOB_STATUS_QUEUED"}`, jumpcloud.BulkResult{}},
		"finished":                         {`{"status":"finished"}`, done},
		"another word":                     {`{"status":"Success"}`, done},
		"failed":                           {`{"status":"failed"}`, failed},
		"error":                            {`{"status":"ERROR"}`, failed},
		"a failure, as protobuf writes it": {`{"status":"JOB_STATUS_FAILED"}`, failed},
		"a message": {`{"status":"failed","statusMsg":"User already\nexists"}`,
			jumpcloud.BulkResult{Done: true, Failed: true, Message: "User already exists"}},
		"a message in an object":             {`{"status":"failed","statusMsg":{"message":"no"}}`, jumpcloud.BulkResult{Done: true, Failed: true, Message: "no"}},
		"an error in an object":              {`{"status":"failed","statusMsg":{"error":"no"}}`, jumpcloud.BulkResult{Done: true, Failed: true, Message: "no"}},
		"a message with our key":             {`{"status":"failed","statusMsg":"key ` + apiKey + `"}`, jumpcloud.BulkResult{Done: true, Failed: true, Message: "key [redacted]"}},
		"the license limit":                  {`{"status":"failed","statusMsg":"Licence limit"}`, jumpcloud.BulkResult{Done: true, Failed: true, Message: "Licence limit", Reason: directory.LicenseLimit}},
		"a license that was given":           {`{"status":"finished","statusMsg":"license used"}`, jumpcloud.BulkResult{Done: true, Message: "license used"}},
		"names in meta":                      {`{"status":"finished","meta":{"email":"Mira@Example.com","username":"Mira"}}`, named(done, "mira@example.com", "Mira", "")},
		"names in meta as text":              {`{"status":"finished","meta":"{\"email\":\"mira@example.com\",\"id\":\"` + id + `\"}"}`, named(done, "mira@example.com", "", id)},
		"an address as meta":                 {`{"status":"finished","meta":" Mira@Example.com"}`, named(done, "mira@example.com", "", "")},
		"a text as meta":                     {`{"status":"finished","meta":"created"}`, done},
		"a list as meta":                     {`{"status":"finished","meta":[1]}`, done},
		"names in persistedFields":           {`{"status":"finished","persistedFields":{"_id":"` + id + `","email":"mira@example.com","username":"mira"}}`, named(done, "mira@example.com", "mira", id)},
		"names in persistedFields as text":   {`{"status":"finished","persistedFields":"{\"username\":\"mira\"}"}`, named(done, "", "mira", "")},
		"what was persisted comes first":     {`{"status":"finished","meta":{"email":"a@example.com","username":"a","id":"` + other + `"},"persistedFields":{"email":"b@example.com","id":"` + id + `"}}`, named(done, "b@example.com", "a", id)},
		"the id of the result is no user's":  {`{"id":"` + id + `","status":"finished","meta":{"id":"` + id + `"}}`, done},
		"nor is that of the job":             {`{"status":"finished","meta":{"id":"` + job + `","userId":"` + other + `"}}`, named(done, "", "", other)},
		"an id that is none":                 {`{"status":"finished","persistedFields":{"id":"7"}}`, done},
		"names of other types":               {`{"status":"finished","meta":{"email":{},"username":["x"],"id":5}}`, done},
		"names of a failure":                 {`{"status":"failed","meta":{"email":"mira@example.com"},"persistedFields":{}}`, named(failed, "mira@example.com", "", "")},
		"names of somebody who is not there": {`{"status":"pending","meta":{"username":"mira"}}`, named(jumpcloud.BulkResult{}, "", "mira", "")},
	} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Total-Count", "2")
				_, _ = io.WriteString(w, `[null,`+tc.result+`]`)
			}))
			got, err := client.BulkResults(t.Context(), job)
			if diff := cmp.Diff([]jumpcloud.BulkResult{tc.want}, got); err != nil || diff != "" {
				t.Errorf("%v; results (-want +got):\n%s", err, diff)
			}
		})
	}
}

// A list that grows while it is read may repeat a result: the later one counts.
func TestARepeatedResultCountsOnce(t *testing.T) {
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Total-Count", "102")
		if r.URL.Query().Get("skip") == "0" {
			_, _ = io.WriteString(w, `[{"id":"a","status":"pending"},{"id":"b","status":"pending"},{"status":"finished"}]`)
			return
		}
		_, _ = io.WriteString(w, `[{"id":"b","status":"finished"},{"status":"finished"}]`)
	}))
	got, err := client.BulkResults(t.Context(), "j")
	want := []jumpcloud.BulkResult{{}, {Done: true}, {Done: true}, {Done: true}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v; results (-want +got):\n%s", err, diff)
	}
}

// An answer that is no list, or an outage, is no job without results.
func TestResultsThatCannotBeRead(t *testing.T) {
	for _, body := range []string{`{}`, `null`, `"x"`, `<html>`} {
		client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		if got, err := client.BulkResults(t.Context(), "j"); !fault.Is(err, fault.Transient) || got != nil {
			t.Errorf("%s: got %v, %v, want kind transient", body, got, err)
		}
	}
}
