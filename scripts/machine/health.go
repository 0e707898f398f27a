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

// How the product finds out whether it can keep what it is given. Whoever asks gets
// an answer that is at most healthAge old, so that strangers who ask often cost
// nothing; a disk that says nothing for healthPatience is not well.
const (
	healthAge      = 2 * time.Second
	healthPatience = 5 * time.Second
	probeBytes     = 64 << 10 // more than fits a page that is there already
)

// health knows how the data folder is.
type health struct {
	probe func(context.Context) error
	tell  func(trouble error) // is called when it changes; nil: all is well again

	mu      sync.Mutex
	at      time.Time
	trouble error
	running chan error // of a probe that has not answered; nil: there is none
}

// state is what keeps the product from keeping anything; nil if nothing does.
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
		h.tell(h.trouble)
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

// probeFolder makes a file of some size, syncs it and removes it: what is full is
// often full only for what grows.
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

// cause is what the system said, without the paths that strangers need not know.
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

// tellOfHealth says that the product can or cannot keep anything.
func (m *Machine) tellOfHealth(trouble error) {
	if trouble == nil {
		m.log.Info().Msg("the data folder can be written again")
		return
	}
	m.log.Error().Err(trouble).Str("folder", m.Config.Data).Msg("nothing can be kept: webhooks are answered with 503 until this is mended")
}

// healthy lets requests through as long as everything can be written.
func (m *Machine) healthy(next http.Handler) http.Handler {
	h := &health{probe: m.probe, tell: m.tellOfHealth}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if trouble := h.state(); trouble != nil {
			problem(w, http.StatusServiceUnavailable, trouble.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}
