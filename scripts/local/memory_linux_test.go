package main

import (
	"bytes"
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
					r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.webhook, tc.body())
					if err != nil {
						t.Error(err)
						return
					}
					if tc.bearer != "" {
						r.Header.Set("Authorization", "Bearer "+tc.bearer)
					}
					r.Header.Set("Content-Type", "application/json")
					response, err := http.DefaultClient.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					_ = response.Body.Close()
					if response.StatusCode != tc.want {
						t.Errorf("status %d, want %d", response.StatusCode, tc.want)
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
