package jumpcloud_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

const byHand = "M365 sync"

// arrivals counts the notifications about one user's creation within a minute.
func arrivals(t *testing.T, sim *jumpcloudtest.Simulator, bodies *[][]byte) int {
	t.Helper()
	id := addUser(t, sim, "once"+string(rune('a'+len(*bodies))), nil)
	synctest.Wait()
	count := 0
	for _, body := range *bodies {
		if bytes.Contains(body, []byte(id)) && bytes.Contains(body, []byte("user_create")) {
			count++
		}
	}
	return count
}

// Channels and rules that an administrator made with other names are ours by their
// address: a second channel or rule would send every event twice.
func TestChannelIsFoundByItsAddress(t *testing.T) {
	others := func(notifies ...any) jumpcloudtest.Fields {
		rule := eventRule(byHand, notifies...)
		rule["description"] = "made by Olga"
		return rule
	}
	disabled := webhookChannel("off", webhookURL)
	disabled["enabled"] = false
	ours := webhookChannel("entrasync", webhookURL)
	for name, test := range map[string]struct {
		channels []jumpcloudtest.Fields
		rules    func(channels []any) []jumpcloudtest.Fields // nil for none
		channel  string                                      // the name of the one that is ours
		rule     string
		created  [2]bool // channel, rule
		twice    [2]string
		arrive   int
	}{
		"nothing":                   {nil, nil, "entrasync", "entrasync", [2]bool{true, true}, [2]string{}, 1},
		"a channel of another name": {[]jumpcloudtest.Fields{webhookChannel(byHand, webhookURL)}, nil, byHand, "entrasync", [2]bool{false, true}, [2]string{}, 1},
		"with its rule":             {[]jumpcloudtest.Fields{webhookChannel(byHand, webhookURL)}, func(c []any) []jumpcloudtest.Fields { return []jumpcloudtest.Fields{others(c[0])} }, byHand, byHand, [2]bool{}, [2]string{}, 1},
		"written otherwise":         {[]jumpcloudtest.Fields{webhookChannel(byHand, strings.Replace(webhookURL, "http://127", "HTTP://127", 1))}, nil, byHand, "entrasync", [2]bool{false, true}, [2]string{}, 1},
		"another path":              {[]jumpcloudtest.Fields{webhookChannel(byHand, webhookURL+"2")}, nil, "entrasync", "entrasync", [2]bool{true, true}, [2]string{}, 1},
		"two of them":               {[]jumpcloudtest.Fields{webhookChannel("first", webhookURL), webhookChannel("second", webhookURL)}, func(c []any) []jumpcloudtest.Fields { return []jumpcloudtest.Fields{others(c[1])} }, "second", byHand, [2]bool{}, [2]string{"first", ""}, 1},
		"two, one of our name":      {[]jumpcloudtest.Fields{webhookChannel("first", webhookURL), ours}, func(c []any) []jumpcloudtest.Fields { return []jumpcloudtest.Fields{others(c[0])} }, "first", byHand, [2]bool{}, [2]string{"entrasync", ""}, 1},
		"two, one switched off":     {[]jumpcloudtest.Fields{disabled, webhookChannel("on", webhookURL)}, nil, "on", "entrasync", [2]bool{false, true}, [2]string{}, 1},
		"a rule for two receivers":  {[]jumpcloudtest.Fields{webhookChannel(byHand, webhookURL), webhookChannel("siem", "http://127.0.0.1:1/siem")}, func(c []any) []jumpcloudtest.Fields { return []jumpcloudtest.Fields{others(c...)} }, byHand, "entrasync", [2]bool{false, true}, [2]string{}, 1},
		"a rule for something else": {[]jumpcloudtest.Fields{webhookChannel(byHand, webhookURL)}, func(c []any) []jumpcloudtest.Fields {
			r := others(c[0])
			r["eventFilters"] = []any{jumpcloudtest.Fields{"eventTypes": []any{"admin_update"}}}
			return []jumpcloudtest.Fields{r}
		}, byHand, "entrasync", [2]bool{false, true}, [2]string{}, 1},
		"our name has another": {[]jumpcloudtest.Fields{webhookChannel("entrasync", "http://127.0.0.1:1/siem"), webhookChannel(byHand, webhookURL)}, nil, byHand, "entrasync", [2]bool{false, true}, [2]string{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bodies [][]byte
				receiver := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/webhooks/jumpcloud/1" {
						var body bytes.Buffer
						_, _ = body.ReadFrom(r.Body)
						bodies = append(bodies, body.Bytes())
					}
					w.WriteHeader(http.StatusAccepted)
				})
				behaviour := jumpcloudtest.DefaultBehaviour()
				behaviour.Concurrency = 1
				sim, err := jumpcloudtest.New(jumpcloudtest.Config{APIKey: apiKey, Seed: 1, Behaviour: &behaviour,
					Client: &http.Client{Transport: jumpcloudtest.Transport(receiver)}})
				must(t, err)
				defer sim.Close()
				client := clientOf(sim)
				var ids []any
				for _, each := range test.channels {
					id, err := sim.AddChannel(each)
					must(t, err)
					ids = append(ids, id)
				}
				if test.rules != nil {
					for _, each := range test.rules(ids) {
						_, err := sim.AddRule(each)
						must(t, err)
					}
				}
				before := len(sim.State().Channels) + len(sim.State().Rules)
				state := setUp(t, client, setup)
				if state.Channel.Name != test.channel || state.Rule.Name != test.rule || state.Channel.Created != test.created[0] || state.Rule.Created != test.created[1] || !state.Delivers() {
					t.Errorf("state %+v, want the names and creations of the row", state)
				}
				if got := [2]string{namesOf(state.SameAddress), namesOf(state.SameEvents)}; got != test.twice {
					t.Errorf("twice: %v, want %v", got, test.twice)
				}
				made := 0
				for _, created := range test.created {
					if created {
						made++
					}
				}
				if after := len(sim.State().Channels) + len(sim.State().Rules); after != before+made {
					t.Errorf("%d channels and rules after the set-up, %d before; want only the created ones more", after, before)
				}
				if got := arrivals(t, sim, &bodies); got != test.arrive {
					t.Errorf("an event arrives %d times, want %d", got, test.arrive)
				}
				writesBefore := writes(sim)
				again := setUp(t, client, setup)
				want := state
				want.MissingEvents = nil
				want.TokenWritten, want.Channel.Created, want.Channel.Changed, want.Rule.Created, want.Rule.Changed = false, false, nil, false, nil
				if diff := cmp.Diff(want, again); diff != "" || writes(sim) != writesBefore {
					t.Errorf("again: %d writes, %s", writes(sim)-writesBefore, diff)
				}
			})
		})
	}
}

func namesOf(parts []jumpcloud.WebhookName) string {
	var names []string
	for _, each := range parts {
		names = append(names, each.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Our rule notifies without making alerts, because JumpCloud collects events in alerts;
// and such a rule does not count as switched off.
func TestOurRuleMakesNoAlerts(t *testing.T) {
	sim, client := simulator(t)
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.OnePerOpenAlert = true })
	url, got := receiver(t, http.StatusAccepted)
	setup := jumpcloud.WebhookSetup{URL: url, Token: webhookToken}
	state := setUp(t, client, setup)
	rule := ruleOf(t, sim, state)
	if rule.Flag("alertsEnabled") || !rule.Flag("notifyOnViolation") || !state.Delivers() {
		t.Errorf("rule %v, state %+v, want notifications without alerts", rule, state)
	}
	for _, name := range []string{"ann", "bob", "cid"} {
		id := addUser(t, sim, name, nil)
		if body := next(t, got).body; !bytes.Contains(body, []byte(id)) {
			t.Errorf("%s: %s, want the event of the user", name, body)
		}
	}
	// A rule of an older version is changed.
	change(t, sim, rulesPath, state.Rule.ID, "rule", jumpcloudtest.Fields{"alertsEnabled": true})
	if state = setUp(t, client, setup); !slices.Equal(state.Rule.Changed, []string{"alertsEnabled"}) || ruleOf(t, sim, state).Flag("alertsEnabled") {
		t.Errorf("state %+v, want only the alerts switched off", state)
	}
}
