package jumpcloudtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/jumpcloud"
	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

const token = "canary-webhook-token-0123456789"

// hook is a webhook that records its requests.
type hook struct {
	mu     sync.Mutex
	answer func(n int, w http.ResponseWriter, r *http.Request) // n counts from 1
	at     []time.Duration
	bodies []string
	header []http.Header
	path   []string
	start  time.Time
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	h.at = append(h.at, time.Since(h.start))
	h.bodies = append(h.bodies, string(body))
	h.header = append(h.header, r.Header.Clone())
	h.path = append(h.path, r.URL.String())
	n, answer := len(h.at), h.answer
	h.mu.Unlock()
	if answer != nil {
		answer(n, w, r)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// events are the events that arrived, parsed by the receiver's own parser.
func (h *hook) events(t *testing.T) (events []jumpcloud.Event) {
	t.Helper()
	for _, body := range h.bodies {
		parsed, err := jumpcloud.ParseBody([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		events = append(events, parsed.Events()...)
	}
	return events
}

// bubble runs a test in a bubble with a simulator that notifies a hook.
func bubble(t *testing.T, test func(t *testing.T, b bench, h *hook)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &hook{start: time.Now()}
		b := start(t, func(config *Config) { config.Client = &http.Client{Transport: Transport(h)} })
		b.must(b.Notify("http://hook/webhooks/jumpcloud/1", token))
		test(t, b, h)
		b.ok(b.Close())
	})
}

// waitIdle waits until no delivery runs any more.
func waitIdle() {
	time.Sleep(time.Hour)
	synctest.Wait()
}

func TestShapesOfNotifications(t *testing.T) {
	for shape, want := range map[Shape]jumpcloud.Shape{RuleNotification: jumpcloud.RuleNotification, BareEvent: jumpcloud.BareEvent, Array: jumpcloud.RuleNotification} {
		t.Run(string(shape), func(t *testing.T) {
			bubble(t, func(t *testing.T, b bench, h *hook) {
				b.Set(func(behaviour *Behaviour) { behaviour.Shape = shape })
				id := b.user("mira", nil)
				waitIdle()
				if len(h.bodies) != 1 || strings.HasPrefix(h.bodies[0], "[") != (shape == Array) {
					t.Fatalf("bodies %v, want one in the shape of the row", h.bodies)
				}
				parsed, err := jumpcloud.ParseBody([]byte(h.bodies[0]))
				if err != nil || parsed.Elements[0].Shape != want {
					t.Errorf("%+v, %v, want %s", parsed, err, want)
				}
				event := h.events(t)[0]
				stored := b.Events()
				if event.ID != stored[len(stored)-1].Text("id") || event.Type != "user_create" || fmt.Sprint(event.Users()) != "["+id+"]" {
					t.Errorf("event %+v, want user_create of the user with its id", event)
				}
				if strings.Contains(fmt.Sprint(event), "mira") {
					t.Errorf("a name is in %+v, want none", event)
				}
			})
		})
	}
}

func TestOnlySelectedEventsAreNotified(t *testing.T) {
	bubble(t, func(t *testing.T, b bench, h *hook) {
		b.must(b.CreateApplication("CRM")) // application_create is in no rule
		waitIdle()
		if len(h.bodies) != 0 {
			t.Errorf("bodies %v, want 0", h.bodies)
		}
	})
}

func TestRetries(t *testing.T) {
	status := func(code int) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "100")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		}
	}
	slow := func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	broken := func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	second := func(n int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader([]int{503, 200}[n-1])
	}
	for name, c := range map[string]struct {
		answer    func(int, http.ResponseWriter, *http.Request)
		at        string
		delivered bool
		status    int
	}{
		"200": {status(200), "[0s]", true, 200}, "299": {status(299), "[0s]", true, 299}, "302": {status(302), "[0s]", false, 302},
		"400": {status(400), "[0s]", false, 400}, "401": {status(401), "[0s]", false, 401}, "404": {status(404), "[0s]", false, 404},
		"408": {status(408), "[0s 2s 6s 14s]", false, 408}, "429": {status(429), "[0s 2s 6s 14s]", false, 429},
		"500": {status(500), "[0s 2s 6s 14s]", false, 500}, "503": {status(503), "[0s 2s 6s 14s]", false, 503},
		"time-out": {slow, "[0s 12s 26s 44s]", false, 0}, "broken": {broken, "[0s 2s 6s 14s]", false, 0},
		"then well": {second, "[0s 2s]", true, 200},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b bench, h *hook) {
				h.answer = c.answer
				b.user("mira", nil)
				waitIdle()
				if got := fmt.Sprint(h.at); got != c.at {
					t.Errorf("attempts at %s, want %s", got, c.at)
				}
				d := b.Deliveries()[0]
				if d.Delivered != c.delivered || d.Dropped == c.delivered || d.Attempts != len(h.at) || d.Status != c.status || (d.Error != "") != (c.status == 0) {
					t.Errorf("delivery %+v, want the result of the row", d)
				}
				if counters := b.Counters(); counters.Pending != 0 || counters.Attempts != len(h.at) || counters.Delivered+counters.Dropped != 1 {
					t.Errorf("counters %+v, want nothing pending and one result", counters)
				}
				for _, body := range h.bodies {
					if body != h.bodies[0] {
						t.Error("a retry has another body, want the same")
					}
				}
				health := b.want(200, "GET", "/api/v2/notifications/webhook/channels", nil).fields()["channels"].([]any)[0].(map[string]any)
				percentage := 0.0
				if c.delivered {
					percentage = float64(100 / len(h.at))
				}
				if health["totalRequests"] != float64(len(h.at)) || health["lastResponseStatusCode"] != float64(c.status) || health["successPercentage"] != percentage {
					t.Errorf("health %v, want the counts of the row", health)
				}
			})
		})
	}
}

func TestAuthentication(t *testing.T) {
	webhook := func(more Fields) Fields {
		config := Fields{"url": "http://hook/x"}
		for name, value := range more {
			config[name] = value
		}
		return Fields{"name": "second", "type": "CHANNEL_TYPE_WEBHOOK", "config": Fields{"webhook": config}}
	}
	for name, c := range map[string]struct {
		channel                     Fields
		authorization, custom, path string
	}{
		"none":        {webhook(nil), "", "", "/x"},
		"bearer":      {webhook(Fields{"authType": "WEBHOOK_AUTH_TYPE_BEARER", "authToken": token}), "Bearer " + token, "", "/x"},
		"basic":       {webhook(Fields{"authType": "WEBHOOK_AUTH_TYPE_BASIC", "authUsername": "jc", "authPassword": "pw"}), "Basic amM6cHc=", "", "/x"},
		"header":      {webhook(Fields{"customHeaders": []any{Fields{"key": "X-Secret", "value": token, "masked": true}}}), "", token, "/x"},
		"open header": {webhook(Fields{"customHeaders": []any{Fields{"key": "X-Secret", "value": "open"}}}), "", "open", "/x"},
		"url":         {webhook(Fields{"url": "http://hook/x?t={{TOKEN}}", "urlMasked": true, "maskedUrlPortion": []any{Fields{"key": "{{TOKEN}}", "value": "sesame"}}}), "", "", "/x?t=sesame"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hook{start: time.Now()}
				b := start(t, func(config *Config) { config.Client = &http.Client{Transport: Transport(h)} })
				made := b.want(201, "POST", "/api/v2/notifications/channels", Fields{"channel": c.channel})
				id := made.fields()["channel"].(map[string]any)["objectId"]
				rule := Fields{"name": "r", "ruleType": "RULE_TYPE_EVENT_FILTER_BASED", "alertsEnabled": true, "notifyOnViolation": true,
					"notificationChannelObjectIds": []any{id}, "eventFilters": []any{Fields{"eventTypes": []any{"user_create"}}}}
				b.want(200, "POST", "/api/v2/healthmonitoring/rules", Fields{"rule": rule})
				b.user("mira", nil)
				waitIdle()
				if len(h.bodies) != 1 {
					t.Fatalf("%d requests, want one", len(h.bodies))
				}
				header := h.header[0]
				if header.Get("Authorization") != c.authorization || header.Get("X-Secret") != c.custom || h.path[0] != "http://hook"+c.path || header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %v, want the headers and the address of the row", h.path[0], header)
				}
				shown := b.want(200, "GET", fmt.Sprintf("/api/v2/notifications/channels/%v", id), nil)
				for _, text := range []string{string(made.raw), string(shown.raw)} {
					if strings.Contains(text, token) || strings.Contains(text, `"pw"`) || strings.Contains(text, "sesame") {
						t.Errorf("a secret is in %s, want it nowhere", text)
					}
				}
				b.Close()
			})
		})
	}
}

func TestMishaps(t *testing.T) {
	count := func(t *testing.T, set func(*Behaviour)) (int, Counters) {
		arrived, counters := 0, Counters{}
		bubble(t, func(t *testing.T, b bench, h *hook) {
			b.Set(set)
			for i := range 100 {
				b.user(fmt.Sprintf("user%d", i), nil)
			}
			waitIdle()
			arrived, counters = len(h.bodies), b.Counters()
		})
		return arrived, counters
	}
	if arrived, counters := count(t, func(b *Behaviour) { b.LossRate = 0.3 }); arrived < 50 || arrived > 90 || counters.Lost != 100-arrived {
		t.Errorf("loss: %d arrived, %+v, want 50 to 90", arrived, counters)
	}
	if arrived, counters := count(t, func(b *Behaviour) { b.DuplicateRate = 0.3 }); arrived < 110 || arrived > 150 || counters.Notifications != arrived {
		t.Errorf("duplicates: %d arrived, %+v, want 110 to 150", arrived, counters)
	}
	again, _ := count(t, func(b *Behaviour) { b.LossRate = 0.3 })
	if first, _ := count(t, func(b *Behaviour) { b.LossRate = 0.3 }); first != again {
		t.Errorf("the same seed lost %d and %d, want the same", 100-first, 100-again)
	}
	if arrived, counters := count(t, func(b *Behaviour) { b.OnePerOpenAlert = true }); arrived != 1 || counters.Suppressed != 99 {
		t.Errorf("one per alert: %d arrived, %+v, want 1 and 99 suppressed", arrived, counters)
	}
}

func TestOrder(t *testing.T) {
	for _, rate := range []float64{0, 0.5} {
		bubble(t, func(t *testing.T, b bench, h *hook) {
			b.Set(func(behaviour *Behaviour) { behaviour.ReorderRate, behaviour.Concurrency = rate, 1 })
			var want []string
			for i := range 50 {
				want = append(want, b.user(fmt.Sprintf("user%d", i), nil))
			}
			waitIdle()
			var got []string
			for _, event := range h.events(t) {
				got = append(got, event.Resource.ID)
			}
			if len(got) != 50 || slices.Equal(got, want) != (rate == 0) {
				t.Errorf("rate %v: %d events, in order: %v", rate, len(got), slices.Equal(got, want))
			}
		})
	}
}

func TestResolvedAlertNotifiesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, b bench, h *hook) {
		b.Set(func(behaviour *Behaviour) { behaviour.OnePerOpenAlert = true })
		b.user("one", nil)
		b.user("two", nil)
		b.ResolveAlerts()
		b.user("three", nil)
		waitIdle()
		if len(h.bodies) != 2 {
			t.Errorf("%d notifications, want 2", len(h.bodies))
		}
	})
}

func TestConcurrencyIsLimited(t *testing.T) {
	bubble(t, func(t *testing.T, b bench, h *hook) {
		var mu sync.Mutex
		now, most := 0, 0
		h.answer = func(_ int, w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			w.WriteHeader(http.StatusOK)
		}
		for i := range 20 {
			b.user(fmt.Sprintf("user%d", i), nil)
		}
		waitIdle()
		if most != DefaultBehaviour().Concurrency || b.Counters().Delivered != 20 {
			t.Errorf("%d at once, %+v, want the concurrency and all 20 delivered", most, b.Counters())
		}
	})
}

func TestCloseStopsDeliveries(t *testing.T) {
	bubble(t, func(t *testing.T, b bench, h *hook) {
		h.answer = func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			<-r.Context().Done()
		}
		b.user("mira", nil)
		synctest.Wait()
		b.user("otto", nil)
		synctest.Wait()
		b.ok(b.Close())
		waitIdle()
		if len(h.bodies) != 2 {
			t.Errorf("%d attempts, want 2, because a retry must not come after Close", len(h.bodies))
		}
	})
}

func TestEventsWithoutID(t *testing.T) {
	bubble(t, func(t *testing.T, b bench, h *hook) {
		b.Set(func(behaviour *Behaviour) {
			behaviour.OmitEventIDs, behaviour.Shape, behaviour.DuplicateRate = true, BareEvent, 1
		})
		b.user("mira", nil)
		b.user("otto", nil)
		waitIdle()
		ids := map[string]int{}
		for _, event := range h.events(t) {
			ids[event.ID]++
		}
		if len(h.bodies) != 4 || len(ids) != 2 {
			t.Errorf("%d bodies, ids %v, want 4 with 2 ids", len(h.bodies), ids)
		}
		var raw Fields
		if json.Unmarshal([]byte(h.bodies[0]), &raw) != nil || raw["id"] != nil {
			t.Errorf("body %s, want one without an id", h.bodies[0])
		}
	})
}
