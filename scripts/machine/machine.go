// Package machine is the product on one machine: the functions in the in-process Lambda
// host, table and queues in two files, and one HTTP server. It knows no simulator:
// whoever starts it may plug some in, see [Config.Simulate].
package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"entrasync/scripts/wiring"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/fault"
	"entrasync/shared/local/backup"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/fileresults"
	"entrasync/shared/local/host"
	"entrasync/shared/local/outbox"
	"entrasync/shared/local/secretfile"
	"entrasync/shared/metric"
	"entrasync/shared/store"
)

// Machine is a running product.
type Machine struct {
	Config  Config // with the addresses that were chosen
	Store   *store.Store
	Metrics *metric.Memory
	Queues  wiring.Queues      // of the functions
	Dead    wiring.DeadLetters // of those queues

	log     zerolog.Logger
	server  *http.Server
	host    *host.Host
	isNew   bool                  // there was no table before this start
	advance func(context.Context) // begins a new generation of table and queues, see package pair
	table   *bolttable.Table
	files   *boltqueue.DB
	secrets *secretfile.Store
	results *fileresults.Store
	outbox  *outbox.Sender
	closer  []func() error // in the order of opening

	jumpCloudEnd, entraEnd     directory.CredentialState       // when the credentials end
	adminOrigin, webhookOrigin origin                          // where the tokens come from
	simulates                  struct{ jumpCloud, entra bool } // which systems had no address
}

// How the queues behave on one machine.
const (
	bulkWindow = 200 * time.Millisecond
	retention  = 14 * 24 * time.Hour
)

// Start opens everything and starts serving. When it fails, what was opened is
// closed again.
func Start(ctx context.Context, c Config, log zerolog.Logger) (*Machine, error) {
	if err := c.mustNameAll(); err != nil {
		return nil, err
	}
	m := &Machine{Config: c, Metrics: &metric.Memory{}, log: log, host: host.New(log)}
	if err := m.start(ctx); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

// start does the work of Start. It fails if a record that it needs is damaged.
func (m *Machine) start(ctx context.Context) error {
	if err := m.openFiles(ctx); err != nil {
		return err
	}
	err := m.startOn(ctx)
	if store.IsDamaged(err) {
		files := m.Config.files()
		return refuse(files, fmt.Sprintf("%s has a damaged record without which nothing can start, %s", files.Table, fault.Of(err).Subject))
	}
	return err
}

// startOn starts everything else, on open files.
func (m *Machine) startOn(ctx context.Context) error {
	if err := m.openQueues(); err != nil {
		return err
	}
	m.Store = store.New(m.table)
	m.keepCopies()
	if err := m.openSecrets(ctx); err != nil {
		return err
	}
	if wrong := errors.Join(m.Config.sameSecrets()...); wrong != nil { // now with the tokens that were made up
		return fault.New(fault.Invalid, "start", wrong.Error())
	}
	listener, err := net.Listen("tcp", m.Config.Addr)
	if err != nil {
		return &fault.Error{Op: "start", Kind: fault.Invalid, Subject: addrVariable, Message: "cannot listen on " + m.Config.Addr + ": stop what uses it or choose another address, such as 127.0.0.1:8081", Err: err}
	}
	m.closer = append(m.closer, closeQuietly(listener))
	m.Config.Addr = listener.Addr().String()
	if err := m.openResults(ctx); err != nil {
		return err
	}
	if err := m.simulate(); err != nil {
		return err
	}
	if err := m.keepOrganization(ctx); err != nil {
		return err
	}
	if err := m.keepCredential(ctx); err != nil {
		return err
	}
	if err := m.afterRestore(ctx); err != nil {
		return err
	}
	if err := m.logMissingSecrets(ctx); err != nil {
		return err
	}
	return m.serve(listener)
}

// simulate starts the simulators that are plugged in.
func (m *Machine) simulate() error {
	m.simulates.jumpCloud, m.simulates.entra = m.Config.JumpCloudAPI == "", m.Config.GraphURL == ""
	if m.Config.Simulate == nil {
		return nil
	}
	stop, err := m.Config.Simulate(&m.Config)
	m.closer = append(m.closer, stop)
	return err
}

// keepCopies starts the copies of the table, one a day.
func (m *Machine) keepCopies() {
	ctx, stop := context.WithCancel(context.Background())
	var keeper sync.WaitGroup
	keeper.Go(func() {
		backup.Keeper{Data: m.Config.Data, Source: m.table, Log: m.log, Metrics: m.Metrics, Checked: m.advance}.Run(ctx, m.isNew)
	})
	m.closer = append(m.closer, func() error {
		stop()
		keeper.Wait()
		return nil
	})
}

// proof is the secret with which the application signs in to Entra.
func (m *Machine) proof(ctx context.Context) (entra.Proof, error) {
	stored, err := m.secrets.Entra(ctx)
	return entra.Proof{ClientSecret: stored.ClientSecret}, err
}

// closeQuietly closes a listener that its server may have closed already.
func closeQuietly(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// openQueues opens the queues of the functions, each with a queue for its dead letters.
func (m *Machine) openQueues() (err error) {
	m.Queues, m.Dead = wiring.Queues{}, wiring.DeadLetters{}
	for _, q := range wiring.Configs(wiring.Functions) {
		q.Retention, q.DeadLetter = retention, q.Name+wiring.DeadSuffix
		if m.Dead[q.Name], err = m.files.Queue(boltqueue.Config{Name: q.DeadLetter, Visibility: q.Visibility, Retention: retention}); err != nil {
			return err
		}
		if m.Queues[q.Name], err = m.files.Queue(q); err != nil {
			return err
		}
	}
	return nil
}

// keepOrganization makes sure that the organization of the variables exists.
func (m *Machine) keepOrganization(ctx context.Context) error {
	err := m.Store.CreateOrganization(ctx, directory.Organization{
		ID: m.Config.Organization, Name: "JumpCloud " + string(m.Config.Organization), Region: "us", CreatedAt: time.Now().UTC(),
	})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// URL is where webhook and API are served.
func (m *Machine) URL() string { return "http://" + m.Config.Addr }

// PublicURL is where browsers reach webhook and API.
func (m *Machine) PublicURL() string {
	return strings.TrimSuffix(cmp.Or(m.Config.PublicURL, m.URL()), "/")
}

// WebhookURL is what JumpCloud has to call.
func (m *Machine) WebhookURL() string {
	return m.URL() + "/webhooks/jumpcloud/" + string(m.Config.Organization)
}

// stopWithin bounds the end: requests first, then invocations.
const (
	requestsEnd    = 4 * time.Second
	invocationsEnd = 12 * time.Second
)

// Stop ends everything within 20 seconds. Work that was not finished stays in
// the queues.
func (m *Machine) Stop() error {
	var errs []error
	if m.server != nil {
		errs = append(errs, host.EndServer(m.server, requestsEnd))
	}
	if !m.host.Stop(invocationsEnd) {
		m.log.Warn().Msg("some invocations did not end in time: their messages come again at the next start")
	}
	for i := len(m.closer) - 1; i >= 0; i-- {
		errs = append(errs, m.closer[i]())
	}
	return errors.Join(errs...)
}
