package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// limitFiles lets a running process write files up to a size only, as a full disk
// would.
func limitFiles(t *testing.T, pid int, bytes uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
	const resourceFileSize = 1
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), resourceFileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
}

// health requests /healthz.
func (p *process) health() (status int, detail string) {
	p.t.Helper()
	response, err := http.Get(strings.TrimSuffix(p.api, "/v1") + "/healthz")
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var problem struct{ Detail string }
	if err := json.Unmarshal(text, &problem); err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	return response.StatusCode, problem.Detail
}

// While nothing can be written, /healthz says why, and webhooks are refused, so that
// JumpCloud sends them again; afterwards the product goes on by itself.
func TestTheProductIsNotWellWhileNothingCanBeWritten(t *testing.T) {
	p := startWith(t, map[string]string{"ENTRASYNC_ADMIN_TOKEN": token, "ENTRASYNC_WEBHOOK_TOKEN": webhookToken})
	if code, _ := p.health(); code != 200 {
		t.Fatalf("health at the start: %d, want 200", code)
	}
	if got := status(t, "POST", p.webhook, webhookToken, loginEvent); got != 202 {
		t.Fatalf("the webhook at the start: %d, want 202", got)
	}
	limitFiles(t, p.command.Process.Pid, 4096)
	detail := ""
	p.waitFor("the trouble", func() bool {
		var code int
		code, detail = p.health()
		return code == 503
	})
	if !strings.Contains(detail, "cannot be written: file too large") {
		t.Errorf("the reason is %q, want file too large", detail)
	}
	if got := status(t, "POST", p.webhook, webhookToken, strings.Replace(loginEvent, "180003", "180004", 1)); got != 503 {
		t.Errorf("a webhook that cannot be kept: %d, want 503", got)
	}
	limitFiles(t, p.command.Process.Pid, ^uint64(0))
	p.waitFor("the end of the trouble", func() bool { code, _ := p.health(); return code == 200 })
	if got := status(t, "POST", p.webhook, webhookToken, strings.Replace(loginEvent, "180003", "180004", 1)); got != 202 {
		t.Errorf("a webhook after the trouble: %d, want 202", got)
	}
	p.kill()
	log := p.log.String()
	mustBeJSON(t, log)
	for _, want := range []string{"nothing can be kept", "can be written again"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("%q is said %d times", want, strings.Count(log, want))
		}
	}
}
