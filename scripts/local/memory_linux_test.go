package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

// peak is the most memory that the process had until now, in MiB.
func (p *process) peak() (mebibytes int) {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); err == nil {
			return kilobytes >> 10
		}
	}
	p.t.Fatal("/proc has no VmHWM of the process")
	return 0
}

// unsized hides how long a body is.
type unsized struct{ io.Reader }

// insist sends a request until the answer is not that there is no room for its body now:
// the caller of a busy machine sends it again.
func insist(ctx context.Context, url, bearer string, body func() io.Reader) (status int, err error) {
	const tries = 20
	for range tries {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body())
		if err != nil {
			return 0, err
		}
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		_ = response.Body.Close()
		if status = response.StatusCode; status != http.StatusServiceUnavailable {
			break
		}
	}
	return status, nil
}

// Many large requests at once do not fill the memory, with and without the token.
func TestLargeRequestsDoNotFillTheMemory(t *testing.T) {
	const callers, mebi = 24, 1 << 20
	for _, tc := range []struct {
		name   string
		bearer string
		body   func() io.Reader
		want   int
	}{
		{"10 MiB without a token", "", func() io.Reader { return bytes.NewReader(make([]byte, 10*mebi)) }, 401},
		{"10 MiB without a token, of unknown size", "", func() io.Reader { return unsized{bytes.NewReader(make([]byte, 10*mebi))} }, 401},
		{"10 MiB with the token", webhookToken, func() io.Reader { return bytes.NewReader(make([]byte, 10*mebi)) }, 413},
		{"10 MiB with the token, of unknown size", webhookToken, func() io.Reader { return unsized{bytes.NewReader(make([]byte, 10*mebi))} }, 413},
		{"1 MiB with the token", webhookToken, func() io.Reader { return strings.NewReader("[" + strings.Repeat(" ", mebi-2) + "]") }, 202},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := startWith(t, map[string]string{"ENTRASYNC_ADMIN_TOKEN": token, "ENTRASYNC_WEBHOOK_TOKEN": webhookToken})
			before := p.peak()
			var group sync.WaitGroup
			for range callers {
				group.Go(func() {
					status, err := insist(t.Context(), p.webhook, tc.bearer, tc.body)
					if err != nil || status != tc.want {
						t.Errorf("status %d (%v), want %d", status, err, tc.want)
					}
				})
			}
			group.Wait()
			after := p.peak()
			t.Logf("%d MiB before, %d MiB after", before, after)
			if after-before > 400 { // the race detector takes several times what the program does
				t.Errorf("%d requests took %d MiB, want at most 400", callers, after-before)
			}
		})
	}
}
