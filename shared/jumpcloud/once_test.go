package jumpcloud_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// mistyped is our address with a typing error, with which our channel was set up.
const mistyped = "http://127.0.0.1:1/webhook/jumpcloud/1"

// counted is a JumpCloud that counts notifications by address and event type.
type counted struct {
	*jumpcloudtest.Simulator
	t      *testing.T
	client *jumpcloud.Client
	counts map[string]int
}

func newCounted(t *testing.T) *counted {
	t.Helper()
	w := &counted{t: t, counts: map[string]int{}}
	receiver := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, err := body.ReadFrom(r.Body)
		must(t, err)
		parsed, err := jumpcloud.ParseBody(body.Bytes())
		must(t, err)
		for _, event := range parsed.Events() {
			w.counts[r.URL.Path+" "+event.Type]++
		}
	})
	behaviour := jumpcloudtest.DefaultBehaviour()
	behaviour.Concurrency = 1
	var err error
	w.Simulator, err = jumpcloudtest.New(jumpcloudtest.Config{APIKey: apiKey, Seed: 1, Behaviour: &behaviour, Client: &http.Client{Transport: jumpcloudtest.Transport(receiver)}})
	must(t, err)
	w.client = clientOf(w.Simulator)
	return w
}

// wants checks how often every event that we act on is sent to our address and to the
// one with the typing error.
func (w *counted) wants(right, wrong int) {
	w.t.Helper()
	clear(w.counts)
	for _, eventType := range jumpcloud.EventTypes() {
		must(w.t, w.Emit(eventType, nil))
	}
	synctest.Wait()
	for _, eventType := range jumpcloud.EventTypes() {
		if got := [2]int{w.counts["/webhooks/jumpcloud/1 "+eventType], w.counts["/webhook/jumpcloud/1 "+eventType]}; got != [2]int{right, wrong} {
			w.t.Errorf("%s comes %d times to our address and %d times to the other, want %d and %d", eventType, got[0], got[1], right, wrong)
		}
	}
}

// selecting is a rule for event types, made by hand.
func selecting(types []string, channels ...any) jumpcloudtest.Fields {
	rule := eventRule(byHand, channels...)
	rule["eventFilters"] = []any{jumpcloudtest.Fields{"eventTypes": types}}
	return rule
}

// However channels and rules were made, each event is sent to our address once, and the
// state names those of ours that are left over.
func TestAnEventComesOnce(t *testing.T) {
	all := jumpcloud.EventTypes()
	for name, test := range map[string]struct {
		set     func(w *counted, byHand string) // after the set-up with the typing error; nil: only that
		rule    string
		changed string // of the rule
		wrong   int    // deliveries to the mistyped address afterwards
		left    string // channels / rules
		changes string // of the rules left over
		covered string
	}{
		"nothing by hand but the channel": {nil, "entrasync", "notificationChannelObjectIds", 0, "entrasync/", "", ""},
		"a rule by hand for all events": {func(w *counted, c string) { w.rule(selecting(all, c)) },
			byHand, "", 1, "entrasync/entrasync", "", ""},
		"one for some events": {func(w *counted, c string) { w.rule(selecting(all[3:], c)) },
			byHand, "eventFilters", 1, "entrasync/entrasync", "", ""},
		"one that leaves out the suspended": {func(w *counted, c string) {
			rule := selecting(all, c)
			rule["excludeSuspendedUsers"] = true
			w.rule(rule)
		}, byHand, "excludeSuspendedUsers", 1, "entrasync/entrasync", "", ""},
		"one that is switched off": {func(w *counted, c string) {
			rule := selecting(all, c)
			rule["status"] = "RULE_STATUS_DISABLED"
			w.rule(rule)
		}, "entrasync", "notificationChannelObjectIds", 0, "entrasync/", "", ""},
		"one for two receivers and all events": {func(w *counted, c string) { w.rule(selecting(all, c, w.siem())) },
			byHand, "", 1, "entrasync/entrasync", "", ""},
		"one for two receivers and some events": {func(w *counted, c string) { w.rule(selecting(all[3:], c, w.siem())) },
			"entrasync", "eventFilters notificationChannelObjectIds", 0, "entrasync/", "", byHand},
		"two for one half each": {func(w *counted, c string) {
			w.rule(selecting(all[:3], c, w.siem()))
			second := selecting(all[3:], c, w.siem2())
			second["name"] = "M365 sync 2"
			w.rule(second)
		}, byHand, "", 1, "entrasync/entrasync", "", "M365 sync 2"},
		"ours sends there as well, as older versions had it": {func(w *counted, c string) {
			w.rule(selecting(all, c))
			w.ours(func(rule jumpcloudtest.Fields) {
				rule["notificationChannelObjectIds"] = append(rule["notificationChannelObjectIds"].([]any), c)
			})
		}, byHand, "", 1, "entrasync/entrasync", "notificationChannelObjectIds", ""},
		"ours sends there as well, and the other one to two": {func(w *counted, c string) {
			w.rule(selecting(all, c, w.siem()))
			w.ours(func(rule jumpcloudtest.Fields) {
				rule["notificationChannelObjectIds"] = append(rule["notificationChannelObjectIds"].([]any), c)
			})
		}, byHand, "", 1, "entrasync/entrasync", "notificationChannelObjectIds", ""},
		"ours is switched off": {func(w *counted, c string) {
			w.rule(selecting(all, c))
			w.ours(func(rule jumpcloudtest.Fields) { rule["status"] = "RULE_STATUS_DISABLED" })
		}, byHand, "", 0, "entrasync/", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newCounted(t)
				defer w.Close()
				wrong := setup
				wrong.URL = mistyped
				setUp(t, w.client, wrong)
				channel, err := w.AddChannel(webhookChannel(byHand, webhookURL))
				must(t, err)
				if test.set != nil {
					test.set(w, channel)
				}
				state := setUp(t, w.client, setup)
				if state.Channel.ID != channel || state.Channel.Changed != nil || state.Rule.Name != test.rule || strings.Join(state.Rule.Changed, " ") != test.changed || !state.Delivers() ||
					state.SameAddress != nil || state.SameEvents != nil || len(state.MissingEvents) > 0 || namesOf(state.CoveredBy) != test.covered {
					t.Errorf("state %+v, want the same channel and the rule and changes of the row", state)
				}
				left, changes := partsOf(state.LeftChannels), partsOf(state.LeftRules)
				if got := left[0] + "/" + changes[0]; got != test.left || changes[1] != test.changes {
					t.Errorf("left %s, changed %s, want those of the row", got, changes[1])
				}
				w.wants(1, test.wrong)
				before := writes(w.Simulator)
				again := setUp(t, w.client, setup)
				state.Rule.Changed, state.MissingEvents, state.TokenWritten = nil, nil, false
				for i := range state.LeftRules {
					state.LeftRules[i].Changed = nil
				}
				if diff := cmp.Diff(state, again); diff != "" || writes(w.Simulator) != before {
					t.Errorf("again: %d writes, %s", writes(w.Simulator)-before, diff)
				}
			})
		})
	}
}

// partsOf are the names of channels or rules, and their changed fields.
func partsOf(parts []jumpcloud.WebhookPart) (joined [2]string) {
	var names, changed []string
	for _, each := range parts {
		names, changed = append(names, each.Name), append(changed, each.Changed...)
	}
	return [2]string{strings.Join(names, " "), strings.Join(changed, " ")}
}

func (w *counted) rule(rule jumpcloudtest.Fields) {
	w.t.Helper()
	_, err := w.AddRule(rule)
	must(w.t, err)
}

func (w *counted) siem() string  { return w.receiver("siem") }
func (w *counted) siem2() string { return w.receiver("siem 2") }

// receiver is a channel to another receiver.
func (w *counted) receiver(name string) string {
	w.t.Helper()
	id, err := w.AddChannel(webhookChannel(name, "http://127.0.0.1:1/siem"))
	must(w.t, err)
	return id
}

// ours changes the rule that was set up.
func (w *counted) ours(edit func(jumpcloudtest.Fields)) {
	w.t.Helper()
	for _, rule := range w.State().Rules {
		if rule.Text("name") == "entrasync" {
			edit(rule)
			request(w.t, w.Simulator, "PATCH", rulesPath+"/"+rule.Text("objectId"), jumpcloudtest.Fields{"rule": rule})
		}
	}
}

// A channel of our own is moved to the right address, and so are its events.
func TestOurChannelIsMovedToTheRightAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCounted(t)
		defer w.Close()
		wrong := setup
		wrong.URL = mistyped
		first := setUp(t, w.client, wrong)
		state := setUp(t, w.client, setup)
		if state.Channel.ID != first.Channel.ID || !slices.Equal(state.Channel.Changed, []string{"config.webhook.url"}) || state.Rule.ID != first.Rule.ID || state.LeftChannels != nil || state.LeftRules != nil {
			t.Errorf("state %+v, want the same channel with only its address changed", state)
		}
		w.wants(1, 0)
	})
}

// Other channels that our rule notifies still get the same events.
func TestWhoElseOurRuleTellsIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCounted(t)
		defer w.Close()
		wrong := setup
		wrong.URL = mistyped
		first := setUp(t, w.client, wrong)
		mails, err := w.AddChannel(jumpcloudtest.Fields{"name": "mails", "type": "CHANNEL_TYPE_EMAIL"})
		must(t, err)
		channel, err := w.AddChannel(webhookChannel(byHand, webhookURL))
		must(t, err)
		w.rule(selecting(jumpcloud.EventTypes()[3:], channel, w.siem()))
		w.ours(func(rule jumpcloudtest.Fields) {
			rule["notificationChannelObjectIds"] = []any{first.Channel.ID, mails}
		})
		state := setUp(t, w.client, setup)
		rule := ruleOf(t, w.Simulator, state)
		if got := fmt.Sprint(rule["notificationChannelObjectIds"]); state.Rule.ID != first.Rule.ID || !strings.Contains(got, mails) || !strings.Contains(got, channel) || strings.Contains(got, first.Channel.ID) {
			t.Errorf("notifies %s, %+v, want the same rule with the new channel and without the old one", got, state)
		}
		if encoded := fmt.Sprint(rule["eventFilters"]); namesOf(state.SameEvents) != byHand || slices.ContainsFunc(jumpcloud.EventTypes(), func(each string) bool { return !strings.Contains(encoded, each) }) {
			t.Errorf("rule %s, %+v, want every event type, and the rule by hand in SameEvents", encoded, state)
		}
	})
}

// With any channels and rules: every event of ours is sent to our address, and none
// twice unless the state names the rule or the channel that sends it a second time; a
// second set-up writes nothing.
func TestEveryEventComesAndNoneTwiceUnsaid(t *testing.T) {
	all := jumpcloud.EventTypes()
	rapid.Check(t, func(t *rapid.T) {
		sim, err := jumpcloudtest.New(jumpcloudtest.Config{APIKey: apiKey, Seed: 1, Client: &http.Client{Transport: nowhere{}}})
		if err != nil {
			t.Fatal(err)
		}
		defer sim.Close()
		var ids []any
		for i, url := range rapid.SliceOfN(rapid.SampledFrom([]string{webhookURL, mistyped, "http://127.0.0.1:1/siem"}), 0, 4).Draw(t, "channels") {
			channel := webhookChannel(fmt.Sprint("channel ", i), url)
			if i == 0 && rapid.Bool().Draw(t, "ours") {
				channel["name"], channel["description"] = "entrasync", "Managed by entrasync"
			}
			id, err := sim.AddChannel(channel)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
			if len(ids) == 0 {
				break
			}
			from := rapid.IntRange(0, len(all)-1).Draw(t, "from")
			rule := selecting(all[from:], rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, len(ids), rapid.ID[any]).Draw(t, "notifies")...)
			rule["name"] = fmt.Sprint("rule ", i)
			if i == 0 && rapid.Bool().Draw(t, "our rule") {
				rule["name"], rule["description"] = "entrasync", "Managed by entrasync"
			}
			if rapid.Bool().Draw(t, "excludes") {
				rule["excludeSuspendedUsers"] = true
			}
			if rapid.IntRange(0, 3).Draw(t, "off") == 0 {
				rule["status"] = "RULE_STATUS_DISABLED"
			}
			if _, err := sim.AddRule(rule); err != nil {
				t.Fatal(err)
			}
		}
		wanted := setup
		wanted.Repair = true
		client := clientOf(sim)
		state, err := client.SetUpWebhook(t.Context(), wanted)
		if err != nil {
			t.Fatal(err)
		}
		for eventType, times := range timesOf(sim) {
			said := len(state.SameEvents)+len(state.SameAddress) > 0
			if times[0] == 0 || times[1] > 1 && !said {
				t.Fatalf("%s comes %d times, %d of them without exceptions: %+v, want at least one without exceptions, and no more than one unless the state names the cause", eventType, times[1], times[0], state)
			}
		}
		before := writes(sim)
		if again, err := client.SetUpWebhook(t.Context(), wanted); err != nil || writes(sim) != before {
			t.Fatalf("a second set-up: %d writes, %+v after %+v, %v; want no write", writes(sim)-before, again, state, err)
		}
	})
}

// nowhere is a network in which every request fails.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

// timesOf counts how often an event of each of our types is sent to our address: by
// rules without conditions, and by all that are switched on.
func timesOf(sim *jumpcloudtest.Simulator) map[string][2]int {
	state := sim.State()
	calls := map[any]bool{}
	for _, channel := range state.Channels {
		config, _ := channel["config"].(map[string]any)
		webhook, _ := config["webhook"].(map[string]any)
		calls[channel.Text("objectId")] = webhook["url"] == webhookURL && channel.Flag("enabled")
	}
	times := map[string][2]int{}
	for _, eventType := range jumpcloud.EventTypes() {
		times[eventType] = [2]int{}
	}
	for _, rule := range state.Rules {
		channels, _ := rule["notificationChannelObjectIds"].([]any)
		for _, channel := range channels {
			if !calls[channel] || rule.Text("status") != "RULE_STATUS_ENABLED" {
				continue
			}
			for _, eventType := range typesOf(rule) {
				now, ours := times[eventType]
				if !ours {
					continue
				}
				if now[1]++; !rule.Flag("excludeSuspendedUsers") {
					now[0]++
				}
				times[eventType] = now
			}
		}
	}
	return times
}

// typesOf are the event types of a rule.
func typesOf(rule jumpcloudtest.Fields) (types []string) {
	filters, _ := rule["eventFilters"].([]any)
	for _, filter := range filters {
		list, _ := filter.(map[string]any)["eventTypes"].([]any)
		for _, each := range list {
			types = append(types, fmt.Sprint(each))
		}
	}
	return types
}
