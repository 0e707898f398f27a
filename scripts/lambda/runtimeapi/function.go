// Package runtimeapi runs a shipped Lambda function on this machine: it starts the real
// bootstrap as a process, with the environment of Lambda and nothing else, and serves the
// Lambda Runtime API to it.
//
// A process handles one invocation at a time. When all are busy another one is
// started, which is a cold start; a process that dies or takes too long is a
// failed invocation, and the next one gets a new process.
package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"entrasync/shared/fault"
)

// Limits of AWS Lambda (AWS Lambda documentation, quotas and the lifecycle of
// the execution environment).
const (
	MaxPayloadBytes = 6 << 20          // of a synchronous event, and of its answer
	MaxInit         = 10 * time.Second // from the start of a process to its first call of next
)

// Config describes a function.
type Config struct {
	Name string
	// Bootstrap is the program. It runs in its own folder.
	Bootstrap string
	// Environment is what the template gives the function. Names that belong to
	// Lambda are refused.
	Environment map[string]string
	MemoryMB    int
	Timeout     time.Duration // of one invocation, the start of the process not counted
	Region      string
	AccountID   string
	// AccessKey and SecretKey are the credentials of the function's role.
	AccessKey, SecretKey string
	// Output gets what the processes write to stdout and stderr, line by line, as
	// the log group would; nil drops it.
	Output io.Writer
	// LogLevel is the level of application logs from which on lines come through;
	// "" where the log's format is text, of which Lambda drops nothing.
	LogLevel string
}

// Function is a function that can be invoked. It implements the Handler of
// aws-lambda-go.
type Function struct {
	config      Config
	environment []string
	output      *lines

	mu         sync.Mutex
	stopped    bool
	instances  []*instance // all that live
	idle       []*instance // those that wait for an event; the last one is used first
	coldStarts int
	running    sync.WaitGroup // one for each process
}

// New prepares a function; the first process starts with the first invocation.
// A configuration that Lambda would refuse is a fault of kind Invalid.
func New(c Config) (*Function, error) {
	bootstrap, err := filepath.Abs(c.Bootstrap)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "runtimeapi.New")
	}
	c.Bootstrap = bootstrap
	environment, err := environmentOf(c)
	if err != nil {
		return nil, err
	}
	if c.Timeout <= 0 || c.Timeout > 15*time.Minute {
		return nil, fault.New(fault.Invalid, "runtimeapi.New", fmt.Sprintf("the time-out of %s is %s: Lambda takes up to 15 minutes", c.Name, c.Timeout))
	}
	if c.LogLevel != "" && !slices.Contains(levels, c.LogLevel) {
		return nil, fault.New(fault.Invalid, "runtimeapi.New", fmt.Sprintf("%s has the log level %s: it is one of %s", c.Name, c.LogLevel, strings.Join(levels, ", ")))
	}
	return &Function{config: c, environment: environment, output: &lines{to: c.Output, level: c.LogLevel}}, nil
}

// ARN is the name that the function is invoked by.
func (f *Function) ARN() string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", f.config.Region, f.config.AccountID, f.config.Name)
}

// Invoke runs one invocation. An error that the function reports is a [*FunctionError], and
// so is a process that ended, took too long or could not be started. If ctx ends first,
// the invocation goes on without its caller.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) > MaxPayloadBytes {
		return nil, fault.New(fault.Invalid, "runtimeapi.Invoke", fmt.Sprintf("the event has %d bytes, over Lambda's limit of %d", len(payload), MaxPayloadBytes))
	}
	for {
		i, cold, err := f.take()
		if err != nil {
			return nil, err
		}
		if err := i.untilReady(ctx); err != nil && cold {
			return nil, err
		}
		answer, err := i.invoke(ctx, payload)
		if !errors.Is(err, errGone) {
			return answer, err
		}
		if cold {
			return nil, i.fate()
		}
	}
}

// Prepare starts a process, and returns when it waits for its first event.
func (f *Function) Prepare(ctx context.Context) (Instance, error) {
	i, err := f.start()
	if err != nil {
		return Instance{}, err
	}
	if err := i.untilReady(ctx); err != nil {
		return Instance{}, err
	}
	f.release(i)
	return i.describe(), nil
}

// take gets an idle instance or starts one, which is cold.
func (f *Function) take() (i *instance, cold bool, err error) {
	f.mu.Lock()
	if last := len(f.idle) - 1; last >= 0 {
		i = f.idle[last]
		f.idle = f.idle[:last]
		f.mu.Unlock()
		return i, false, nil
	}
	f.mu.Unlock()
	i, err = f.start()
	return i, true, err
}

// start starts a process.
func (f *Function) start() (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return nil, fault.New(fault.Transient, "runtimeapi.start", f.config.Name+" was stopped")
	}
	i, err := startInstance(f)
	if err != nil {
		return nil, err
	}
	f.coldStarts++
	f.instances = append(f.instances, i)
	f.running.Add(1)
	return i, nil
}

// release makes an instance idle again that called next.
func (f *Function) release(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.instances, i) && !slices.Contains(f.idle, i) {
		f.idle = append(f.idle, i)
	}
}

// forget drops an instance whose process ended.
func (f *Function) forget(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	same := func(other *instance) bool { return other == i }
	f.instances = slices.DeleteFunc(f.instances, same)
	f.idle = slices.DeleteFunc(f.idle, same)
}

// ColdStarts is how many processes were started so far.
func (f *Function) ColdStarts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.coldStarts
}

// Instances are the processes that live, oldest first.
func (f *Function) Instances() []Instance {
	f.mu.Lock()
	living := slices.Clone(f.instances)
	f.mu.Unlock()
	list := make([]Instance, len(living))
	for n, i := range living {
		list[n] = i.describe()
	}
	return list
}

// Stop kills every process without a signal before, as Lambda does with a function that has
// no extension. It returns when all of them are gone. A caller that wants running
// invocations to end waits for their answers first.
func (f *Function) Stop() {
	f.mu.Lock()
	f.stopped = true
	living := slices.Clone(f.instances)
	f.mu.Unlock()
	for _, i := range living {
		i.kill()
	}
	f.running.Wait()
	f.output.flush()
}
