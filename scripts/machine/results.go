package machine

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"path/filepath"
	"sync"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/local/fileresults"
	"entrasync/shared/local/outbox"
)

const (
	// sender is the From of the mails in the outbox. Nobody sends them on by itself.
	sender = "entrasync <entrasync@localhost.localdomain>"
	// sweepEvery is the time between two removals of old result files.
	sweepEvery = 24 * time.Hour
)

// openResults opens the folder of result files and that of mails. The key of the links to
// the files is derived from the secret that stays the same, so that links survive a
// restart.
func (m *Machine) openResults(ctx context.Context) error {
	seed, err := m.secrets.PasswordSeed(ctx)
	if err != nil {
		return err
	}
	key, err := hkdf.Key(sha256.New, []byte(seed), nil, "entrasync: links to result files", sha256.Size)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "start")
	}
	if m.results, err = fileresults.Open(filepath.Join(m.Config.Data, resultsName), m.PublicURL(), key); err != nil {
		return err
	}
	if m.outbox, err = outbox.New(filepath.Join(m.Config.Data, outboxName), sender); err != nil {
		return err
	}
	m.sweepResults()
	return nil
}

// sweepResults removes old result files once a day.
func (m *Machine) sweepResults() {
	ctx, stop := context.WithCancel(context.Background())
	var sweeper sync.WaitGroup
	sweeper.Go(func() {
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		for {
			if err := m.results.Sweep(); err != nil {
				m.log.Warn().Err(err).Msg("old result files could not be removed")
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
	m.closer = append(m.closer, func() error {
		stop()
		sweeper.Wait()
		return nil
	})
}
