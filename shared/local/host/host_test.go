package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/rs/zerolog"

	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/host"
	"entrasync/shared/queue"
)

// newQueue opens a queue in a new file.
func newQueue(t *testing.T) *boltqueue.Queue {
	t.Helper()
	db, err := boltqueue.Open(filepath.Join(t.TempDir(), "queues.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	q, err := db.Queue(boltqueue.Config{Name: "test.fifo", Visibility: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// send sends numbered messages to a queue, each in another group.
func send(t *testing.T, q queue.Sender, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := q.Send(t.Context(), queue.Message{Body: []byte(body), GroupID: body, DedupID: body}); err != nil {
			t.Fatal(err)
		}
	}
}

// recorder is a function that records its events.
type recorder struct {
	mu      sync.Mutex
	batches [][]string
	handle  func(events.SQSEvent) (events.SQSEventResponse, error)
}

func (r *recorder) invoke(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	var bodies []string
	for _, m := range e.Records {
		bodies = append(bodies, m.Body+"#"+m.Attributes["ApproximateReceiveCount"])
	}
	slices.Sort(bodies)
	r.mu.Lock()
	r.batches = append(r.batches, bodies)
	r.mu.Unlock()
	if lc, ok := lambdacontext.FromContext(ctx); !ok || lc.AwsRequestID == "" {
		return events.SQSEventResponse{}, errors.New("no Lambda context")
	}
	if r.handle == nil {
		return events.SQSEventResponse{}, nil
	}
	return r.handle(e)
}

// function is the recorder as a Lambda function.
func (r *recorder) function() host.Function {
	return host.Function{Name: "test", Handler: r.invoke, Timeout: 10 * time.Second}
}

// flat is all messages that the function received, in order.
func (r *recorder) flat() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Concat(r.batches...)
}

// depth is the depth of the queue.
func depth(t *testing.T, q queue.Queue) queue.Depth {
	t.Helper()
	d, err := q.Depth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatFailedComesAgainAndTheRestIsDone(t *testing.T) {
	for name, tc := range map[string]struct {
		handle func(events.SQSEvent) (events.SQSEventResponse, error)
		want   []string
	}{
		"all is well": {nil, []string{"a#1", "b#1"}},
		"one of two fails once": {func(e events.SQSEvent) (events.SQSEventResponse, error) {
			var r events.SQSEventResponse
			for _, m := range e.Records {
				if m.Body == "b" && m.Attributes["ApproximateReceiveCount"] == "1" {
					r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
				}
			}
			return r, nil
		}, []string{"a#1", "b#1", "b#2"}},
		"the invocation fails once": {func(e events.SQSEvent) (events.SQSEventResponse, error) {
			if e.Records[0].Attributes["ApproximateReceiveCount"] == "1" {
				return events.SQSEventResponse{}, errors.New("no")
			}
			return events.SQSEventResponse{}, nil
		}, []string{"a#1", "b#1", "a#2", "b#2"}},
		"the function panics once": {func(e events.SQSEvent) (events.SQSEventResponse, error) {
			if e.Records[0].Attributes["ApproximateReceiveCount"] == "1" {
				panic("no")
			}
			return events.SQSEventResponse{}, nil
		}, []string{"a#1", "b#1", "a#2", "b#2"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, r, h := newQueue(t), &recorder{handle: tc.handle}, host.New(zerolog.Nop())
				send(t, q, "a", "b")
				h.Feed(r.function(), host.Source{Queue: "test.fifo", From: q, BatchSize: 10, Concurrency: 1})
				time.Sleep(5 * time.Minute) // the bubble's time
				if !h.Stop(time.Minute) {
					t.Error("the host did not stop")
				}
				if got := r.flat(); !slices.Equal(got, tc.want) {
					t.Errorf("got %v, want %v", got, tc.want)
				}
				if d := depth(t, q); d != (queue.Depth{}) {
					t.Errorf("the queue still holds %+v", d)
				}
			})
		})
	}
}

func TestWindowFillsABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r, h := newQueue(t), &recorder{}, host.New(zerolog.Nop())
		h.Feed(r.function(), host.Source{Queue: "test.fifo", From: q, BatchSize: 10, Concurrency: 1, Window: 200 * time.Millisecond})
		for i := range 12 {
			send(t, q, strconv.Itoa(i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		h.Stop(time.Minute)
		if len(r.batches) != 2 || len(r.batches[0]) != 10 {
			t.Errorf("batches %v, want a full one and the rest", r.batches)
		}
	})
}

func TestStopWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h := newQueue(t), host.New(zerolog.Nop())
		r := &recorder{handle: func(events.SQSEvent) (events.SQSEventResponse, error) {
			time.Sleep(3 * time.Second)
			return events.SQSEventResponse{}, nil
		}}
		send(t, q, "a")
		h.Feed(r.function(), host.Source{Queue: "test.fifo", From: q, BatchSize: 10, Concurrency: 1})
		time.Sleep(time.Second)
		start := time.Now()
		if !h.Stop(10*time.Second) || time.Since(start) != 2*time.Second {
			t.Errorf("stopped after %s, want 2s", time.Since(start))
		}
		if d := depth(t, q); d != (queue.Depth{}) {
			t.Errorf("the depth is %+v, want 0: handled messages must be deleted", d)
		}
	})
}

func TestHTTPIsPassedOnWhole(t *testing.T) {
	var got events.APIGatewayV2HTTPRequest
	h := host.New(zerolog.Nop())
	server := h.HTTP(host.Function{Name: "test", Timeout: time.Second, Handler: func(_ context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		got = r
		return events.APIGatewayV2HTTPResponse{StatusCode: 418, Body: "aGk=", IsBase64Encoded: true, Headers: map[string]string{"X-A": "1"}, Cookies: []string{"c=1"}}, nil
	}})
	r := httptest.NewRequest(http.MethodPut, "/v1/a%2Fb?x=1&x=2", strings.NewReader("\xff\x00"))
	r.Header.Add("X-Two", "a")
	r.Header.Add("X-Two", "b")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	if w.Code != 418 || w.Body.String() != "hi" || w.Header().Get("X-A") != "1" || w.Header().Get("Set-Cookie") != "c=1" {
		t.Errorf("got response %d %q %v, want 418 hi with both headers", w.Code, w.Body, w.Header())
	}
	if got.RawPath != "/v1/a/b" || got.RawQueryString != "x=1&x=2" || got.Headers["x-two"] != "a,b" || got.RequestContext.HTTP.Method != "PUT" || !got.IsBase64Encoded || got.Body != "/wA=" || got.RequestContext.HTTP.SourceIP == "" {
		t.Errorf("got event %+v, want the path, query, headers, body and address of the request", got)
	}
}

// Each of many concurrent invocations has its own response.
func TestAnswersAreNotMixedUp(t *testing.T) {
	h := host.New(zerolog.Nop())
	echo := h.HTTP(host.Function{Name: "test", Timeout: time.Minute, Handler: func(r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusOK, Body: r.RawPath}, nil
	}})
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for n := range 2000 {
				path, w := fmt.Sprintf("/%d/%d", caller, n), httptest.NewRecorder()
				echo.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
				if w.Body.String() != path {
					t.Errorf("%s: got %d %q, want the path", path, w.Code, w.Body)
					return
				}
			}
		})
	}
	callers.Wait()
}

func TestHTTPFailures(t *testing.T) {
	h := host.New(zerolog.Nop())
	failing := func(handler any) http.Handler {
		return h.HTTP(host.Function{Name: "test", Timeout: time.Second, Handler: handler})
	}
	panics := failing(func(events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) { panic("no") })
	errs := failing(func(events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return events.APIGatewayV2HTTPResponse{}, errors.New("no")
	})
	for name, tc := range map[string]struct {
		handler http.Handler
		body    io.Reader
		want    int
	}{
		"a panic":         {panics, nil, 503},
		"an error":        {errs, nil, 503},
		"an endless body": {errs, io.LimitReader(zeros{}, 11<<20), 413},
	} {
		w := httptest.NewRecorder()
		tc.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", tc.body))
		if w.Code != tc.want {
			t.Errorf("%s: got %d, want %d", name, w.Code, tc.want)
		}
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// raw is a function outside this process: JSON in, JSON out.
type raw func(context.Context, []byte) ([]byte, error)

// Invoke implements lambda.Handler.
func (r raw) Invoke(ctx context.Context, event []byte) ([]byte, error) { return r(ctx, event) }

func TestAFunctionElsewhereGetsTheSameEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, h := newQueue(t), host.New(zerolog.Nop())
		var got []events.SQSMessage
		outside := raw(func(ctx context.Context, event []byte) ([]byte, error) {
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != time.Second {
				t.Errorf("the deadline is in %s, want 1s", time.Until(deadline))
			}
			var e events.SQSEvent
			if err := json.Unmarshal(event, &e); err != nil {
				return nil, err
			}
			got = append(got, e.Records...)
			if len(got) == 1 {
				return []byte(`{"batchItemFailures":[{"itemIdentifier":"` + e.Records[0].MessageId + `"}]}`), nil
			}
			return []byte(`{}`), nil
		})
		send(t, q, "a")
		h.Feed(host.Function{Name: "test", Handler: outside, Timeout: time.Second}, host.Source{
			Queue: "test.fifo", ARN: "arn:aws:sqs:eu-central-1:123456789012:stack-test.fifo", From: q, BatchSize: 10, Concurrency: 1})
		time.Sleep(5 * time.Minute) // the bubble's time
		h.Stop(time.Minute)
		if len(got) != 2 || got[1].Attributes["ApproximateReceiveCount"] != "2" || got[1].EventSourceARN != "arn:aws:sqs:eu-central-1:123456789012:stack-test.fifo" || got[1].AWSRegion != "eu-central-1" {
			t.Errorf("got %+v, want two messages, the second with count 2 and the ARN and region of the source", got)
		}
		if d := depth(t, q); d != (queue.Depth{}) {
			t.Errorf("the depth is %+v, want 0", d)
		}
	})
}
