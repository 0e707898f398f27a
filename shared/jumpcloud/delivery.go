package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"entrasync/shared/fault"
)

// TestResult is how a receiver answered JumpCloud's test notification.
type TestResult struct {
	// StatusCode is the HTTP status of the receiver's answer, 0 if JumpCloud got no
	// answer.
	StatusCode int `json:"statusCode"`
	// Message is JumpCloud's message about it, some 300 bytes at most; it may quote the
	// receiver. Possible secrets are removed.
	Message string `json:"message"`
}

// testTimeout is the longest time for the test, in which JumpCloud waits for the
// receiver: for 10 s, it is assumed.
const testTimeout = 20 * time.Second

// Delivered reports whether the receiver accepted the notification.
func (r TestResult) Delivered() bool { return r.StatusCode/100 == 2 }

// WebhookHealth is JumpCloud's count of the deliveries of a channel.
type WebhookHealth struct {
	Enabled           bool      `json:"enabled"`
	LastStatus        int       `json:"lastStatus"`        // HTTP status of the last answer; 0: none yet, or no answer
	LastTime          time.Time `json:"lastTime,omitzero"` // of the last attempt, UTC; zero: none yet
	SuccessPercentage int       `json:"successPercentage"` // 0 to 100, of all attempts; 0 also before the first
	TotalRequests     int       `json:"totalRequests"`
}

// TestWebhook sends JumpCloud's test notification through the channel, with the stored
// token, and returns how the receiver answered. A receiver that refuses or cannot be
// reached is a result, not an error. It takes as long as the receiver, at most 20 s,
// and is not repeated. NotFound if there is no such channel, Invalid if it is not a
// webhook; Forbidden names the scope that the key lacks.
func (c *Client) TestWebhook(ctx context.Context, channelID string) (TestResult, error) {
	const op = "jumpcloud.test webhook"
	channel, err := c.channel(ctx, op, channelID)
	if err != nil {
		return TestResult{}, err
	}
	organization := string(c.organization)
	if organization == "" {
		organization = channel.text("organizationObjectId")
	}
	// The description has objectId and every field of the channel, and does not say
	// which ones are optional; so all readable fields are sent.
	saved := writable(webhookOf(channel))
	for name, value := range saved {
		if raw, ok := value.(json.RawMessage); ok && string(raw) == `""` { // a secret that is not shown
			delete(saved, name)
		}
	}
	saved["objectId"] = channelID
	what := call{op: op, subject: channelID, method: http.MethodPost, url: c.address(testService, "")}
	patient := c.within(testTimeout)
	got, err := patient.write(ctx, testService, what, map[string]any{"organizationObjectId": organization, "postSave": saved}, (*Client).once)
	if err != nil {
		return TestResult{}, err
	}
	return TestResult{StatusCode: got.number("statusCode"), Message: c.hide.Text(got.text("responseMessage"))}, nil
}

// within is the client with at least that timeout for one attempt.
func (c *Client) within(limit time.Duration) *Client {
	patient, carrier := *c, *c.http
	if carrier.Timeout > 0 {
		carrier.Timeout = max(carrier.Timeout, limit)
	}
	patient.http = &carrier
	return &patient
}

// channel reads a webhook channel.
func (c *Client) channel(ctx context.Context, op, id string) (object, error) {
	what := call{op: op, subject: id, method: http.MethodGet, url: c.address(channelService, id)}
	if id == "" || id == "." || id == ".." { // these would name the list, not a channel
		return nil, noChannel(op, id)
	}
	got, err := c.exchange(ctx, channelService, what, (*Client).do)
	if err != nil {
		return nil, err
	}
	channel := objectOf(got[channelService.one])
	if channel.text("objectId") != id {
		return nil, unexpected(what, "JumpCloud answered with something that is not the channel asked for")
	}
	if channel.text("type") != webhookChannel {
		return nil, &fault.Error{Op: op, Subject: id, Kind: fault.Invalid, Message: "this notification channel is not a webhook"}
	}
	return channel, nil
}

func noChannel(op, id string) error {
	return &fault.Error{Op: op, Subject: id, Kind: fault.NotFound, Message: "JumpCloud has no webhook channel of this id"}
}

// WebhookHealth reads the count of the deliveries of a channel. NotFound if there is no
// such webhook channel; Forbidden names the scope that the key lacks.
func (c *Client) WebhookHealth(ctx context.Context, channelID string) (WebhookHealth, error) {
	channels, err := c.listNamed(ctx, healthService)
	if err != nil {
		return WebhookHealth{}, err
	}
	for _, channel := range channels {
		if channel.text("objectId") == channelID {
			enabled, _ := channel.flag("enabled")
			return WebhookHealth{
				Enabled:           enabled,
				LastStatus:        channel.number("lastResponseStatusCode"),
				LastTime:          timeOf(channel.text("lastResponseTimeStamp")),
				SuccessPercentage: channel.number("successPercentage"),
				TotalRequests:     channel.number("totalRequests"),
			}, nil
		}
	}
	return WebhookHealth{}, noChannel("jumpcloud.read webhook health", channelID)
}

// number reads a field as an integer, without decimals; 0 if it is no number. The newer
// services may write numbers as texts.
func (o object) number(field string) int {
	n, err := strconv.ParseFloat(o.text(field), 64)
	if err != nil || n != n {
		return 0
	}
	return int(max(-1<<31, min(n, 1<<31-1)))
}
