package retryafter_test

import (
	"net/http"
	"testing"
	"time"

	"entrasync/shared/retryafter"
)

func TestOf(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name   string
		values []string
		wait   time.Duration
		said   bool
	}{
		{"an integer", []string{"17"}, 17 * time.Second, true},
		{"none to wait", []string{"0"}, 0, true},
		{"decimals", []string{"2.128"}, 2128 * time.Millisecond, true},
		{"spaces", []string{" 17 "}, 17 * time.Second, true},
		{"two numbers", []string{"8,20"}, 20 * time.Second, true},
		{"two numbers, the larger first", []string{"30, 12.5"}, 30 * time.Second, true},
		{"two headers", []string{"8", "20"}, 20 * time.Second, true},
		{"a number and rubbish", []string{"8,soon"}, 8 * time.Second, true},
		{"a date", []string{"Sun, 29 Nov 2026 12:01:30 GMT"}, 90 * time.Second, true},
		{"a date in the old form", []string{"Sunday, 29-Nov-26 12:01:30 GMT"}, 90 * time.Second, true},
		{"a date in the form of C", []string{"Sun Nov 29 12:01:30 2026"}, 90 * time.Second, true},
		{"a date that is past", []string{"Sun, 29 Nov 2026 11:00:00 GMT"}, 0, true},
		{"a date far away", []string{"Sun, 29 Nov 2099 11:00:00 GMT"}, retryafter.Longest, true},
		{"a number far away", []string{"1e300"}, retryafter.Longest, true},
		{"for ever", []string{"inf"}, retryafter.Longest, true},
		{"not a number", []string{"NaN"}, 0, false},
		{"below zero", []string{"-5"}, 0, false},
		{"words", []string{"soon"}, 0, false},
		{"empty", []string{""}, 0, false},
		{"missing", nil, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			wait, said := retryafter.Of(http.Header{"Retry-After": row.values}, now)
			if wait != row.wait || said != row.said {
				t.Errorf("%s, %v; want %s, %v", wait, said, row.wait, row.said)
			}
		})
	}
}
