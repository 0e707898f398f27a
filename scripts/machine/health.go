package machine

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"entrasync/shared/fault"
)

// How the product finds out whether the data folder can be written. The result is used
// for healthAge, so that strangers who send many requests cost nothing. A disk that does
// not answer within healthPatience counts as broken.
const (
	healthAge      = 2 * time.Second
	healthPatience = 5 * time.Second
	probeBytes     = 64 << 10 // more than fits a page that is there already
)

// health checks the data folder.
type health struct {
	probe  func(context.Context) error
	report func(trouble error) // is called when it changes; nil: all is well again

	mu      sync.Mutex
	at      time.Time
	trouble error
	running chan error // of a probe that has not answered; nil: there is none
}

// state is why nothing can be written; nil if everything can.
func (h *health) state() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) < healthAge {
		return h.trouble
	}
	if h.running == nil {
		h.running = make(chan error, 1)
		go func(answer chan<- error) { answer <- h.probe(context.Background()) }(h.running)
	}
	timer := time.NewTimer(healthPatience)
	defer timer.Stop()
	before := h.trouble
	select {
	case h.trouble = <-h.running:
		h.running = nil
	case <-timer.C:
		h.trouble = errors.New("the disk does not answer")
	}
	if h.at = time.Now(); (before == nil) != (h.trouble == nil) {
		h.report(h.trouble)
	}
	return h.trouble
}

// probe writes to everything that the product writes to.
func (m *Machine) probe(ctx context.Context) error {
	if err := probeFolder(m.Config.Data); err != nil {
		return errors.New("the data folder cannot be written: " + cause(err))
	}
	if err := m.table.Probe(ctx); err != nil {
		return errors.New("the table cannot be written: " + cause(err))
	}
	if err := m.files.Probe(ctx); err != nil {
		return errors.New("the queues cannot be written: " + cause(err))
	}
	return nil
}

// probeFolder makes a file of some size, syncs it and removes it: a full disk often
// refuses new data only, and still takes changes of existing files.
func probeFolder(folder string) error {
	file, err := os.CreateTemp(folder, ".probe.*")
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, probeBytes))
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

// cause is the error of the operating system, without paths, which strangers must not see.
func cause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	if f := fault.Of(err); f.Message != "" {
		return f.Message
	}
	return "see the log"
}

// logHealth logs that everything can be written again, or what keeps it from that.
func (m *Machine) logHealth(trouble error) {
	if trouble == nil {
		m.log.Info().Msg("the data folder can be written again")
		return
	}
	m.log.Error().Err(trouble).Str("folder", m.Config.Data).Msg("nothing can be kept: webhooks are answered with 503 until this is mended")
}

// healthy lets requests through as long as everything can be written.
func (m *Machine) healthy(next http.Handler) http.Handler {
	h := &health{probe: m.probe, report: m.logHealth}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if trouble := h.state(); trouble != nil {
			problem(w, http.StatusServiceUnavailable, trouble.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}
