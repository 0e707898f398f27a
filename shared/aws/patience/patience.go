// Package patience says how entrasync waits for AWS: how often a call is tried,
// how far apart, how long one attempt and the whole call may take. It is the one
// place where that is chosen, for the clients of all services.
//
// The SDK's own choice is no foundation. Up to aws-sdk-go-v2 v1.47 it tried three
// times with pauses of up to two and four seconds, DynamoDB included; from v1.48
// on, a minor version, SQS is tried three times within 0.15 seconds and DynamoDB
// four times within 0.18 (Retry Behavior 2.1). In both, one attempt may wait for
// an answer without end, and repetitions cost tokens that come back so slowly
// that a process may try only once long after an outage is over.
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
	// Attempts is how often a call is tried at most, the first time included.
	Attempts int
	// Each bounds one attempt, from the connection to the end of the answer.
	Each time.Duration
	// Pause lies between two attempts, on average: it is up to a quarter shorter
	// or longer, so that many processes do not come back all at once. It is the
	// same before every attempt, because the number that the SDK gives a pause
	// counts from 1 or, in v1.42 to v1.47 with AWS_NEW_RETRIES_2026, from 0.
	Pause time.Duration
	// Call bounds a call with all its attempts and pauses, also those that AWS
	// asks for (x-amz-retry-after, from v1.48 on).
	Call time.Duration
	// Answer bounds all that a function does with one event; 0: only Lambda's
	// own time-out does.
	Answer time.Duration
}

// Webhook is for the function that JumpCloud waits for. JumpCloud is believed to
// give up after 10 seconds, and tries again three times within 14, so the answer
// comes within 3, whatever AWS does. A second of trouble with SQS is bridged: the
// pauses together last at least that long.
var Webhook = Patience{Attempts: 5, Each: time.Second, Pause: 350 * time.Millisecond, Call: 2500 * time.Millisecond, Answer: 3 * time.Second}

// Worker is for everything else. What was done in Entra is recorded within 5
// seconds (reconcile, recordLimit): in that time a call bridges 2.6 seconds of
// refusals, or one attempt without an answer.
var Worker = Patience{Attempts: 6, Each: 2 * time.Second, Pause: 700 * time.Millisecond, Call: 10 * time.Second}

// Configure makes every client that is made with c wait in this way.
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

// once is a client that lets a request be sent once. The SDK closes a request's body
// as soon as the head of the answer is there. The body can write itself, and says then
// that it could not; net/http gives up the connection, in the middle of a good answer,
// and the SDK sends the request again. A body that is only read does not say so.
type once struct{ client aws.HTTPClient }

// Do implements aws.HTTPClient.
func (o once) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.WithContext(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return o.client.Do(r)
}

// retryer repeats what the SDK's standard mode repeats: throttling, answers 500,
// 502, 503 and 504, and failures of the network; and answers that end too early,
// which the SDK takes for a broken answer instead of a broken connection. No
// tokens are counted: a process works on one event at a time and its attempts are
// few, which bounds them well enough.
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

// bound ends a call after its time.
func (p Patience) bound(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("entrasync/patience",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			ctx, cancel := context.WithTimeout(ctx, p.Call)
			defer cancel()
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}
