// Package host runs Lambda functions as Lambda would: it turns HTTP requests
// into API Gateway events, messages of a queue into SQS batches and the times of a
// schedule into scheduled events, bounds each invocation by the function's time-out,
// survives a panic, deletes what succeeded and leaves what failed to the queue. A
// function is a handler in this process, or whatever takes and gives JSON, such as a
// shipped program that runs as a process.
//
// What strangers send is refused before it is read ([Function.Admit]), and how much
// is read at once is bounded, so that a process that many can reach keeps to its
// memory ([Host.HTTP]).
package host

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/fault"
)

// Host runs functions.
type Host struct {
	log     zerolog.Logger
	pollers sync.WaitGroup
	stop    context.CancelFunc
	ctx     context.Context // ends the pollers and schedules, not the invocations
	bodies  chan struct{}   // one for each request whose body is in memory
}

// New makes a host that has nothing to run yet.
func New(log zerolog.Logger) *Host {
	ctx, stop := context.WithCancel(context.Background())
	return &Host{log: log, ctx: ctx, stop: stop, bodies: make(chan struct{}, MaxBodies)}
}

// Stop takes no more messages, leaves the schedules and waits until the running invocations are over,
// for at most the time given. It reports whether all of them ended.
func (h *Host) Stop(within time.Duration) bool {
	h.stop()
	done := make(chan struct{})
	go func() {
		h.pollers.Wait()
		close(done)
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// Function is one Lambda function.
type Function struct {
	Name string
	// Handler is a handler function of any form that aws-lambda-go takes, or a
	// lambda.Handler: then events and answers pass through it as they are.
	Handler any
	Timeout time.Duration
	// Admit, unless nil, decides about an HTTP request before its body is read. It
	// is given the event without the body, and how many bytes the body has, -1 if
	// nobody knows yet. If it reports false its answer is sent and nothing is read.
	// It is asked again when a body turns out to be larger than MaxBody.
	Admit func(ctx context.Context, r events.APIGatewayV2HTTPRequest, size int64) (events.APIGatewayV2HTTPResponse, bool)
	// MaxBody is how many bytes of a body are read at most; what is larger is
	// refused. 0 is what API Gateway passes on.
	MaxBody int64
}

// invocation is the context of one invocation.
func (h *Host) invocation(f Function) (context.Context, context.CancelFunc) {
	id := uuid.NewString()
	ctx, cancel := context.WithTimeout(context.Background(), f.Timeout)
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID: id, InvokedFunctionArn: "arn:aws:lambda:local:000000000000:function:" + f.Name,
	})
	return h.log.With().Str("function", f.Name).Str("request", id).Logger().WithContext(ctx), cancel
}

// invoke runs one invocation. A handler of the one form that all of ours have is
// called as it is, since a copy of the event by way of JSON costs many times the
// event. Any other is run by aws-lambda-go's own handler: the event goes in and the
// answer comes out as JSON, and each invocation has a handler of its own, because
// that gives the buffer of an answer to the next one.
func invoke[E, A any](ctx context.Context, h *Host, f Function, event E) (answer A, err error) {
	op := "host.invoke " + f.Name
	defer h.survive(f, &err)
	if handler, direct := f.Handler.(func(context.Context, E) (A, error)); direct {
		answer, err = handler(ctx, event)
		return answer, fault.Wrap(err, fault.Internal, op)
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return answer, fault.Wrap(err, fault.Internal, op)
	}
	result, err := lambda.NewHandler(f.Handler).Invoke(ctx, payload)
	if err != nil {
		return answer, fault.Wrap(err, fault.Internal, op)
	}
	return answer, fault.Wrap(json.Unmarshal(result, &answer), fault.Internal, op)
}

// survive makes a panic an error of the invocation.
func (h *Host) survive(f Function, err *error) {
	if cause := recover(); cause != nil {
		h.log.Error().Str("function", f.Name).Any("panic", cause).Bytes("stack", debug.Stack()).Msg("a function panicked")
		*err = fault.New(fault.Internal, "host.invoke "+f.Name, fmt.Sprintf("the function panicked: %v", cause))
	}
}
