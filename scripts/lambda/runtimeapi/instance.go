package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/fault"
)

// Instance describes a process of a function.
type Instance struct {
	PID  int
	Busy bool          // it has an event and did not call next since
	Init time.Duration // from its start to its first call of next; 0 until then
}

// instance is a process with a Runtime API of its own.
type instance struct {
	function *Function
	command  *exec.Cmd
	server   *http.Server
	started  time.Time

	ready chan struct{}    // closed at the first call of next
	ended chan struct{}    // closed when the process is gone
	offer chan *invocation // from invoke to next

	mu        sync.Mutex
	nexts     int // calls of next
	init      time.Duration
	current   *invocation    // what the process has
	initError *FunctionError // what it reported instead of becoming ready
	verdict   *FunctionError // why we killed it
}

// invocation is one event and its result.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	trace    string
	limit    *time.Timer // kills the process when the time is over
	result   chan result // gets exactly one
	decided  bool        // it has its result; under the instance's lock
}

// result is what a process made of an event.
type result struct {
	answer []byte
	err    error
}

// startInstance starts a process and its Runtime API.
func startInstance(f *Function) (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fault.Wrap(err, fault.Transient, "runtimeapi.start")
	}
	i := &instance{function: f, ready: make(chan struct{}), ended: make(chan struct{}), offer: make(chan *invocation)}
	i.server = &http.Server{Handler: i.api(), ReadHeaderTimeout: 10 * time.Second}
	output := f.output.writer()
	i.command = exec.Command(f.config.Bootstrap) //nolint:gosec // a program that this machine built
	i.command.Dir = filepath.Dir(f.config.Bootstrap)
	i.command.Env = append(slices.Clone(f.environment), runtimeAddress+"="+listener.Addr().String())
	i.command.Stdout, i.command.Stderr = output, output
	i.started = time.Now()
	if err := i.command.Start(); err != nil {
		return nil, errors.Join(&FunctionError{Function: f.config.Name, Type: StartError, Message: err.Error()}, listener.Close())
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = i.server.Serve(listener) // ends with the process: http.ErrServerClosed
	}()
	initLimit := time.AfterFunc(MaxInit, func() {
		select {
		case <-i.ready:
		default:
			i.end(&FunctionError{Function: f.config.Name, Type: InitTimeout, Message: fmt.Sprintf("the process requested no event within %s", MaxInit)})
		}
	})
	go func() {
		defer f.running.Done()
		i.wait(served, initLimit)
	}()
	return i, nil
}

// wait cleans up after the process ended.
func (i *instance) wait(served <-chan struct{}, initLimit *time.Timer) {
	exit := i.command.Wait()
	initLimit.Stop()
	said := "exit status 0"
	if exit != nil {
		said = exit.Error()
	}
	i.mu.Lock()
	if i.verdict == nil {
		i.verdict = i.initError
	}
	if i.verdict == nil {
		i.verdict = &FunctionError{Function: i.function.config.Name, Type: ExitError, Message: said}
	}
	if i.current != nil {
		i.current.limit.Stop()
	}
	i.mu.Unlock()
	i.function.forget(i)
	close(i.ended)
	_ = i.server.Close() // only its connections to a dead process are left
	<-served
}

// untilReady waits until the process called next for the first time.
func (i *instance) untilReady(ctx context.Context) error {
	select {
	case <-i.ready:
		return nil
	case <-i.ended:
		return i.fate()
	case <-ctx.Done():
		i.kill() // nobody knows of it yet
		return ctx.Err()
	}
}

// fate is why the process ended.
func (i *instance) fate() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.verdict
}

// errGone says that the process ended before it got the event.
var errGone = errors.New("the process ended before it got the event")

// invoke gives the process an event and waits for the result.
func (i *instance) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	limit := i.function.config.Timeout
	v := &invocation{
		id: uuid.NewString(), payload: payload, deadline: time.Now().Add(limit),
		trace: traceID(time.Now()), result: make(chan result, 1),
	}
	v.limit = time.AfterFunc(limit, func() {
		if i.holds(v) {
			i.end(timedOut(i.function.config.Name, limit))
		}
	})
	select {
	case i.offer <- v:
	case <-i.ended:
		v.limit.Stop()
		return nil, errGone
	}
	select {
	case r := <-v.result:
		return r.answer, r.err
	case <-i.ended:
		i.decide(v, result{err: i.fate()})
		r := <-v.result
		return r.answer, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// traceID is a tracing header as X-Ray makes them, not sampled.
func traceID(at time.Time) string {
	random := uuid.New()
	return fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", at.Unix(), random[:12], random[8:])
}

// holds reports whether the process still works on an event.
func (i *instance) holds(v *invocation) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.current == v
}

// decide gives an invocation its result, unless it has one.
func (i *instance) decide(v *invocation, r result) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !v.decided {
		v.decided = true
		v.result <- r
	}
}

// end kills the process for a reason.
func (i *instance) end(why *FunctionError) {
	i.mu.Lock()
	if i.verdict == nil {
		i.verdict = why
	}
	i.mu.Unlock()
	i.kill()
}

// kill kills the process, if it still runs.
func (i *instance) kill() { _ = i.command.Process.Kill() }

// describe is the state of the process.
func (i *instance) describe() Instance {
	i.mu.Lock()
	defer i.mu.Unlock()
	return Instance{PID: i.command.Process.Pid, Busy: i.current != nil, Init: i.init}
}
