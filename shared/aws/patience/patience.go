// Package patience sets the time-outs and retries of all AWS clients: how many attempts
// a call has, the pause between them, and how long one attempt and the complete call may
// take.
//
// The SDK's defaults are not reliable. Up to aws-sdk-go-v2 v1.47 it made three attempts
// with pauses of up to two and four seconds, DynamoDB included. From v1.48 on, a minor
// version, it makes three attempts within 0.15 seconds for SQS and four within 0.18 for
// DynamoDB (Retry Behavior 2.1). In both, an attempt may wait for a response without
// limit, and retries use up tokens that come back slowly: long after an outage a process
// may still make only one attempt for each call.
package patience

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
)

// Patience is how long to wait for AWS.
type Patience struct {
	// Attempts is the highest number of attempts of a call, with the first one.
	Attempts int
	// Each is the time limit of one attempt, from the connection to the end of the
	// response.
	Each time.Duration
	// Pause is the average time between two attempts. Each pause is up to a quarter
	// shorter or longer, so that many processes do not retry at the same moment. The
	// average is the same before every attempt, because the SDK numbers the pauses from
	// 1 or, in v1.42 to v1.47 with AWS_NEW_RETRIES_2026, from 0.
	Pause time.Duration
	// Call is the time limit of a call with all its attempts and pauses, also with the
	// pauses that AWS asks for (x-amz-retry-after, from v1.48 on).
	Call time.Duration
	// Answer is the time limit of a function for one event; 0: only Lambda's own
	// time-out applies.
	Answer time.Duration
}

// Webhook is for the function whose response JumpCloud waits for. JumpCloud is believed
// to give up after 10 seconds, and tries again three times within 14. So the function
// responds within 3 seconds, whatever AWS does. An outage of SQS of one second loses no
// request, because the pauses together last at least that long.
var Webhook = Patience{Attempts: 5, Each: time.Second, Pause: 350 * time.Millisecond, Call: 2500 * time.Millisecond, Answer: 3 * time.Second}

// Worker is for all other functions. Actions in Entra must be recorded within 5 seconds
// (reconcile, recordLimit): in this time a call survives 2.6 seconds of errors, or one
// attempt without a response.
var Worker = Patience{Attempts: 6, Each: 2 * time.Second, Pause: 700 * time.Millisecond, Call: 10 * time.Second}

// Configure sets these limits for every client that is made with c.
func (p Patience) Configure(c *aws.Config) {
	client, known := c.HTTPClient.(*awshttp.BuildableClient)
	if !known {
		client = awshttp.NewBuildableClient()
	}
	c.HTTPClient = once{client.WithTimeout(p.Each)}
	c.Retryer = p.retryer
	c.RetryMaxAttempts = 0 // AWS_MAX_ATTEMPTS would come before the retryer's own
	c.APIOptions = append(c.APIOptions, p.bound)
}

// once is a client that keeps the SDK from sending a request twice. The SDK closes the
// body of a request as soon as the headers of the response are there. A body with WriteTo
// then returns an error, net/http closes the connection in the middle of a good
// response, and the SDK sends the request again. A body with Read alone does not.
type once struct{ client aws.HTTPClient }

// Do implements aws.HTTPClient.
func (o once) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.WithContext(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return o.client.Do(r)
}

// retryer retries what the SDK's standard mode retries: throttling, the statuses 500,
// 502, 503 and 504, and failures of the network. It also retries after a response that
// ends too early, which the SDK takes for a malformed response instead of a broken
// connection. It uses no retry tokens: a process handles one event at a time with few
// attempts, which is limit enough.
func (p Patience) retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = p.Attempts
		o.RateLimiter = ratelimit.None
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) {
			return p.Pause*3/4 + rand.N(p.Pause/2), nil //nolint:gosec // spreads the attempts of many processes; nobody gains by guessing it
		})
	})
}

// bound adds the time limit of a call.
func (p Patience) bound(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("entrasync/patience",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			ctx, cancel := context.WithTimeout(ctx, p.Call)
			defer cancel()
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}
