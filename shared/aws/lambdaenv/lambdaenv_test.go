package lambdaenv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/aws/patience"
	"entrasync/shared/queue"
)

// The variables that make the test program a function.
const asFunction = "LAMBDAENV_TEST_FUNCTION"

func TestMain(m *testing.M) {
	if os.Getenv(asFunction) == "" {
		os.Exit(m.Run())
	}
	env := Open(patience.Webhook)
	changes := env.Queue(ChangesQueue)
	metrics := env.Metrics()
	env.Start(func(ctx context.Context, what string) error {
		switch what {
		case "log at every level":
			for _, level := range []zerolog.Level{zerolog.DebugLevel, zerolog.InfoLevel, zerolog.WarnLevel} {
				zerolog.Ctx(ctx).WithLevel(level).Msg("said at " + level.String())
			}
			metrics.Count("said", 1)
		case "print":
			stdlog.Print("printed by a library")
		case "call":
			return changes.Send(ctx, queue.Message{Body: []byte("abc"), GroupID: "g", DedupID: "d"})
		case "panic":
			panic("at the disco")
		default:
			return errors.New("no luck")
		}
		return nil
	}, nil)
}

// run runs the test program as a function that receives these events, and returns the
// lines that it wrote.
func run(t *testing.T, level string, events ...string) []string {
	t.Helper()
	done := make(chan struct{})
	left := events
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		if len(left) == 0 {
			close(done)
			<-r.Context().Done()
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint("request-", len(events)-len(left)))
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
		_ = json.NewEncoder(w).Encode(left[0])
		left = left[1:]
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	runtime := httptest.NewServer(mux)
	defer runtime.Close()
	// SQS with a date that cannot be parsed; the SDK logs a warning about it.
	sqs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "yesterday")
		_, _ = io.WriteString(w, `{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"900150983cd24fb0d6963f7d28e17f72"}]}`)
	}))
	defer sqs.Close()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = []string{
		asFunction + "=1", "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(runtime.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=stack-test", "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL_SQS=" + sqs.URL, ChangesQueue + "=" + sqs.URL + "/1/changes.fifo",
		MetricsNamespace + "=stack", LogLevel + "=" + level,
	}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = command.Wait() }()
	select {
	case <-done:
		_ = command.Process.Kill()
		<-ended
	case <-ended:
	}
	var lines []string
	for scanner := bufio.NewScanner(&output); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return lines
}

// Every line is JSON with a level, a time, the function and a message, whichever library
// wrote it.
func TestEveryLineIsJSON(t *testing.T) {
	lines := run(t, "debug", "print", "call", "fail", "panic")
	var said []string
	for _, text := range lines {
		var line struct {
			Level, Time, Function, Message string
			Error                          json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Level == "" || line.Time == "" || line.Function != "stack-test" || line.Message == "" {
			t.Errorf("got line %s, want JSON with level, time, function and message", text)
		}
		said = append(said, line.Level+" "+line.Message+" "+string(line.Error))
	}
	for _, want := range []string{"warn printed by a library", "warn failed to parse response Date", "no luck", "at the disco", "the process should exit"} {
		if !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("got lines without %q:\n%s", want, strings.Join(said, "\n"))
		}
	}
	if !slices.ContainsFunc(lines, func(line string) bool {
		return strings.Contains(line, "failed to parse response Date") && strings.Contains(line, `"request":"request-1"`)
	}) {
		t.Errorf("got no line of the SDK with the request id:\n%s", strings.Join(lines, "\n"))
	}
}

// A level filters out less important lines, but never a metric.
func TestLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 3, "info": 2, "warn": 1, "": 2, "WARN": 1, "nonsense": 2} {
		lines := run(t, level, "log at every level")
		text := strings.Join(lines, "\n")
		if got := strings.Count(text, "said at"); got != want {
			t.Errorf("at %q %d lines, want %d:\n%s", level, got, want, text)
		}
		if !strings.Contains(text, `"said":1`) {
			t.Errorf("at %q the metric is missing:\n%s", level, text)
		}
	}
}

// waiting is a handler that waits until its context ends.
type waiting struct{}

func (waiting) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A function with a time limit ends within it; any other one may use Lambda's own time-out.
func TestAnswerInTime(t *testing.T) {
	for want, waits := range map[time.Duration]patience.Patience{3 * time.Second: patience.Webhook, 10 * time.Second: patience.Worker} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			if _, err := (invoked{waiting{}, zerolog.Nop(), waits.Answer}).Invoke(ctx, nil); err == nil || time.Since(start) != want {
				t.Errorf("answered after %s, want %s (%v)", time.Since(start), want, err)
			}
		})
	}
}

// If a variable of Lambda is missing, the check names it, before anything else fails.
func TestOutsideLambda(t *testing.T) {
	for _, missing := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Run(missing, func(t *testing.T) {
			for name, value := range map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "", missing: ""} {
				t.Setenv(name, value)
			}
			env := Open(patience.Worker)
			defer stdlog.SetOutput(os.Stderr)
			if err := env.check(); err == nil || !strings.Contains(err.Error(), missing) {
				t.Errorf("got %v, want an error that names %s", err, missing)
			}
		})
	}
}

// A rate is read as the parameter of a schedule has it, and nothing else is one.
func TestRate(t *testing.T) {
	for value, want := range map[string]time.Duration{"1 minute": time.Minute, "20 minutes": 20 * time.Minute, "1 hour": time.Hour, "2 hours": 2 * time.Hour,
		"5m": 0, "0 minutes": 0, "3 days": 0, "minutes": 0, "": 0} {
		t.Setenv(CatchUpEvery, value)
		e := &Environment{}
		if got := e.Rate(CatchUpEvery); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
		if refused := e.err != nil || len(e.missing) > 0; refused != (want == 0) {
			t.Errorf("%q: refused %t (%v, missing %q), want %t", value, refused, e.err, e.missing, want == 0)
		}
	}
}
