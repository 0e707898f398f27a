package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/shared/aws/secrets"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// table is a store that lists organizations.
type table struct {
	mu  sync.Mutex
	ids []directory.OrganizationID
	err error
}

// AllOrganizations implements secrets.Organizations.
func (a *table) AllOrganizations(context.Context) ([]directory.Organization, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []directory.Organization
	for _, id := range a.ids {
		all = append(all, directory.Organization{ID: id})
	}
	return all, a.err
}

// list is the name of the secret with the list.
const list = "stack/webhook-tokens/served"

// listOf is the list of these organizations, as it is stored.
func listOf(ids ...directory.OrganizationID) string {
	slices.Sort(ids)
	text, err := json.Marshal(map[string]any{"organizations": ids})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// numbered makes n ids of organizations.
func numbered(n int) (ids []directory.OrganizationID) {
	for i := range n {
		ids = append(ids, directory.OrganizationID(fmt.Sprintf("5f0c1e2d3a4b5c6d%08x", i)))
	}
	return ids
}

// served adds organizations with the token "right", as the API does.
func served(t *testing.T, s *shelf, ids ...directory.OrganizationID) {
	t.Helper()
	k := secrets.NewKeeper(s.client(), "stack", &table{})
	for _, id := range ids {
		if err := k.PutWebhookTokens(t.Context(), id, []string{"right"}); err != nil {
			t.Fatal(err)
		}
	}
}

// onlyTokens stores tokens and no list, as before there was a list.
func onlyTokens(s *shelf, ids ...directory.OrganizationID) {
	for _, id := range ids {
		s.put(tokensOf(id), `{"webhookTokens":["right"]}`)
	}
}

// The first call of the API writes the complete list, also with tokens from before there
// was a list, or from a version that knew none.
func TestTheListIsWrittenCompletely(t *testing.T) {
	old := numbered(3)
	for name, do := range map[string]func(secrets.Keeper) error{
		"reads a key":  func(k secrets.Keeper) error { _, err := k.JumpCloud(bg, old[0]); return ignoring(err, fault.NotFound) },
		"reads tokens": func(k secrets.Keeper) error { _, err := k.WebhookTokens(bg, old[0]); return err },
		"puts a key":   func(k secrets.Keeper) error { return k.PutJumpCloud(bg, old[0], secret.JumpCloud{APIKey: "key"}) },
		"puts tokens":  func(k secrets.Keeper) error { return k.PutWebhookTokens(bg, old[0], []string{"right"}) },
	} {
		for before, value := range map[string]string{"none": "", "one without some": listOf(old[1]), "no list": "canary", "another thing": `{"organizations":7}`} {
			t.Run(name+", before "+before, func(t *testing.T) {
				s := newShelf()
				onlyTokens(s, old...)
				if value != "" {
					s.put(list, value)
				}
				k := secrets.NewKeeper(s.client(), "stack", &table{ids: old})
				if err := do(k); err != nil {
					t.Fatal(err)
				}
				if got := s.value(list); got != listOf(old...) {
					t.Errorf("the list is %s, want %s", got, listOf(old...))
				}
				written := s.written
				s.calls()
				for range 10 {
					if _, err := k.WebhookTokens(bg, old[0]); err != nil {
						t.Error(err)
					}
				}
				if n := s.calls(); n > 2 || s.written != written {
					t.Errorf("after the list was complete: %d reads, %d writes, want at most 2 and none", n, s.written-written)
				}
			})
		}
	}
}

func ignoring(err error, kind fault.Kind) error {
	if fault.Is(err, kind) {
		return nil
	}
	return err
}

// An organization that is added is put on the list, and the others stay. Replacing its
// tokens does not write the list again.
func TestAnAddedOrganizationIsListed(t *testing.T) {
	client, prefix := open(t)
	ids := numbered(2)
	k := secrets.NewKeeper(client, prefix, &table{})
	for i, id := range ids {
		for _, tokens := range [][]string{{"one"}, {"two", "one"}} {
			if err := k.PutWebhookTokens(bg, id, tokens); err != nil {
				t.Fatal(err)
			}
			if got := value(t, client, prefix+"/webhook-tokens/served"); got != listOf(ids[:i+1]...) {
				t.Errorf("the list is %s, want %s", got, listOf(ids[:i+1]...))
			}
		}
	}
	if err := k.PutWebhookTokens(bg, "served", []string{"one"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("put to the list's own name: got %v, want kind %s", err, fault.Invalid)
	}
	if _, err := secrets.NewTokens(client, prefix).WebhookTokens(bg, "served"); !fault.Is(err, fault.NotFound) {
		t.Errorf("read of the list's own name: got %v, want kind %s", err, fault.NotFound)
	}
}

// Processes that add organizations at once lose none of each other's, whichever request
// comes first.
func TestWritersOfTheListLoseNothing(t *testing.T) {
	ids := numbered(6)
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprint("the first list ", first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				want := slices.Clone(ids)
				if !first {
					served(t, s, organization)
					want = append(want, organization)
				}
				s.calls()
				var all, everybody sync.WaitGroup // all have read the list before the first one writes it
				everybody.Add(len(ids))
				for _, id := range ids {
					all.Go(func() {
						k := secrets.NewKeeper(clientOf(&meeting{shelf: s, everybody: &everybody}), "stack", &table{})
						if err := k.PutWebhookTokens(t.Context(), id, []string{"right"}); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if got := s.value(list); got != listOf(want...) {
					t.Errorf("the list is %s, want %s", got, listOf(want...))
				}
			})
		})
	}
}

// If the list is full, or may not be written again on this day, tokens are stored all the
// same, and a warning is logged.
func TestAListThatTakesNoMore(t *testing.T) {
	full := numbered(2400)
	for name, tc := range map[string]struct {
		before []directory.OrganizationID
		code   string
		want   string
	}{
		"full":             {full, "", "fit on their list"},
		"too many at once": {nil, "", "fit on their list"},
		"too many a day":   {full[:5], "LimitExceededException", "takes no more versions"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			known := &table{}
			if tc.before == nil {
				known.ids = full
			} else {
				s.put(list, listOf(tc.before...))
			}
			s.refusing(func(operation, name string) string {
				if operation == "PutSecretValue" && name == list {
					return tc.code
				}
				return ""
			})
			before := s.value(list)
			var log bytes.Buffer
			ctx := zerolog.New(&log).WithContext(t.Context())
			const lowest = directory.OrganizationID("000000000000000000000001")
			if err := secrets.NewKeeper(s.client(), "stack", known).PutWebhookTokens(ctx, lowest, []string{"right"}); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), tc.want) {
				t.Errorf("logged %s, want %q", log.String(), tc.want)
			}
			if got := s.value(tokensOf(lowest)); got == "" {
				t.Error("got no stored tokens, want one")
			}
			if got := s.value(list); len(got) > 65536 || before != "" && got != before || got == "" {
				t.Errorf("the list has %d bytes, before %d, want it unchanged or at most 65536", len(got), len(before))
			}
			if got, err := secrets.NewTokens(s.client(), "stack").WebhookTokens(t.Context(), lowest); err != nil || len(got) != 1 {
				t.Errorf("the webhook: got %v, %v, want one token", got, err)
			}
		})
	}
}

// If the list cannot be written, adding an organization fails and stores nothing. Reading
// still works.
func TestAListThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for code, want := range map[string]fault.Kind{"AccessDeniedException": fault.Internal, "InternalServiceError": fault.Internal,
			"InvalidRequestException": fault.Conflict, "ResourceExistsException": fault.Conflict} {
			s := newShelf()
			onlyTokens(s, organization)
			s.put(list, listOf())
			s.refusing(func(operation, name string) string {
				if name == list && (operation == "PutSecretValue" || code == "InvalidRequestException") {
					return code
				}
				return ""
			})
			k := secrets.NewKeeper(s.client(), "stack", &table{ids: numbered(1)})
			err := k.PutWebhookTokens(t.Context(), organization, []string{"new"})
			if !fault.Is(err, want) || want == fault.Conflict && !strings.Contains(fault.Of(err).Message, list) {
				t.Errorf("%s: got %v, want kind %s", code, err, want)
			}
			var log bytes.Buffer
			ctx := zerolog.New(&log).WithContext(t.Context())
			for range 5 {
				if got, err := k.WebhookTokens(ctx, organization); err != nil || !slices.Equal(got, []string{"right"}) {
					t.Errorf("%s: read %v, %v, want [right]", code, got, err)
				}
			}
			if n := strings.Count(log.String(), "cannot be written yet"); n != 1 {
				t.Errorf("%s: logged %d times, want once", code, n)
			}
			time.Sleep(10 * time.Second)
			s.refusing(nil)
			if _, err := k.WebhookTokens(t.Context(), organization); err != nil || s.value(list) != listOf(numbered(1)...) {
				t.Errorf("%s: later: got %v and the list %s, want %s", code, err, s.value(list), listOf(numbered(1)...))
			}
		}
		broken := secrets.NewKeeper(newShelf().client(), "stack", &table{err: fault.New(fault.Throttled, "test", "too fast")})
		if err := broken.PutWebhookTokens(t.Context(), organization, []string{"new"}); !fault.Is(err, fault.Throttled) {
			t.Errorf("without the table: got %v, want kind %s", err, fault.Throttled)
		}
	})
}

// Without strangers the list is not read, so it costs nothing: tokens are read as if there
// were no list.
func TestTheListIsReadDuringAnAttackOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		ids := numbered(100)
		served(t, s, ids[:50]...)
		onlyTokens(s, ids[50:]...)
		s.calls()
		reader := secrets.NewTokens(s.client(), "stack")
		for _, id := range ids {
			if _, err := reader.WebhookTokens(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		if slices.Contains(s.reads, list) || len(s.reads) != len(ids) {
			t.Errorf("read %v, want %d secrets and not the list", s.reads, len(ids))
		}
	})
}

// attacked is a reader after requests for many organizations that are not served.
func attacked(t *testing.T, s *shelf) *secrets.Tokens {
	t.Helper()
	reader := secrets.NewTokens(s.client(), "stack")
	for i := range 60 {
		_, _ = reader.WebhookTokens(t.Context(), directory.OrganizationID(fmt.Sprintf("%024x", i)))
	}
	s.calls()
	return reader
}

// An organization that is added during an attack is throttled, not refused, and is known
// before JumpCloud's first retry.
func TestAnOrganizationIsAddedDuringAnAttack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		served(t, s, organization)
		reader, added := attacked(t, s), numbered(1)[0]
		served(t, s, added)
		if _, err := reader.WebhookTokens(t.Context(), added); fault.Of(err).Reason != secret.TooManyUnknown {
			t.Errorf("at once: got %v, want reason %s", err, secret.TooManyUnknown)
		}
		time.Sleep(2 * time.Second)
		if _, err := reader.WebhookTokens(t.Context(), added); err != nil {
			t.Errorf("at JumpCloud's first retry: got %v, want no error", err)
		}
	})
}

// A list that cannot be read costs one request every two seconds, and the fault says why
// it cannot be read.
func TestAListThatCannotBeRead(t *testing.T) {
	for name, tc := range map[string]struct{ value, code, want string }{
		"none":       {"", "", "POST /v1/organizations/{id}/webhook"},
		"no list":    {`{"organizations":"canary"}`, "", "cannot be read"},
		"not there":  {listOf(), "", "is not on the list"},
		"no rights":  {listOf(organization), "AccessDeniedException", "cannot be read"},
		"an outage":  {listOf(organization), "InternalServiceError", "cannot be read"},
		"throttling": {listOf(organization), "ThrottlingException", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				onlyTokens(s, organization)
				if tc.value != "" {
					s.put(list, tc.value)
				}
				s.refusing(func(_, name string) string {
					if name == list {
						return tc.code
					}
					return ""
				})
				reader := attacked(t, s)
				time.Sleep(2 * time.Second)
				for range 199 {
					_, err := reader.WebhookTokens(t.Context(), organization)
					if f := fault.Of(err); f.Kind != fault.Throttled || f.Reason != secret.TooManyUnknown || !strings.Contains(f.Message, tc.want) || strings.Contains(err.Error(), "canary") {
						t.Fatalf("got %v, want kind %s, reason %s and %q", err, fault.Throttled, secret.TooManyUnknown, tc.want)
					}
					time.Sleep(100 * time.Millisecond)
				}
				if diff := cmp.Diff(slices.Repeat([]string{list}, 10), s.reads); diff != "" {
					t.Errorf("in 20 s (-want +got):\n%s", diff)
				}
				s.refusing(nil)
				s.put(list, listOf(organization))
				time.Sleep(2 * time.Second)
				if _, err := reader.WebhookTokens(t.Context(), organization); err != nil {
					t.Errorf("after the list can be read: got %v, want no error", err)
				}
			})
		})
	}
}

// An organization that was on the list stays known while the list cannot be read any more.
func TestAListThatWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		served(t, s, organization)
		reader := attacked(t, s)
		time.Sleep(5 * time.Second)
		s.refusing(func(_, name string) string {
			if name == list {
				return "InternalServiceError"
			}
			return ""
		})
		_, _ = reader.WebhookTokens(t.Context(), numbered(1)[0])
		if _, err := reader.WebhookTokens(t.Context(), organization); err != nil {
			t.Error(err)
		}
	})
}
