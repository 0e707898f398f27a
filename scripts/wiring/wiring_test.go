package wiring_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"entrasync/scripts/lambda/stack"
	"entrasync/scripts/wiring"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/host"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// shipped are the functions as the template has them, and the time-outs of those that
// HTTP invokes.
func shipped(t *testing.T) (functions []wiring.Function, configs []boltqueue.Config, overHTTP map[string]time.Duration) {
	t.Helper()
	const name = "x"
	s, err := stack.Read("../../template.yaml", stack.Place{StackName: name, Parameters: map[string]string{"EntraClientId": "-"}, QueueURL: func(name string) string { return name }})
	if err != nil {
		t.Fatal(err)
	}
	overHTTP = map[string]time.Duration{}
	for _, f := range s.Functions {
		own := wiring.Function{Name: strings.TrimPrefix(f.Name, name+"-"), Timeout: f.Timeout}
		if len(f.Routes) > 0 {
			overHTTP[own.Name] = f.Timeout
			continue
		}
		for _, schedule := range f.Schedules {
			own.Every = schedule.Every
		}
		for _, source := range f.Sources {
			q, err := s.QueueByARN(source.QueueARN)
			if err != nil {
				t.Fatal(err)
			}
			if source.BatchSize != queue.MaxBatch {
				t.Errorf("%s takes %d messages, want %d", own.Name, source.BatchSize, queue.MaxBatch)
			}
			short := strings.TrimPrefix(q.Name, name+"-")
			config := boltqueue.Config{Name: short, MaxReceives: number(t, q.Attributes["RedrivePolicy"], `"maxReceiveCount":"`), Visibility: time.Duration(number(t, q.Attributes["VisibilityTimeout"], "")) * time.Second}
			configs = append(configs, config)
			own.Queues = append(own.Queues, wiring.Queue{Name: short, Concurrency: source.Concurrency, Receives: config.MaxReceives, Bulk: strings.Contains(short, "bulk")})
		}
		functions = append(functions, own)
	}
	return functions, configs, overHTTP
}

// number is the number that stands behind some text.
func number(t *testing.T, text, behind string) int {
	t.Helper()
	_, text, _ = strings.Cut(text, behind)
	n := 0
	for _, digit := range text {
		if digit < '0' || digit > '9' {
			break
		}
		n = 10*n + int(digit-'0')
	}
	if n == 0 {
		t.Fatalf("there is no number behind %q in %q", behind, text)
	}
	return n
}

// One machine runs what AWS runs: the same functions, time-outs, queues and schedules.
func TestTheFunctionsAreThoseOfTheTemplate(t *testing.T) {
	functions, configs, overHTTP := shipped(t)
	anyOrder := cmp.Options{
		cmpopts.IgnoreFields(wiring.Function{}, "New"),
		cmpopts.SortSlices(func(a, b wiring.Function) bool { return a.Name < b.Name }),
		cmpopts.SortSlices(func(a, b wiring.Queue) bool { return a.Name < b.Name }),
		cmpopts.SortSlices(func(a, b boltqueue.Config) bool { return a.Name < b.Name }),
	}
	if diff := cmp.Diff(functions, wiring.Functions, anyOrder); diff != "" {
		t.Errorf("the functions (-template +here):\n%s", diff)
	}
	if diff := cmp.Diff(configs, wiring.Configs(wiring.Functions), anyOrder); diff != "" {
		t.Errorf("the queues (-template +here):\n%s", diff)
	}
	if diff := cmp.Diff(overHTTP, map[string]time.Duration{"webhook": wiring.WebhookTimeout, "admin": wiring.AdminTimeout, "imports": wiring.ImportsTimeout}); diff != "" {
		t.Errorf("the time-outs of what HTTP invokes (-template +here):\n%s", diff)
	}
}

// A function without one of its parts is refused at start.
func TestAMissingPartIsRefused(t *testing.T) {
	for _, start := range []func(*host.Host) error{
		func(h *host.Host) error { return wiring.Start(h, wiring.Functions[1:], wiring.Parts{}, 0) },
		func(h *host.Host) error {
			return wiring.StartApart(h, wiring.Functions[1:], func() wiring.Parts { return wiring.Parts{} })
		},
	} {
		if err := start(host.New(zerolog.Nop())); err == nil || !strings.Contains(err.Error(), "Store") {
			t.Errorf("got %v, want that the Store is missing", err)
		}
	}
}

// sample is a function with a queue and a schedule that records its events.
type sample struct {
	mu   sync.Mutex
	made int
	got  []string
}

func (s *sample) functions() []wiring.Function {
	newHandler := func(wiring.Parts) (any, error) {
		s.made++
		return func(_ context.Context, event struct {
			Source  string `json:"source"`
			Records []events.SQSMessage
		}) (events.SQSEventResponse, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if event.Source != "" {
				s.got = append(s.got, event.Source)
				return events.SQSEventResponse{}, errors.New("a run that fails costs no later one")
			}
			for _, record := range event.Records {
				s.got = append(s.got, record.Body)
			}
			return events.SQSEventResponse{}, nil
		}, nil
	}
	return []wiring.Function{{
		Name: "sample", Timeout: time.Minute, Every: 24 * time.Hour, New: newHandler, Queues: []wiring.Queue{{Name: "sample.fifo", Concurrency: 3}},
	}}
}

// A function is invoked by its queue and by its schedule, in one process and in several.
func TestAFunctionWithAQueueAndASchedule(t *testing.T) {
	for name, tc := range map[string]struct {
		start func(*host.Host, []wiring.Function, wiring.Parts) error
		made  int // handlers
	}{
		"in one process": {func(h *host.Host, f []wiring.Function, p wiring.Parts) error {
			return wiring.Start(h, f, p, time.Second)
		}, 1},
		"apart": {func(h *host.Host, f []wiring.Function, p wiring.Parts) error {
			return wiring.StartApart(h, f, func() wiring.Parts { return p })
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, h := &sample{}, host.New(zerolog.Nop())
				files, err := boltqueue.Open(filepath.Join(t.TempDir(), "queues.db"))
				if err != nil {
					t.Fatal(err)
				}
				q, err := files.Queue(wiring.Configs(s.functions())[0])
				if err != nil {
					t.Fatal(err)
				}
				if err := tc.start(h, s.functions(), wiring.NewParts(reconcile.Parts{}, wiring.Queues{"sample.fifo": q}, nil)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(30 * time.Hour)
				if err := q.Send(t.Context(), queue.Message{Body: []byte("a message"), GroupID: "g", DedupID: "d"}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(30 * time.Hour)
				if !h.Stop(time.Hour) {
					t.Error("an invocation still runs an hour after the stop, want none")
				}
				if want := []string{"aws.scheduler", "aws.scheduler", "a message", "aws.scheduler"}; !slices.Equal(s.got, want) || s.made != tc.made {
					t.Errorf("%d handlers got %q, want %d and %q", s.made, s.got, tc.made, want)
				}
				if err := files.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A process may pace a function otherwise, or leave one out; the others stay as they are.
func TestFunctionsArePacedAndLeftOut(t *testing.T) {
	every := func(functions []wiring.Function, name string) time.Duration {
		i := slices.IndexFunc(functions, func(f wiring.Function) bool { return f.Name == name })
		if i < 0 {
			return -1
		}
		return functions[i].Every
	}
	paced := wiring.Paced(wiring.Functions, map[string]time.Duration{wiring.CatchUp: time.Hour})
	if got, other, before := every(paced, wiring.CatchUp), every(paced, "sweep"), every(wiring.Functions, wiring.CatchUp); got != time.Hour || other != 5*time.Minute || before != time.Minute {
		t.Errorf("it comes every %s, the sweep every %s, and before every %s; want 1h, 5m and 1m", got, other, before)
	}
	rest := wiring.Without(wiring.Functions, wiring.CatchUp)
	if len(rest) != len(wiring.Functions)-1 || every(rest, wiring.CatchUp) != -1 {
		t.Errorf("%d functions are left of %d, want all but one", len(rest), len(wiring.Functions))
	}
}
