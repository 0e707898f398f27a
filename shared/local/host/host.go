// Package host runs Lambda functions as Lambda does. It turns HTTP requests into API
// Gateway events, messages of a queue into SQS batches, and the times of a schedule into
// scheduled events. It ends each invocation at the function's time-out and survives a
// panic. It deletes messages that succeeded and leaves failed ones in the queue. A function
// is a handler in this process, or a lambda.Handler with JSON in and out, such as a shipped
// program that runs as another process.
//
// Requests of strangers are refused before their body is read ([Function.Admit]), and the
// number of bodies in memory is limited ([Host.HTTP]), so that the memory of a process is
// bounded although many can reach it.
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

// Stop receives no more messages, stops the schedules and waits for running invocations of
// both, for at most the given time. It reports whether all of them ended.
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
	// Handler is a handler function of any form that aws-lambda-go accepts, or a
	// lambda.Handler, which gets the event and returns the response as JSON.
	Handler any
	Timeout time.Duration
	// Admit, unless nil, decides about an HTTP request before its body is read. It gets the
	// event without the body, and the size of the body in bytes, -1 if it is not known yet.
	// If it returns false, its response is sent and the body is not read. It is called again
	// if a body of unknown size is larger than MaxBody.
	Admit func(ctx context.Context, r events.APIGatewayV2HTTPRequest, size int64) (events.APIGatewayV2HTTPResponse, bool)
	// MaxBody is the largest body in bytes; a larger one is refused. 0 means the limit of API
	// Gateway.
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

// invoke runs one invocation. A handler of the form that all handlers of entrasync have is
// called directly, because encoding the event as JSON costs many times its memory. Any
// other runs in aws-lambda-go's own handler, with the event and the response as JSON. Each
// invocation gets a new such handler, because one reuses the buffer of its last response.
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

// survive turns a panic into an error of the invocation.
func (h *Host) survive(f Function, err *error) {
	if cause := recover(); cause != nil {
		h.log.Error().Str("function", f.Name).Any("panic", cause).Bytes("stack", debug.Stack()).Msg("a function panicked")
		*err = fault.New(fault.Internal, "host.invoke "+f.Name, fmt.Sprintf("the function panicked: %v", cause))
	}
}
