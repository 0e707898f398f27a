package runtimeapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"entrasync/scripts/lambda/runtimeapi"
	"entrasync/shared/fault"
)

// behaviour is the variable that makes the test program a bootstrap.
const behaviour = "BOOTSTRAP_BEHAVIOUR"

// order is an event of the test bootstrap: what to do.
type order struct {
	Do   string `json:"do"`
	File string `json:"file,omitempty"` // wait: until it exists
}

// report is what the test bootstrap answers.
type report struct {
	PID         int
	Environment map[string]string
	RequestID   string
	ARN         string
	Left        time.Duration
	Trace       string
	Folder      string
}

func TestMain(m *testing.M) {
	switch os.Getenv(behaviour) {
	case "":
		os.Exit(m.Run())
	case "ends":
		fmt.Println("cannot begin")
		os.Exit(3)
	case "serves":
		lambda.Start(serve)
	}
}

// serve is the handler of the test bootstrap.
func serve(ctx context.Context, o order) (report, error) {
	switch o.Do {
	case "fail":
		return report{}, errors.New("no luck")
	case "panic":
		panic("at the disco")
	case "exit":
		os.Exit(7)
	case "hang":
		select {} // with a deadlock detected only when nothing else runs
	case "wait":
		for {
			if _, err := os.Stat(o.File); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
	case "print":
		fmt.Println("to stdout")
		fmt.Fprint(os.Stderr, "to stderr")
	case "log":
		for _, line := range logged {
			fmt.Println(line.text)
		}
	}
	r := report{PID: os.Getpid(), Environment: map[string]string{}, Trace: os.Getenv("_X_AMZN_TRACE_ID")}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		r.Environment[name] = value
	}
	lc, _ := lambdacontext.FromContext(ctx)
	r.RequestID, r.ARN = lc.AwsRequestID, lc.InvokedFunctionArn
	deadline, _ := ctx.Deadline()
	r.Left = time.Until(deadline)
	r.Folder, _ = os.Getwd()
	return r, nil
}

// function is a function whose bootstrap is the test program.
func function(t *testing.T, change func(*runtimeapi.Config)) *runtimeapi.Function {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := runtimeapi.Config{
		Name: "test", Bootstrap: program, Environment: map[string]string{behaviour: "serves", "MINE": "1"},
		MemoryMB: 128, Timeout: 20 * time.Second, Region: "eu-central-1", AccountID: "000000000000", AccessKey: "AKIA",
	}
	if change != nil {
		change(&c)
	}
	f, err := runtimeapi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	return f
}

// invoke invokes and decodes the report.
func invoke(t *testing.T, f *runtimeapi.Function, o order) (report, error) {
	t.Helper()
	payload, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.Invoke(t.Context(), payload)
	var r report
	if err == nil {
		if err := json.Unmarshal(answer, &r); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
	}
	return r, err
}

func TestAProcessGetsWhatLambdaGivesAndNothingElse(t *testing.T) {
	t.Setenv("OF_THE_PARENT", "1")
	f := function(t, nil)
	r, err := invoke(t, f, order{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"MINE": "1", "AWS_LAMBDA_FUNCTION_NAME": "test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_REGION": "eu-central-1",
		"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SESSION_TOKEN": "no", "TZ": ":UTC",
	} {
		if !strings.HasPrefix(r.Environment[name], want) {
			t.Errorf("%s is %q, want %q", name, r.Environment[name], want)
		}
	}
	for name := range maps.Keys(r.Environment) {
		if name != "MINE" && name != behaviour && !strings.Contains(name, "AWS_") && !strings.HasPrefix(name, "LAMBDA_") &&
			!slices.Contains([]string{"_HANDLER", "_X_AMZN_TRACE_ID", "LANG", "PATH", "TZ", "PWD"}, name) {
			t.Errorf("the process inherited %s", name)
		}
	}
	if r.RequestID == "" || r.ARN != "arn:aws:lambda:eu-central-1:000000000000:function:test" || r.ARN != f.ARN() ||
		!strings.HasPrefix(r.Trace, "Root=1-") || r.Left <= 0 || r.Left > 20*time.Second {
		t.Errorf("the invocation's context is %+v, want a request id, the ARN %s, a trace and up to 20 s left", r, f.ARN())
	}
	if r.Folder != r.Environment["LAMBDA_TASK_ROOT"] {
		t.Errorf("it runs in %s, want its task root %s", r.Folder, r.Environment["LAMBDA_TASK_ROOT"])
	}
}

func TestOneProcessTakesOneInvocationAfterTheOther(t *testing.T) {
	f := function(t, nil)
	first, err := invoke(t, f, order{})
	if err != nil {
		t.Fatal(err)
	}
	// The process calls next a moment after it answered.
	for !slices.ContainsFunc(f.Instances(), func(i runtimeapi.Instance) bool { return !i.Busy && i.PID == first.PID }) {
		time.Sleep(time.Millisecond)
	}
	second, err := invoke(t, f, order{})
	if err != nil {
		t.Fatal(err)
	}
	if first.PID != second.PID || first.RequestID == second.RequestID || f.ColdStarts() != 1 {
		t.Errorf("processes %d and %d, requests %s and %s, %d cold starts; want one process, two requests and 1 cold start", first.PID, second.PID, first.RequestID, second.RequestID, f.ColdStarts())
	}
	if i := f.Instances(); len(i) != 1 || i[0].PID != first.PID || i[0].Init <= 0 {
		t.Errorf("instances %+v, want one, of process %d, that is ready", i, first.PID)
	}
}

func TestInvocationsAtOnceHaveProcessesOfTheirOwn(t *testing.T) {
	f := function(t, nil)
	gate := t.TempDir() + "/go"
	var wait sync.WaitGroup
	reports := make([]report, 3)
	for n := range reports {
		wait.Go(func() {
			var err error
			if reports[n], err = invoke(t, f, order{Do: "wait", File: gate}); err != nil {
				t.Error(err)
			}
		})
	}
	for busy := 0; busy < 3; {
		busy = 0
		for _, i := range f.Instances() {
			if i.Busy {
				busy++
			}
		}
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wait.Wait()
	pids := map[int]bool{}
	for _, r := range reports {
		pids[r.PID] = true
	}
	if len(pids) != 3 || f.ColdStarts() != 3 {
		t.Errorf("%d processes and %d cold starts for 3 invocations at once, want 3 and 3", len(pids), f.ColdStarts())
	}
}

func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		order  order
		change func(*runtimeapi.Config)
		want   string // the type of the error
		says   string
		starts int // after one more invocation that goes well, when there can be one
	}{
		"an error of the handler":       {order{Do: "fail"}, nil, "errorString", "no luck", 1},
		"a panic":                       {order{Do: "panic"}, nil, "string", "at the disco", 2},
		"the process exits":             {order{Do: "exit"}, nil, runtimeapi.ExitError, "exit status 7", 2},
		"it takes too long":             {order{Do: "hang"}, func(c *runtimeapi.Config) { c.Timeout = 300 * time.Millisecond }, runtimeapi.TimedOut, "timed out after 0.30 seconds", 2},
		"it ends before its first call": {order{}, func(c *runtimeapi.Config) { c.Environment[behaviour] = "ends" }, runtimeapi.ExitError, "exit status 3", 0},
		"there is no such program":      {order{}, func(c *runtimeapi.Config) { c.Bootstrap += ".missing" }, runtimeapi.StartError, "no such file", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := function(t, tc.change)
			_, err := invoke(t, f, tc.order)
			var failed *runtimeapi.FunctionError
			if !errors.As(err, &failed) || failed.Type != tc.want || !strings.Contains(failed.Message, tc.says) || failed.Function != "test" {
				t.Fatalf("got %v, want %s: %s", err, tc.want, tc.says)
			}
			if tc.starts == 0 {
				return
			}
			for tc.starts == 2 && len(f.Instances()) > 0 || tc.starts == 1 && f.Instances()[0].Busy {
				time.Sleep(time.Millisecond) // a panic is reported before the process ends
			}
			if r, err := invoke(t, f, order{}); err != nil || r.PID == 0 {
				t.Errorf("the next invocation: %v in process %d, want no error", err, r.PID)
			}
			if f.ColdStarts() != tc.starts {
				t.Errorf("%d cold starts, want %d", f.ColdStarts(), tc.starts)
			}
		})
	}
}

func TestKilledFromOutside(t *testing.T) {
	f := function(t, nil)
	failed := make(chan error, 1)
	go func() {
		_, err := invoke(t, f, order{Do: "hang"})
		failed <- err
	}()
	var victim runtimeapi.Instance
	for !victim.Busy {
		if living := f.Instances(); len(living) > 0 {
			victim = living[0]
		}
	}
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var got *runtimeapi.FunctionError
	if err := <-failed; !errors.As(err, &got) || got.Type != runtimeapi.ExitError || !strings.Contains(got.Message, "killed") {
		t.Errorf("got %v, want %s that says killed", err, runtimeapi.ExitError)
	}
	r, err := invoke(t, f, order{})
	if err != nil || r.PID == victim.PID || f.ColdStarts() != 2 {
		t.Errorf("the next invocation: %v, process %d, %d cold starts; want no error, another process than %d, 2 cold starts", err, r.PID, f.ColdStarts(), victim.PID)
	}

	// An idle process that dies is replaced, and the caller does not see it.
	for len(f.Instances()) != 1 || f.Instances()[0].Busy {
		time.Sleep(time.Millisecond)
	}
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for len(f.Instances()) > 0 {
		time.Sleep(time.Millisecond)
	}
	if next, err := invoke(t, f, order{}); err != nil || next.PID == r.PID {
		t.Errorf("after an idle process died: %v, process %d; want no error and another process than %d", err, next.PID, r.PID)
	}
}

func TestOutputIsKept(t *testing.T) {
	var output bytes.Buffer
	f := function(t, func(c *runtimeapi.Config) { c.Output = &output })
	if _, err := invoke(t, f, order{Do: "print"}); err != nil {
		t.Fatal(err)
	}
	f.Stop()
	if got := output.String(); !strings.Contains(got, "to stdout\n") || !strings.Contains(got, "to stderr\n") {
		t.Errorf("the output is %q, want a line of stdout and one of stderr", got)
	}
}

// logged are lines and the level that Lambda takes them to have.
var logged = []struct{ text, level string }{
	{`{"level":"trace","timestamp":"2026-03-02T09:14:07Z"}`, "TRACE"},
	{`{"level":"debug","timestamp":"2026-03-02T09:14:07.498+01:00"}`, "DEBUG"},
	{`{"level":"WARN","timestamp":"2026-03-02T09:14:07Z"}`, "WARN"},
	{`{"level":"fatal","timestamp":"2026-03-02T09:14:07Z"}`, "FATAL"},
	{`{"level":"error","timestamp":"yesterday"}`, "INFO"},
	{`{"level":"error","note":"no time"}`, "INFO"},
	{`{"level":"grave","timestamp":"2026-03-02T09:14:07Z"}`, "INFO"},
	{`{"timestamp":"2026-03-02T09:14:07Z","note":"no level"}`, "INFO"},
	{`{"_aws":{"Timestamp":1772442847000,"CloudWatchMetrics":[]},"parked":1}`, "INFO"},
	{`no JSON`, "INFO"},
}

// Lambda drops lines below the function's level. A line without a level counts as INFO.
func TestLogLevel(t *testing.T) {
	detail := []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}
	for n, level := range append([]string{""}, detail...) {
		var output bytes.Buffer
		f := function(t, func(c *runtimeapi.Config) { c.Output, c.LogLevel = &output, level })
		if _, err := invoke(t, f, order{Do: "log"}); err != nil {
			t.Fatal(err)
		}
		f.Stop()
		for _, line := range logged {
			if got, want := strings.Contains(output.String(), line.text), slices.Index(detail, line.level) >= n-1; got != want {
				t.Errorf("at level %q the line %s comes through: %v, want %v", level, line.text, got, want)
			}
		}
	}
}

func TestStopEndsEveryProcess(t *testing.T) {
	f := function(t, nil)
	i, err := f.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if i.PID == 0 || i.Busy || i.Init <= 0 || i.Init > runtimeapi.MaxInit {
		t.Errorf("prepared %+v, want an idle process that is ready within %s", i, runtimeapi.MaxInit)
	}
	f.Stop()
	if err := syscall.Kill(i.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("a signal to process %d: %v, want %v", i.PID, err, syscall.ESRCH)
	}
	if _, err := invoke(t, f, order{}); !fault.Is(err, fault.Transient) {
		t.Errorf("a stopped function answered %v, want %s", err, fault.Transient)
	}
}

func TestWhatLambdaRefuses(t *testing.T) {
	valid := runtimeapi.Config{Name: "test", Bootstrap: "bootstrap", Timeout: time.Second}
	for name, change := range map[string]func(*runtimeapi.Config){
		"a reserved variable":        func(c *runtimeapi.Config) { c.Environment = map[string]string{"AWS_REGION": "x"} },
		"the address of the runtime": func(c *runtimeapi.Config) { c.Environment = map[string]string{"AWS_LAMBDA_RUNTIME_API": "x"} },
		"no time-out":                func(c *runtimeapi.Config) { c.Timeout = 0 },
		"an unknown log level":       func(c *runtimeapi.Config) { c.LogLevel = "info" },
		"too long a time-out":        func(c *runtimeapi.Config) { c.Timeout = 16 * time.Minute },
	} {
		c := valid
		change(&c)
		if _, err := runtimeapi.New(c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want %s", name, err, fault.Invalid)
		}
	}
	f := function(t, nil)
	if _, err := f.Invoke(t.Context(), make([]byte, runtimeapi.MaxPayloadBytes+1)); !fault.Is(err, fault.Invalid) {
		t.Errorf("too large an event: %v, want %s", err, fault.Invalid)
	}
}
