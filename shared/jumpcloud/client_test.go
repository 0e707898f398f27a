package jumpcloud_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

const apiKey = "jca_canary-key-0123456789"

// clientOf is a client of a handler without a network.
func clientOf(handler http.Handler) *jumpcloud.Client {
	return jumpcloud.NewClient(jumpcloud.Config{APIURL: "http://sim/api", InsightsURL: "http://sim/insights/directory/v1",
		APIKey: apiKey, Organization: jumpcloudtest.DefaultOrganizationID,
		HTTP: &http.Client{Transport: jumpcloudtest.Transport(handler)}})
}

func simulator(t *testing.T) (*jumpcloudtest.Simulator, *jumpcloud.Client) {
	t.Helper()
	sim, err := jumpcloudtest.New(jumpcloudtest.Config{APIKey: apiKey, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim, clientOf(sim)
}

func addUser(t *testing.T, sim *jumpcloudtest.Simulator, name string, more jumpcloudtest.Fields) directory.UserID {
	t.Helper()
	fields := jumpcloudtest.Fields{"username": name, "email": name + "@example.com", "state": "ACTIVATED"}
	for field, value := range more {
		fields[field] = value
	}
	id, err := sim.CreateUser(fields)
	if err != nil {
		t.Fatal(err)
	}
	return directory.UserID(id)
}

func TestUserIsMappedWhole(t *testing.T) {
	sim, client := simulator(t)
	manager := addUser(t, sim, "boss", nil)
	id := addUser(t, sim, "mira.okafor", jumpcloudtest.Fields{
		"alternateEmail": "mira@home.example", "firstname": "Mira", "lastname": "Okafor", "displayname": "Mira O.",
		"jobTitle": "Lead", "department": "Sales", "location": "Berlin", "company": "Example", "costCenter": "4410",
		"employeeIdentifier": "E-1", "employeeType": "Permanent", "manager": string(manager),
		"addresses": []any{jumpcloudtest.Fields{"type": "home", "locality": "Potsdam"},
			jumpcloudtest.Fields{"type": "work", "streetAddress": "Hauptstr. 7", "extendedAddress": "2nd", "poBox": "12",
				"locality": "Berlin", "region": "BE", "postalCode": "10827", "country": "DE"}},
		"phoneNumbers": []any{jumpcloudtest.Fields{"type": "home", "number": "0"}, jumpcloudtest.Fields{"type": "work", "number": "1"},
			jumpcloudtest.Fields{"type": "work", "number": "2"}, jumpcloudtest.Fields{"type": "mobile", "number": "3"}},
		"attributes": []any{jumpcloudtest.Fields{"name": "Division", "value": "West"}},
	})
	want := directory.User{ID: id, Username: "mira.okafor", Email: "mira.okafor@example.com", AlternateEmail: "mira@home.example",
		FirstName: "Mira", LastName: "Okafor", DisplayName: "Mira O.", State: directory.Activated, CreationSource: "manual",
		Fields: map[string]string{"jobTitle": "Lead", "department": "Sales", "location": "Berlin", "company": "Example", "costCenter": "4410",
			"employeeIdentifier": "E-1", "employeeType": "Permanent"},
		Manager: manager,
		Work: directory.Address{StreetAddress: "Hauptstr. 7", ExtendedAddress: "2nd", POBox: "12", Locality: "Berlin",
			Region: "BE", PostalCode: "10827", Country: "DE"},
		Phones: map[string]string{"work": "1", "mobile": "3"}, Attributes: map[string]string{"Division": "West"}}
	got, err := client.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	if err := errors.Join(sim.LockUser(string(id)), sim.ExpirePassword(string(id)), sim.SuspendUser(string(id))); err != nil {
		t.Fatal(err)
	}
	if got, err = client.User(t.Context(), id); err != nil || !got.AccountLocked || !got.PasswordExpired || got.State != directory.Suspended {
		t.Errorf("%+v, %v; want it locked, expired and suspended", got, err)
	}
}

func TestUserIsDecodedLiberally(t *testing.T) {
	const id = "64a1b2c3d4e5f60718293a4b"
	for name, test := range map[string]struct {
		body string
		want directory.User
	}{
		"id instead of _id":            {`{"id":"` + id + `"}`, directory.User{ID: id, State: directory.Activated}},
		"suspended without state":      {`{"_id":"` + id + `","suspended":true}`, directory.User{ID: id, State: directory.Suspended}},
		"suspended beats state":        {`{"_id":"` + id + `","state":"ACTIVATED","suspended":true}`, directory.User{ID: id, State: directory.Suspended}},
		"pending without state":        {`{"_id":"` + id + `","suspended":false,"activated":false}`, directory.User{ID: id, State: directory.Staged}},
		"pending with state":           {`{"_id":"` + id + `","state":"ACTIVATED","activated":false}`, directory.User{ID: id, State: directory.Activated}},
		"lower case state":             {`{"_id":"` + id + `","state":" staged "}`, directory.User{ID: id, State: directory.Staged}},
		"unknown state is passed on":   {`{"_id":"` + id + `","state":"ARCHIVED"}`, directory.User{ID: id, State: "ARCHIVED"}},
		"nulls":                        {`{"_id":"` + id + `","state":null,"email":null,"manager":null,"addresses":null,"phoneNumbers":null,"attributes":null,"account_locked":null}`, directory.User{ID: id, State: directory.Activated}},
		"empty objects for everything": {`{"_id":"` + id + `","state":{},"email":{},"addresses":{},"phoneNumbers":{},"attributes":{},"account_locked":{},"password_expired":{}}`, directory.User{ID: id, State: directory.Activated}},
		"numbers and words":            {`{"_id":"` + id + `","costCenter":4410,"account_locked":"true","password_expired":1}`, directory.User{ID: id, State: directory.Activated, Fields: map[string]string{"costCenter": "4410"}, AccountLocked: true, PasswordExpired: true}},
		"elements of wrong types":      {`{"_id":"` + id + `","addresses":[1,null,{"type":"WORK","country":"DE"}],"phoneNumbers":["x",{"type":"work"},{"type":"work","number":5}],"attributes":[{"name":"A","value":true},{"value":"B"}]}`, directory.User{ID: id, State: directory.Activated, Work: directory.Address{Country: "DE"}, Phones: map[string]string{"work": "5"}, Attributes: map[string]string{"A": ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(test.body, "{", `{"username":"u",`, 1) // what every user has
			test.want.Username = "u"
			client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
			got, err := client.User(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("user (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrongAnswerIsNeverAUser(t *testing.T) {
	const id = "64a1b2c3d4e5f60718293a4b"
	for name, body := range map[string]string{
		"nothing": "", "empty": "{}", "null": "null", "array": "[]", "page": "<html>sign in</html>",
		"half a user":   `{"_id":"` + id + `"}`,
		"somebody else": `{"_id":"64a1b2c3d4e5f60718293a4c","state":"ACTIVATED"}`, "broken": `{"_id":"` + id,
	} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
			if user, err := client.User(t.Context(), id); !fault.Is(err, fault.Transient) {
				t.Errorf("got %+v, %v; want a transient fault", user, err)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	for status, test := range map[int]struct {
		kind     fault.Kind
		attempts int
	}{
		302: {fault.Invalid, 1}, 400: {fault.Invalid, 1}, 401: {fault.Unauthorized, 1}, 402: {fault.Forbidden, 1},
		403: {fault.Forbidden, 1}, 404: {fault.NotFound, 1}, 408: {fault.Transient, 1}, 409: {fault.Conflict, 1},
		410: {fault.NotFound, 1}, 412: {fault.Changed, 1}, 415: {fault.Invalid, 1}, 418: {fault.Invalid, 1},
		422: {fault.Invalid, 1}, 428: {fault.Invalid, 1}, 505: {fault.Transient, 1}, 529: {fault.Transient, 1},
		429: {fault.Throttled, 4}, 500: {fault.Transient, 4}, 501: {fault.Transient, 1}, 502: {fault.Transient, 4},
		503: {fault.Transient, 4}, 504: {fault.Transient, 4},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/api/systemusers" { // by which a 404 is believed
						fmt.Fprint(w, `{"results":[],"totalCount":0}`)
						return
					}
					attempts++
					w.Header().Set("Location", "http://elsewhere/")
					w.WriteHeader(status)
					fmt.Fprint(w, `{"message":"because"}`)
				}))
				_, err := client.User(t.Context(), "64a1b2c3d4e5f60718293a4b")
				if !fault.Is(err, test.kind) || attempts != test.attempts {
					t.Errorf("%d attempts, %v; want %d, %s", attempts, err, test.attempts, test.kind)
				}
				if !strings.Contains(err.Error(), "because") || !strings.Contains(err.Error(), "64a1b2c3d4e5f60718293a4b") {
					t.Errorf("the error has not both the reason and the id: %v", err)
				}
			})
		})
	}
}

func TestRetryWaits(t *testing.T) {
	for name, test := range map[string]struct {
		retryAfter   string
		deadline     time.Duration
		status       int
		least, most  time.Duration // until the client gives up
		wantAttempts int
		wantAfter    time.Duration // RetryAfter of the fault; -1: any
	}{
		"back-off grows":               {"", 0, 503, 7 * time.Second, 10 * time.Second, 4, 0},
		"whole seconds":                {"5", 0, 429, 15 * time.Second, 15 * time.Second, 4, 5 * time.Second},
		"decimal seconds":              {"1.5", 0, 429, 4500 * time.Millisecond, 4500 * time.Millisecond, 4, 1500 * time.Millisecond},
		"two numbers":                  {"1,5", 0, 429, 15 * time.Second, 15 * time.Second, 4, 5 * time.Second},
		"a date":                       {"Sat, 01 Jan 2000 00:00:10 GMT", 0, 429, 10 * time.Second, 18 * time.Second, 4, 0},
		"the longest of several":       {"2,5, 3", 0, 429, 15 * time.Second, 15 * time.Second, 4, 5 * time.Second},
		"nonsense is ignored":          {"soon", 0, 429, 7 * time.Second, 10 * time.Second, 4, 0},
		"negative is ignored":          {"-3", 0, 429, 7 * time.Second, 10 * time.Second, 4, 0},
		"longer than we wait":          {"31", 0, 429, 0, 0, 1, 31 * time.Second},
		"longer than the deadline":     {"5", 3 * time.Second, 429, 0, 0, 1, 5 * time.Second},
		"back-off passes the deadline": {"", 500 * time.Millisecond, 500, 0, 0, 1, -1},
		"deadline after one retry":     {"2", 3 * time.Second, 503, 2 * time.Second, 2 * time.Second, 2, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client := simulator(t)
				sim.FailNext(jumpcloudtest.Fault{Status: test.status, RetryAfter: test.retryAfter, Times: 100})
				ctx := t.Context()
				if test.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.deadline)
					defer cancel()
				}
				start := time.Now()
				_, err := client.Organization(ctx)
				if took := time.Since(start); took < test.least || took > test.most {
					t.Errorf("gave up after %v, want %v to %v", took, test.least, test.most)
				}
				if got := sim.Counters().Requests; got != test.wantAttempts {
					t.Errorf("%d attempts, want %d", got, test.wantAttempts)
				}
				after := fault.Of(err).RetryAfter
				if test.wantAfter >= 0 && after != test.wantAfter || test.wantAfter < 0 && after < time.Second {
					t.Errorf("RetryAfter %v, want %v", after, test.wantAfter)
				}
				sim.Close()
			})
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	for name, mishap := range map[string]jumpcloudtest.Fault{
		"throttled": {Status: 429, Times: 2}, "outage": {Status: 502, Times: 3}, "broken connection": {Drop: true, Times: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client := simulator(t)
				sim.FailNext(mishap)
				if _, err := client.Organization(t.Context()); err != nil {
					t.Error(err)
				}
				sim.Close()
			})
		})
	}
}

func TestCancelledContextEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		sim.FailNext(jumpcloudtest.Fault{Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := client.Organization(ctx)
		if !fault.Is(err, fault.Transient) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v, want the deadline after 5s", err, time.Since(start))
		}
		sim.Close()
	})
}

func TestOrganization(t *testing.T) {
	sim, client := simulator(t)
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.RefuseUnsupportedOrgID, b.RequireOrgID = true, true })
	want := directory.Organization{ID: jumpcloudtest.DefaultOrganizationID, Name: "Example"}
	if got, err := client.Organization(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("named: %+v, %v, want %+v", got, err, want)
	}
	config := jumpcloud.Config{APIURL: "http://sim/api/", APIKey: apiKey, HTTP: &http.Client{Transport: jumpcloudtest.Transport(sim)}}
	if got, err := jumpcloud.NewClient(config).Organization(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the only one: %+v, %v, want %+v", got, err, want)
	}
	config.Organization = "ffffffffffffffffffffffff"
	if _, err := jumpcloud.NewClient(config).Organization(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("unknown: %v, want a fault of kind NotFound", err)
	}
	config.APIKey = "wrong"
	if _, err := jumpcloud.NewClient(config).Organization(t.Context()); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("wrong key: %v, want a fault of kind Unauthorized", err)
	}
}

func TestKeyIsNotSentElsewhere(t *testing.T) {
	var leaked atomic.Bool
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "elsewhere" || r.Host == "elsewhere" {
			leaked.Store(r.Header.Get("x-api-key") != "")
			return
		}
		http.Redirect(w, r, "http://elsewhere/", http.StatusTemporaryRedirect)
	}))
	if _, err := client.Organization(t.Context()); !fault.Is(err, fault.Invalid) || leaked.Load() {
		t.Errorf("%v, key sent: %v; want Invalid and no key", err, leaked.Load())
	}
}

// echo is a transport that fails with the key in its error.
type echo struct{}

func (echo) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("cannot send %s to %s", r.Header.Get("x-api-key"), r.URL)
}

func TestKeyIsInNoError(t *testing.T) {
	config := jumpcloud.Config{APIURL: "http://sim/api", APIKey: apiKey, Organization: jumpcloudtest.DefaultOrganizationID}
	echoing := config
	echoing.HTTP = &http.Client{Transport: echo{}}
	repeating := config
	repeating.HTTP = &http.Client{Transport: jumpcloudtest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message":"the key %s is not allowed"}`, r.Header.Get("x-api-key"))
	}))}
	unparsable := config
	unparsable.APIURL = "http://sim:port"
	for name, each := range map[string]jumpcloud.Config{"transport": echoing, "server": repeating, "address": unparsable} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			client := jumpcloud.NewClient(each)
			_, err := client.User(ctx, "64a1b2c3d4e5f60718293a4b")
			if err == nil {
				t.Fatal("no error, want one")
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", fault.Of(err).Err), fmt.Sprintf("%v %+v %#v", client, client, client),
				fmt.Sprintf("%v %+v %#v %s", each, each, each, &each)} {
				if strings.Contains(text, apiKey) {
					t.Errorf("the key is in %q, want it nowhere", text)
				}
			}
		})
	}
}
