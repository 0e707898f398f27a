package patience_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/ports"
	"entrasync/shared/queue"
)

// cloud is AWS at the other end of a connection in memory, so that the real SDK
// and the real transport work inside a bubble. It notes when each attempt comes.
type cloud struct {
	answer func(attempt int, since time.Duration) reply
	busy   bool // the machine of the client is busy

	mu    sync.Mutex
	began time.Time
	at    []time.Duration
}

// reply is how an attempt ends.
type reply int

const (
	fine reply = iota
	failure
	throttled
	silence
	noConnection
	part        // the response says that a part of the batch was not taken
	cutOff      // the response ends too early
	askedToWait // a failure with a request to wait for five seconds
	inTwo       // the body comes half a second after the headers
)

// note records an attempt and returns its reply.
func (c *cloud) note() reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.began = time.Now()
	}
	since := time.Since(c.began)
	c.at = append(c.at, since)
	return c.answer(len(c.at), since)
}

// attempts are when the attempts came, since the first one.
func (c *cloud) attempts() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.at)
}

// ServeHTTP implements http.Handler.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	status, body := http.StatusOK, `{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"900150983cd24fb0d6963f7d28e17f72"}],"Failed":[]}`
	reply := c.note()
	switch reply {
	case failure:
		status, body = http.StatusInternalServerError, `{"__type":"InternalFailure"}`
	case throttled:
		status, body = http.StatusBadRequest, `{"__type":"ThrottlingException"}`
		if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" { // STS alone speaks XML
			body = `<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>`
		}
	case askedToWait:
		w.Header().Set("X-Amz-Retry-After", "5000")
		status, body = http.StatusServiceUnavailable, `{"__type":"ServiceUnavailable"}`
	case silence:
		<-r.Context().Done()
		return
	case part:
		body = `{"Successful":[],"Failed":[{"Id":"0","SenderFault":false,"Code":"InternalError"}]}`
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	if reply == inTwo {
		_ = http.NewResponseController(w).Flush()
		time.Sleep(500 * time.Millisecond)
	}
	_, _ = io.WriteString(w, body)
}

// busy is a connection of a busy machine: a write returns 50 ms late.
type busy struct{ net.Conn }

func (b busy) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p)
	time.Sleep(50 * time.Millisecond)
	return n, err
}

// listener hands over connections that were made in memory.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *listener) Close() error   { close(l.closed); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// config is what clients of the cloud are made with; p says how they wait.
func (c *cloud) config(t *testing.T, p patience.Patience, refuseConnections bool) aws.Config {
	t.Helper()
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if refuseConnections && c.note() == noConnection {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		}
		ours, theirs := net.Pipe()
		select {
		case l.conns <- theirs:
			if c.busy {
				return busy{ours}, nil
			}
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	cfg := awstest.Config("http://aws.invalid")
	cfg.RetryMaxAttempts = 9 // as AWS_MAX_ATTEMPTS would have it
	cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) { transport.DialContext = dial })
	p.Configure(&cfg)
	return cfg
}

// send sends one message, as the webhook does.
func send(ctx context.Context, cfg aws.Config) error {
	return ports.Queue(cfg, "http://aws.invalid/1/changes.fifo").Send(ctx, queue.Message{Body: []byte("abc"), GroupID: "g", DedupID: "d"})
}

// calls are one call to each service, as the functions make them.
var calls = map[string]func(context.Context, aws.Config) error{
	"SQS": send,
	"DynamoDB": func(ctx context.Context, cfg aws.Config) error {
		_, err := dynamodb.NewFromConfig(cfg).GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("t"), Key: map[string]types.AttributeValue{}})
		return err
	},
	"Secrets Manager": func(ctx context.Context, cfg aws.Config) error {
		_, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
		return err
	},
	"EventBridge": func(ctx context.Context, cfg aws.Config) error {
		_, err := eventbridge.NewFromConfig(cfg).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{{}}})
		return err
	},
	"STS": func(ctx context.Context, cfg aws.Config) error {
		_, err := sts.NewFromConfig(cfg).GetWebIdentityToken(ctx, &sts.GetWebIdentityTokenInput{Audience: []string{"a"}, SigningAlgorithm: aws.String("RS256")})
		return err
	},
}

// flags choose between the two behaviours that one version of the SDK has.
var flags = []string{"", "true"}

// The number of attempts and the pauses between them are as configured, whatever the
// service, the failure and the SDK's defaults.
func TestAttempts(t *testing.T) {
	for name, p := range map[string]patience.Patience{"webhook": patience.Webhook, "worker": patience.Worker} {
		for service, call := range calls {
			for trouble, what := range map[string]reply{"a failure": failure, "throttling": throttled, "no connection": noConnection} {
				for _, flag := range flags {
					t.Run(fmt.Sprintf("%s/%s/%s/%s", name, service, trouble, flag), func(t *testing.T) {
						t.Setenv("AWS_NEW_RETRIES_2026", flag)
						synctest.Test(t, func(t *testing.T) {
							c := &cloud{answer: func(int, time.Duration) reply { return what }}
							err := call(t.Context(), c.config(t, p, what == noConnection))
							if err == nil {
								t.Error("the call succeeded")
							}
							checkSpacing(t, c.attempts(), p)
						})
					})
				}
			}
		}
	}
}

// checkSpacing compares the times of attempts with the configuration.
func checkSpacing(t *testing.T, at []time.Duration, p patience.Patience) {
	t.Helper()
	if len(at) != p.Attempts {
		t.Fatalf("%d attempts, want %d: %v", len(at), p.Attempts, at)
	}
	var pauses []time.Duration
	for i := range at[1:] {
		pause := at[i+1] - at[i]
		if pause < p.Pause*3/4 || pause > p.Pause*5/4 {
			t.Errorf("the pause before attempt %d is %s, want %s or up to a quarter less or more", i+2, pause, p.Pause)
		}
		pauses = append(pauses, pause)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(pauses)))) < 2 {
		t.Errorf("every pause is %s, want different ones: many processes would retry at the same moment", pauses[0])
	}
}

// A webhook's event is kept although SQS is in trouble for a second.
func TestASecondOfTrouble(t *testing.T) {
	for trouble, what := range map[string]reply{"failures": failure, "throttling": throttled, "no connection": noConnection, "silence": silence,
		"a part of the batch": part} {
		t.Run(trouble, func(t *testing.T) {
			for range 200 { // the pauses are drawn
				synctest.Test(t, func(t *testing.T) {
					c := &cloud{answer: func(_ int, since time.Duration) reply {
						if since < time.Second {
							return what
						}
						return fine
					}}
					start := time.Now()
					if err := send(t.Context(), c.config(t, patience.Webhook, what == noConnection)); err != nil {
						t.Fatalf("%v after %v", err, c.attempts())
					}
					if took := time.Since(start); took > patience.Webhook.Answer {
						t.Errorf("it took %s, want at most %s", took, patience.Webhook.Answer)
					}
				})
			}
		})
	}
}

// A call ends within its time limit, also if AWS never answers or asks to wait longer.
func TestACallEnds(t *testing.T) {
	for name, p := range map[string]patience.Patience{"webhook": patience.Webhook, "worker": patience.Worker} {
		for trouble, what := range map[string]reply{"silence": silence, "a request to wait": askedToWait} {
			for _, flag := range flags {
				t.Run(name+"/"+trouble+"/"+flag, func(t *testing.T) {
					t.Setenv("AWS_NEW_RETRIES_2026", flag)
					synctest.Test(t, func(t *testing.T) {
						c := &cloud{answer: func(int, time.Duration) reply { return what }}
						start := time.Now()
						if err := send(t.Context(), c.config(t, p, false)); err == nil {
							t.Error("the call succeeded")
						}
						if took := time.Since(start); took > p.Call {
							t.Errorf("the call took %s, want at most %s", took, p.Call)
						}
						if what == silence && len(c.attempts()) < 2 {
							t.Errorf("%d attempts: one without an answer must not use up the time of a call", len(c.attempts()))
						}
					})
				})
			}
		}
	}
}

// A record that must be written within five seconds survives an attempt without a
// response, and more than two seconds of failures.
func TestTimeToRecord(t *testing.T) {
	const recordLimit = 5 * time.Second
	for name, answer := range map[string]func(int, time.Duration) reply{
		"an answer that never came": func(attempt int, _ time.Duration) reply { return map[bool]reply{true: silence}[attempt == 1] },
		"two seconds of failures":   func(_ int, since time.Duration) reply { return map[bool]reply{true: failure}[since < 2*time.Second] },
	} {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				synctest.Test(t, func(t *testing.T) {
					c := &cloud{answer: answer}
					ctx, cancel := context.WithTimeout(t.Context(), recordLimit)
					defer cancel()
					if err := send(ctx, c.config(t, patience.Worker, false)); err != nil {
						t.Errorf("%v after %v", err, c.attempts())
					}
				})
			}
		})
	}
}

// A call is retried after a connection that breaks in the middle of a response.
func TestAnAnswerThatEndsEarly(t *testing.T) {
	var attempts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"900150983cd24fb0d6963f7d28e17f72"}]}`
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if attempts.Add(1) == 1 {
			body = body[:20]
		}
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	cfg := awstest.Config(server.URL)
	patience.Patience{Attempts: 2, Each: time.Minute, Pause: time.Millisecond, Call: time.Minute}.Configure(&cfg)
	if err := ports.Queue(cfg, server.URL+"/1/changes.fifo").Send(t.Context(), queue.Message{Body: []byte("abc"), GroupID: "g", DedupID: "d"}); err != nil || attempts.Load() != 2 {
		t.Errorf("got %v after %d attempts, want no error after 2", err, attempts.Load())
	}
}

// A call whose answer comes in two parts is sent once, also from a busy machine.
func TestAnAnswerInTwoParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{busy: true, answer: func(int, time.Duration) reply { return inTwo }}
		err := send(t.Context(), c.config(t, patience.Worker, false))
		time.Sleep(time.Second) // the server has answered all that came
		if err != nil || len(c.attempts()) != 1 {
			t.Errorf("got %v after attempts at %v, want no error after one attempt", err, c.attempts())
		}
	})
}

// What AWS refuses for good is not tried again.
func TestARefusalIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{}
		cfg := c.config(t, patience.Webhook, false)
		cfg.HTTPClient = refusing{c}
		c.answer = func(int, time.Duration) reply { return fine }
		if err := send(t.Context(), cfg); err == nil || len(c.attempts()) != 1 {
			t.Errorf("got %v after %d attempts, want an error after 1", err, len(c.attempts()))
		}
	})
}

// refusing answers every request with a missing permission.
type refusing struct{ c *cloud }

func (r refusing) Do(request *http.Request) (*http.Response, error) {
	r.c.note()
	return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {"AccessDeniedException"}}, Body: http.NoBody, Request: request}, nil
}
