package jumpcloudtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sender has the deliveries that must be tried. The simulator's lock guards everything
// in it.
type sender struct {
	ready    []*Delivery
	inFlight int
	done     []*Delivery // every delivery, oldest first, up to assumedMaxDeliveries
	health   map[string]*health
}

// health is JumpCloud's count of the deliveries of a webhook channel.
type health struct {
	total, succeeded, lastStatus int
	last                         time.Time
}

// deliveryClient follows no redirect: a 3xx counts as a failure (assumed).
func deliveryClient(given *http.Client) *http.Client {
	client := http.Client{}
	if given != nil {
		client = *given
	} else if standard, isStandard := http.DefaultTransport.(*http.Transport); isStandard {
		client.Transport = standard.Clone() // with connections of its own, which Close can close
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// enqueue makes a delivery ready after a delay.
func (s *Simulator) enqueue(d *Delivery, delay time.Duration) {
	if d.Attempts == 0 {
		s.sender.done = append(s.sender.done, d)
		if len(s.sender.done) > 2*assumedMaxDeliveries {
			s.sender.done = slices.Clone(s.sender.done[assumedMaxDeliveries:])
		}
	}
	if delay == 0 {
		s.sender.ready = append(s.sender.ready, d)
		s.pump()
		return
	}
	s.timers.after(delay, func(context.Context) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sender.ready = append(s.sender.ready, d)
		s.pump()
	})
}

// pump starts attempts while deliveries are ready and fewer than Concurrency run.
func (s *Simulator) pump() {
	for len(s.sender.ready) > 0 && s.sender.inFlight < max(1, s.behaviour.Concurrency) {
		d := s.sender.ready[0]
		s.sender.ready = s.sender.ready[1:]
		s.sender.inFlight++
		timeout := s.behaviour.ResponseTimeout
		request, err := s.webhookRequest(d.Channel, d.body)
		s.timers.after(0, func(ctx context.Context) {
			s.attempted(d, s.attempt(ctx, request, err, timeout))
		})
	}
}

// outcome is the result of an attempt.
type outcome struct {
	status int
	err    error
	tried  time.Time
}

func (s *Simulator) attempt(ctx context.Context, request *http.Request, err error, timeout time.Duration) outcome {
	tried := time.Now()
	if err != nil {
		return outcome{0, err, tried}
	}
	status, err := s.send(ctx, request, timeout)
	return outcome{status, err, tried}
}

// send makes one request to a webhook and gives the status of the answer.
func (s *Simulator) send(ctx context.Context, request *http.Request, timeout time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := s.client.Do(request.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	const drained = 64 << 10 // so that the connection can be reused
	_, err = io.CopyN(io.Discard, response.Body, drained)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// attempted records the result of an attempt and plans the next one if there must be
// one: after 5xx, 408, 429 (JumpCloud's webhook FAQ) and a failed connection (assumed),
// as often as there are delays. Retry-After is ignored (assumed).
func (s *Simulator) attempted(d *Delivery, how outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sender.inFlight--
	now := time.Now()
	if d.Attempts == 0 {
		d.Tried = how.tried
	}
	d.Attempts++
	d.Status, d.Error = how.status, ""
	if how.err != nil {
		d.Error = plain(how.err)
	}
	s.counters.Attempts++
	s.noteHealth(d.Channel, how.status, now)
	again := how.err != nil || how.status >= 500 || how.status == http.StatusRequestTimeout || how.status == http.StatusTooManyRequests
	switch {
	case how.err == nil && how.status/100 == 2:
		d.Delivered, d.Answered = true, now
		s.counters.Delivered++
		s.counters.Pending--
	case again && d.Attempts <= len(s.behaviour.RetryDelays):
		s.enqueue(d, s.behaviour.RetryDelays[d.Attempts-1])
	default:
		d.Dropped, d.Answered = true, now
		s.counters.Dropped++
		s.counters.Pending--
	}
	s.pump()
}

// plain is an error without the address, which may contain protected values.
func plain(err error) string {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if errors.Is(err, context.Canceled) {
		return "the simulator was closed"
	}
	return "the connection failed"
}

func (s *Simulator) noteHealth(channel string, status int, now time.Time) {
	if s.sender.health == nil {
		s.sender.health = map[string]*health{}
	}
	h := s.sender.health[channel]
	if h == nil {
		h = &health{}
		s.sender.health[channel] = h
	}
	h.total++
	h.lastStatus, h.last = status, now
	if status/100 == 2 {
		h.succeeded++
	}
}

// webhookRequest builds the request of a stored channel, with its secrets.
func (s *Simulator) webhookRequest(channel string, body []byte) (*http.Request, error) {
	object := s.store.get(kindChannel, channel)
	config, isWebhook := webhookOf(object)
	if !isWebhook {
		return nil, errors.New("the channel is gone")
	}
	return buildWebhook(config, s.store.get(kindSecret, channel), body)
}

// buildWebhook builds the request of a configuration: JSON, the credentials of the auth
// type, the custom headers, and the URL with its protected values.
func buildWebhook(config, secrets Fields, body []byte) (*http.Request, error) {
	target := config.Text("url")
	portions, _ := config["maskedUrlPortion"].([]any)
	for _, portion := range portions {
		key := textOf(lookup(portion, "key"))
		target = strings.ReplaceAll(target, key, secrets.Text("url:"+key))
	}
	request, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address is not a URL")
	}
	request.Header.Set("Content-Type", "application/json")
	switch config.Text("authType") {
	case authBasic:
		request.SetBasicAuth(config.Text("authUsername"), secrets.Text("password"))
	case authBearer:
		request.Header.Set("Authorization", "Bearer "+secrets.Text("token"))
	}
	headers, _ := config["customHeaders"].([]any)
	for _, each := range headers {
		key, value := textOf(lookup(each, "key")), textOf(lookup(each, "value"))
		if hidden, _ := lookup(each, "masked").(bool); hidden {
			value = secrets.Text("header:" + key)
		}
		request.Header.Set(key, value)
	}
	return request, nil
}

// listHealth lists the counts of the deliveries of the webhook channels.
func (s *Simulator) listHealth(r *request) (reply, error) {
	var all []Fields
	s.mu.Lock()
	for _, channel := range s.store.all(kindChannel) {
		if channel.Text("type") != typeWebhook {
			continue
		}
		id := channel.Text("objectId")
		row := Fields{"objectId": id, "name": channel["name"], "enabled": channel["enabled"], "totalRequests": 0,
			"successPercentage": 0, "organizationObjectId": s.organization}
		if h := s.sender.health[id]; h != nil {
			row["totalRequests"], row["successPercentage"] = h.total, 100*h.succeeded/h.total
			row["lastResponseStatusCode"], row["lastResponseTimeStamp"] = h.lastStatus, timestamp(h.last)
		}
		all = append(all, row)
	}
	s.mu.Unlock()
	return named(r, "channels", all)
}

// testWebhook is the Test Webhook button: it sends one request and answers with the
// result. Before saving, the request has the configuration; afterwards, fields that the
// request leaves out are taken from the channel.
func (s *Simulator) testWebhook(r *request) (reply, error) {
	var config Fields
	var id string
	if before, isBefore := r.fields()["preSave"].(map[string]any); isBefore {
		config = copyOf(before)
	} else if after, isAfter := r.fields()["postSave"].(map[string]any); isAfter {
		id = textOf(after["objectId"])
		stored, isWebhook := webhookOf(s.object(kindChannel, id))
		if !isWebhook {
			return reply{}, notFound("channel", id)
		}
		config = copyOf(stored)
		for name, value := range after {
			if value != "" && name != "objectId" {
				config[name] = value
			}
		}
	} else {
		return reply{}, refuse(http.StatusBadRequest, "preSave or postSave is required")
	}
	if err := checkWebhook(config); err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	secrets, timeout := takeSecrets(config, s.store.get(kindSecret, id)), s.behaviour.ResponseTimeout
	s.mu.Unlock()
	request, err := buildWebhook(config, secrets, s.testBody(id))
	if err != nil {
		return reply{}, refuse(http.StatusBadRequest, "%s", err)
	}
	status, err := s.send(r.Context(), request, timeout)
	if err != nil {
		return ok(Fields{"statusCode": 0, "responseMessage": plain(err)})
	}
	return ok(Fields{"statusCode": status, "responseMessage": http.StatusText(status)})
}
