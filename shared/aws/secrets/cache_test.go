package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/rs/zerolog"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/secrets"
	"entrasync/shared/fault"
)

// canary is a value that must not be seen.
const canary = "canary-7f1d5c2e"

// manager answers every GetSecretValue in memory, so that it works inside a
// bubble: with value, or with failure, an error code.
type manager struct {
	mu             sync.Mutex
	value, failure string
	calls          int
}

// Do implements aws.HTTPClient.
func (m *manager) Do(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.failure == "silence" {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	status, body := http.StatusOK, map[string]string{"SecretString": m.value}
	switch {
	case m.failure == "network":
		return nil, errors.New("connection refused")
	case strings.HasPrefix(m.failure, "Internal"):
		status, body = http.StatusInternalServerError, map[string]string{"__type": m.failure}
	case m.failure != "":
		status, body = http.StatusBadRequest, map[string]string{"__type": m.failure}
	}
	text, err := json.Marshal(body)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

func (m *manager) set(value, failure string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value, m.failure = value, failure
}

func (m *manager) store() *secrets.Store { return secrets.New(m.client(), "stack") }

func (m *manager) client() *secretsmanager.Client { return clientOf(m) }

// clientOf is a client of a Secrets Manager in memory.
func clientOf(server aws.HTTPClient) *secretsmanager.Client {
	config := awstest.Config("http://secrets.invalid")
	config.HTTPClient = server
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return secretsmanager.NewFromConfig(config)
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{value: "one"}
		s := m.store()
		var log bytes.Buffer
		ctx := zerolog.New(&log).WithContext(t.Context())
		want := func(value string, calls int) {
			t.Helper()
			got, err := s.AdminToken(ctx)
			if value == "" {
				if !fault.Is(err, fault.Transient) {
					t.Fatalf("got %q, %v, want a fault of kind transient", got, err)
				}
			} else if err != nil || got != value {
				t.Fatalf("got %q, %v, want %q", got, err, value)
			}
			if m.calls != calls {
				t.Fatalf("%d requests, want %d", m.calls, calls)
			}
		}
		want("one", 1)
		m.set("two", "")
		time.Sleep(5*time.Minute - 1)
		want("one", 1)
		time.Sleep(time.Nanosecond)
		want("two", 2)

		m.set("", "InternalServiceError")
		time.Sleep(5 * time.Minute)
		want("two", 3)
		want("two", 3) // no further request for a moment
		time.Sleep(10 * time.Second)
		m.set("", "network")
		want("two", 4)
		if n := strings.Count(log.String(), "its old value is used"); n != 2 {
			t.Errorf("logged %d times, want 2: %s", n, log.String())
		}
		time.Sleep(time.Hour - 11*time.Second)
		want("two", 5)
		time.Sleep(time.Second)
		want("", 6) // an hour later it is too old
		m.set("three", "")
		want("three", 7)

		time.Sleep(5 * time.Minute)
		m.set("", "ResourceNotFoundException")
		if _, err := s.AdminToken(ctx); !fault.Is(err, fault.NotFound) {
			t.Errorf("a secret that was deleted: got %v, want kind %s", err, fault.NotFound)
		}
		m.set("", "InternalServiceError")
		want("", 9) // the old value is gone
	})
}

// A webhook does not wait for long while there is an old value.
func TestCacheDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{value: "one"}
		s := m.store()
		if _, err := s.AdminToken(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.set("", "silence")
		time.Sleep(5 * time.Minute)
		start := time.Now()
		if got, err := s.AdminToken(t.Context()); err != nil || got != "one" || time.Since(start) != 2*time.Second {
			t.Errorf("got %q, %v after %s, want the old value after 2 s", got, err, time.Since(start))
		}
		time.Sleep(2 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.AdminToken(ctx); !fault.Is(err, fault.Transient) {
			t.Errorf("got %v, want a fault of kind transient", err)
		}
	})
}

// Concurrent callers share one request.
func TestCacheShares(t *testing.T) {
	m := &manager{value: "one"}
	s := m.store()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got, err := s.AdminToken(t.Context()); err != nil || got != "one" {
				t.Errorf("got %q, %v, want one", got, err)
			}
		})
	}
	all.Wait()
	if m.calls != 1 {
		t.Errorf("%d requests, want 1", m.calls)
	}
}

func TestFaults(t *testing.T) {
	for code, want := range map[string]fault.Kind{
		"AccessDeniedException":       fault.Internal,
		"ThrottlingException":         fault.Throttled,
		"InternalServiceError":        fault.Transient,
		"network":                     fault.Transient,
		"DecryptionFailure":           fault.Internal,
		"ResourceNotFoundException":   fault.NotFound,
		"InvalidRequestException":     fault.NotFound,
		"UnrecognizedClientException": fault.Internal,
	} {
		if _, err := (&manager{failure: code}).store().Entra(t.Context()); !fault.Is(err, want) {
			t.Errorf("%s: got %v, want kind %s", code, err, want)
		}
	}
}

// An error never contains a value, whatever is wrong with the value.
func TestValuesAreNotInErrors(t *testing.T) {
	for _, value := range []string{canary, `{"apiKey": ` + canary, `{"apiKey": 1, "x": "` + canary + `"}`, `"` + canary + `"`} {
		m := &manager{value: value}
		_, errKey := m.store().JumpCloud(t.Context(), organization)
		_, errTokens := secrets.NewTokens(m.client(), "stack").WebhookTokens(t.Context(), organization)
		for _, err := range []error{errKey, errTokens} {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: got %v, want a fault of kind invalid", value, err)
			}
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "canary") {
				t.Errorf("the value is in the error: %s", text)
			}
		}
	}
}
