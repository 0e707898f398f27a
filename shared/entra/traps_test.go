package entra_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// update is an action that writes one attribute of an account.
func update(id, attribute, value string) plan.Action {
	return plan.Action{Type: plan.Update, EntraID: directory.EntraID(id), Changes: []directory.Change{{Attribute: directory.Attribute(attribute), To: directory.Text(value)}}}
}

// done answers a batch with success for every item.
func done(t *testing.T) func(int, sent) (int, http.Header, string) {
	return func(_ int, r sent) (int, http.Header, string) {
		return 200, nil, reply(t, r, func(i item) map[string]any {
			if i.Method == "POST" && i.URL == "/users" {
				return map[string]any{"status": 201, "body": map[string]any{"id": "new-" + i.ID}}
			}
			return map[string]any{"status": 204}
		})
	}
}

// The SDK's default pipeline compresses before it retries in more than half of all
// processes, and then sends the second body uncompressed with a header that says gzip.
// Here every body matches its headers.
func TestBodyAfterThrottlingCanBeDecoded(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{t: t, answer: func(n int, r sent) (int, http.Header, string) {
				if n == 1 {
					return 429, http.Header{"Retry-After": {"1.7"}}, `{"error":{"code":"TooManyRequests"}}`
				}
				return done(t)(n, r)
			}}
			start := time.Now()
			results := s.client().Apply(t.Context(), []plan.Action{update("e1", "jobTitle", "Lead")})
			if results[0].Err != nil {
				t.Fatal(results[0].Err)
			}
			if waited := time.Since(start); waited != 1700*time.Millisecond {
				t.Errorf("waited %s, want the 1.7s that Graph named", waited)
			}
			for i, r := range s.requests {
				if r.header.Get("Content-Encoding") != "" {
					t.Errorf("request %d has the Content-Encoding %q, want none", i+1, r.header.Get("Content-Encoding"))
				}
				if items := r.items(t); len(items) != 1 || items[0].Body["jobTitle"] != "Lead" {
					t.Errorf("request %d has %+v, want one item with the job title", i+1, items)
				}
			}
			if len(s.requests) != 2 {
				t.Errorf("%d requests, want 2", len(s.requests))
			}
		})
	}
}

// The SDK sends an empty change for a model that came from a GET, and sends the
// values of an earlier PATCH again with the next one of the same model.
func TestPatchCarriesExactlyTheChanges(t *testing.T) {
	s := &stub{t: t, answer: done(t)}
	client := s.client()
	client.Apply(t.Context(), []plan.Action{update("e1", "jobTitle", "Lead"), update("e2", "city", "Berlin")})
	client.Apply(t.Context(), []plan.Action{update("e1", "department", "Sales")})
	var bodies []map[string]any
	for _, r := range s.requests {
		for _, i := range r.items(t) {
			delete(i.Body, "@odata.type")
			bodies = append(bodies, i.Body)
		}
	}
	want := []map[string]any{{"jobTitle": "Lead"}, {"city": "Berlin"}, {"department": "Sales"}}
	if !cmp.Equal(bodies, want) {
		t.Error(cmp.Diff(want, bodies))
	}
}

// Graph refuses an empty string; the SDK leaves a nil list out.
func TestClearingSendsNullAndEmptyList(t *testing.T) {
	s := &stub{t: t, answer: done(t)}
	s.client().Apply(t.Context(), []plan.Action{{Type: plan.Update, EntraID: "e1", Changes: []directory.Change{
		{Attribute: directory.JobTitle, From: directory.Value{"Lead"}}, {Attribute: directory.BusinessPhones, From: directory.Value{"1"}}, {Attribute: directory.OtherMails},
	}}})
	if body := string(s.requests[0].body); !strings.Contains(body, `"jobTitle":null`) || !strings.Contains(body, `"businessPhones":[]`) || !strings.Contains(body, `"otherMails":[]`) {
		t.Errorf("body = %s, want null for the text and [] for the lists", body)
	}
}

// The SDK's batch classes panic on 204 and on unknown ids, and lose all answers
// when one is not an object.
func TestBatchAnswersOfEveryForm(t *testing.T) {
	s := &stub{t: t, answer: func(_ int, r sent) (int, http.Header, string) {
		return 200, nil, reply(t, r, func(i item) map[string]any {
			switch i.URL {
			case "/users/no-body":
				return map[string]any{"status": 204, "body": nil}
			case "/users/text-body":
				return map[string]any{"status": 204, "body": "bm90IGFuIG9iamVjdA=="}
			case "/users/refused":
				return map[string]any{"status": 400, "body": map[string]any{"error": map[string]any{"code": "Request_BadRequest", "message": "m", "details": []any{map[string]any{"code": "InvalidValue", "target": "jobTitle"}}}}}
			case "/users/html":
				return map[string]any{"status": 503, "body": "PGh0bWw+"}
			default:
				return nil
			}
		})
	}}
	results := s.client().Apply(t.Context(), []plan.Action{
		update("no-body", "jobTitle", "x"), update("text-body", "jobTitle", "x"), update("refused", "jobTitle", "x"), update("html", "jobTitle", "x"), update("missing", "jobTitle", "x"),
	})
	kinds := []fault.Kind{"", "", fault.Invalid, fault.Transient, fault.Transient}
	for i, want := range kinds {
		if got := fault.KindOf(results[i].Err); got != want {
			t.Errorf("item %d: %q (%v), want %q", i, got, results[i].Err, want)
		}
	}
}

// A batch with a throttled item may be answered with 424; the answer has the items all
// the same. Only the throttled ones are sent again, after the longest wait that any of
// them names.
func TestThrottledItemsAreSentAgainAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{t: t}
		s.answer = func(n int, r sent) (int, http.Header, string) {
			if n > 1 {
				return done(t)(n, r)
			}
			return 424, nil, reply(t, r, func(i item) map[string]any {
				switch i.ID {
				case "1":
					return map[string]any{"status": 429, "headers": map[string]string{"Retry-After": "0.5"}}
				case "2":
					return map[string]any{"status": 429, "headers": map[string]string{"Retry-After": "1.9"}}
				default:
					return map[string]any{"status": 204}
				}
			})
		}
		start := time.Now()
		for i, result := range s.client().Apply(t.Context(), []plan.Action{update("e1", "city", "A"), update("e2", "city", "B"), update("e3", "city", "C")}) {
			if result.Err != nil {
				t.Errorf("action %d: %v", i, result.Err)
			}
		}
		if waited := time.Since(start); waited != 1900*time.Millisecond {
			t.Errorf("waited %s, want the longest wait, 1.9s", waited)
		}
		var again []string
		for _, i := range s.requests[1].items(t) {
			again = append(again, i.ID)
		}
		if want := []string{"1", "2"}; !cmp.Equal(again, want) {
			t.Errorf("sent again: %v, want %v", again, want)
		}
	})
}

// If Graph names a wait that is too long for a worker, the fault has the wait; the same
// if the deadline leaves no time for it.
func TestLongWaitsAreHandedBack(t *testing.T) {
	for name, tc := range map[string]struct {
		retryAfter string
		deadline   time.Duration
		want       time.Duration
	}{
		"longer than our patience": {"90", time.Hour, 90 * time.Second},
		"the larger of two":        {"1,45.5", time.Hour, 45500 * time.Millisecond},
		"beyond the deadline":      {"2", 6 * time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
					return 429, http.Header{"Retry-After": {tc.retryAfter}}, ""
				}}
				ctx, cancel := context.WithTimeout(t.Context(), tc.deadline)
				defer cancel()
				start := time.Now()
				err := s.client().Apply(ctx, []plan.Action{update("e1", "city", "A")})[0].Err
				if f := fault.Of(err); f == nil || f.Kind != fault.Throttled || f.RetryAfter != tc.want {
					t.Errorf("err = %v, want Throttled with a wait of %s", err, tc.want)
				}
				if time.Since(start) != 0 {
					t.Errorf("waited %s, want no wait", time.Since(start))
				}
			})
		})
	}
}

// block is an action that disables an account.
func block(id string) plan.Action {
	return plan.Action{Type: plan.Deprovision, EntraID: directory.EntraID(id), Changes: []directory.Change{{Attribute: directory.AccountEnabled, To: directory.Bool(false)}}}
}

func TestBatchesAreFilledAndNeverOverfull(t *testing.T) {
	s := &stub{t: t, answer: done(t)}
	var actions []plan.Action
	for i := range 45 {
		actions = append(actions, update(fmt.Sprintf("e%d", i), "city", "A"))
	}
	for i := range 7 {
		actions = append(actions, block(fmt.Sprintf("d%d", i)))
	}
	for i, result := range s.client().Apply(t.Context(), actions) {
		if result.Err != nil {
			t.Errorf("action %d: %v", i, result.Err)
		}
	}
	var sizes []int
	for _, r := range s.requests {
		sizes = append(sizes, len(r.items(t)))
	}
	if want := []int{20, 20, 12}; !cmp.Equal(sizes, want) {
		t.Errorf("batches of %v, want %v", sizes, want)
	}
}

func TestEndingSessionsIsARequestOfItsOwn(t *testing.T) {
	s := &stub{t: t}
	s.answer = func(_ int, r sent) (int, http.Header, string) {
		return 200, nil, reply(t, r, func(i item) map[string]any {
			if i.URL == "/users/refused/revokeSignInSessions" {
				return map[string]any{"status": 403, "body": map[string]any{"error": map[string]any{"code": "Authorization_RequestDenied"}}}
			}
			return map[string]any{"status": 200, "body": map[string]any{"value": true}}
		})
	}
	results := s.client().Apply(t.Context(), []plan.Action{{Type: plan.EndSessions, EntraID: "fine"}, {Type: plan.EndSessions, EntraID: "refused"}})
	if results[0].Err != nil {
		t.Error(results[0].Err)
	}
	if f := fault.Of(results[1].Err); f == nil || f.Kind != fault.Forbidden || f.Reason != directory.PermissionMissing {
		t.Errorf("refused: %+v, want Forbidden (permission missing)", f)
	}
	got := s.requests[0].items(t)[0]
	if got.Method != "POST" || got.URL != "/users/fine/revokeSignInSessions" || got.Body == nil || len(got.Body) > 0 || got.Headers["Content-Type"] != "application/json" {
		t.Errorf("sent %+v, want the POST with an empty JSON object", got)
	}
}

func TestTokenIsRenewedOnceWhenRefused(t *testing.T) {
	s := &stub{t: t}
	s.answer = func(n int, r sent) (int, http.Header, string) {
		if n == 1 {
			return 401, nil, `{"error":{"code":"InvalidAuthenticationToken"}}`
		}
		return done(t)(n, r)
	}
	if err := s.client().Apply(t.Context(), []plan.Action{update("e1", "city", "A")})[0].Err; err != nil {
		t.Fatal(err)
	}
	if first, second := s.requests[0].header.Get("Authorization"), s.requests[1].header.Get("Authorization"); first == second || second == "" {
		t.Errorf("Authorization %q, then %q: want a new token", first, second)
	}
}

func TestNewAccountsGetAPasswordNobodyKnows(t *testing.T) {
	s := &stub{t: t, answer: done(t)}
	create := plan.Action{Type: plan.Provision, Changes: []directory.Change{{Attribute: directory.DisplayName, To: directory.Value{"Ann"}}}}
	results := s.client().Apply(t.Context(), []plan.Action{create, create})
	passwords := map[string]bool{}
	for i, it := range s.requests[0].items(t) {
		profile, _ := it.Body["passwordProfile"].(map[string]any)
		password, _ := profile["password"].(string)
		if len(password) < 40 || profile["forceChangePasswordNextSignIn"] != false {
			t.Errorf("passwordProfile of item %d: a password of %d characters, %v; want at least 40 and false", i, len(password), profile["forceChangePasswordNextSignIn"])
		}
		passwords[password] = true
		if results[i].ID != directory.EntraID("new-"+it.ID) {
			t.Errorf("account id %q, want that of its own item", results[i].ID)
		}
	}
	if len(passwords) != 2 {
		t.Error("two accounts got the same password, want different ones")
	}
}

func TestSecretNeverLeaves(t *testing.T) {
	s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
		return 403, nil, `{"error":{"code":"Authorization_RequestDenied"}}`
	}}
	client := s.client()
	_, err := client.Describe(t.Context())
	if err == nil {
		t.Fatal("a 403 is no error, want one")
	}
	if text := fmt.Sprintf("%v %+v %#v", err, err, fault.Of(err)); strings.Contains(text, canary) || strings.Contains(text, "token-1") {
		t.Error("an error shows the secret or the token")
	}
}

func TestOnlyHTTPSBeyondThisMachine(t *testing.T) {
	for _, tc := range []struct {
		graph, login string
		ok           bool
	}{
		{"https://graph.microsoft.com/v1.0", "https://login.microsoftonline.com", true},
		{"http://127.0.0.1:9/v1.0", "http://localhost:9", true},
		{"http://graph.example/v1.0", "https://login.example", false},
		{"https://graph.example/v1.0", "http://login.example", false},
		{"graph.example", "https://login.example", false},
		{"", "", false},
	} {
		_, err := entra.New(entra.Config{GraphURL: tc.graph, LoginURL: tc.login, Tenant: "contoso.example", ClientID: "app", Proof: secretProof})
		if (err == nil) != tc.ok {
			t.Errorf("%s and %s: %v, want an error only for an address that is not allowed", tc.graph, tc.login, err)
		}
		if err != nil && !strings.HasSuffix(fault.Of(err).Subject, "_URL") {
			t.Errorf("%v does not name the variable", err)
		}
	}
}
