// Package host runs Lambda functions as Lambda would: it turns HTTP requests
// into API Gateway events and messages of a queue into SQS batches, passes them
// through aws-lambda-go's own handler as JSON, bounds each invocation by the
// function's time-out, survives a panic, deletes what succeeded and leaves what
// failed to the queue. A function is a handler in this process, or whatever
// takes and gives JSON, such as a shipped program that runs as a process.
package host

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

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
	ctx     context.Context // ends the pollers, not the invocations
}

// New makes a host that has nothing to run yet.
func New(log zerolog.Logger) *Host {
	ctx, stop := context.WithCancel(context.Background())
	return &Host{log: log, ctx: ctx, stop: stop}
}

// Stop takes no more messages and waits until the running invocations are over,
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
}

// invoke runs one invocation: the event goes in and the answer comes out as
// JSON. A panic is an error of that invocation. Each has a handler of its own:
// aws-lambda-go's gives the buffer of an answer to the next invocation, as on
// Lambda there is one at a time.
func (h *Host) invoke(f Function, event, answer any) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			h.log.Error().Str("function", f.Name).Any("panic", cause).Bytes("stack", debug.Stack()).Msg("a function panicked")
			err = fault.New(fault.Internal, "host.invoke "+f.Name, fmt.Sprintf("the function panicked: %v", cause))
		}
	}()
	payload, err := json.Marshal(event)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "host.invoke "+f.Name)
	}
	id := uuid.NewString()
	ctx, cancel := context.WithTimeout(context.Background(), f.Timeout)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID: id, InvokedFunctionArn: "arn:aws:lambda:local:000000000000:function:" + f.Name,
	})
	ctx = h.log.With().Str("function", f.Name).Str("request", id).Logger().WithContext(ctx)
	result, err := lambda.NewHandler(f.Handler).Invoke(ctx, payload)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "host.invoke "+f.Name)
	}
	return fault.Wrap(json.Unmarshal(result, answer), fault.Internal, "host.invoke "+f.Name)
}
