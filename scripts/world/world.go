// Package world is the product in one process, for tests inside testing/synctest bubbles:
// the functions with real clients, real queues and a real table, against both simulators,
// without a network and in virtual time. Hours of virtual time take only as long as the
// computing in them, and the same run gives the same times.
package world

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"entrasync/scripts/wiring"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/functiontest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/host"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/queue"
	"entrasync/shared/redirect"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// Config says what world to make.
type Config struct {
	// Latency is what a request to an outside system takes.
	Latency time.Duration
	// Apart makes every worker a process of its own, as on AWS; else all share
	// their clients, as on one machine.
	Apart bool
	// Silent sets no webhook up: changes send no events.
	Silent bool
	// CatchUp starts the function that reads the feed of JumpCloud; without it, a webhook that
	// does not come is an event that nobody hears of.
	CatchUp bool
	// Resync starts the function that compares the directory each day, which would find what a
	// test loses.
	Resync bool
	// ResyncEvery is the time between two of them; 0: a day.
	ResyncEvery time.Duration
	// Settings changes the settings of the directory.
	Settings func(*directory.Settings)
	// Before is called with every request to an outside system before it is served;
	// an error is what the transport answers instead.
	Before func(*http.Request) error
	// JumpCloud, unless nil, returns how requests reach JumpCloud, such as with answers
	// that are late; by default as it is given.
	JumpCloud func(http.RoundTripper) http.RoundTripper
	// Queue replaces a queue by its name, such as with one that loses messages; nil
	// replaces none.
	Queue func(name string, q queue.Queue) queue.Queue
	// Log gets the log; nil keeps it nowhere.
	Log *zerolog.Logger
	// Process, unless nil, returns how a new process reaches the table, the queues and the
	// network, so that a test can make it die; by default as it is given.
	Process func(Process) Process
	Seed    uint64 // of both simulators; 0: 1
}

// Process is all by which a process has an effect on anything outside of it.
type Process struct {
	Table     store.Table
	Queues    wiring.Queues
	Transport http.RoundTripper
}

// T is a test, of testing or of rapid.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Error(args ...any)
	Context() context.Context
	Cleanup(func())
}

// World is a running product with one directory, which is active, and nobody in it.
type World struct {
	*functiontest.Kit
	Directory directory.Directory
	Queues    wiring.Queues
	Dead      wiring.DeadLetters
	Metrics   *metric.Memory
	Folder    string // of the files of the table and the queues

	t      T
	config Config
	host   *host.Host
	hook   host.Function
	front  Process // serves the webhooks
	// jumpCloud is how requests reach JumpCloud.
	jumpCloud http.RoundTripper

	startAPI sync.Once
	api      http.Handler

	mu         sync.Mutex
	written    int              // write units that Graph has seen
	lastWrite  time.Time        // when it saw the last one
	accounts   []entratest.User // of Accounts
	accountsOf int64            // the last change that they show
}

// New starts a world. It ends with the test.
func New(t T, c Config) *World {
	t.Helper()
	log := zerolog.Nop()
	if c.Log != nil {
		log = *c.Log
	}
	w := &World{t: t, config: c, host: host.New(log), Queues: wiring.Queues{}, Dead: wiring.DeadLetters{}, Metrics: &metric.Memory{}}
	w.jumpCloud = toJumpCloud{w}
	if c.JumpCloud != nil {
		w.jumpCloud = c.JumpCloud(w.jumpCloud)
	}
	w.Folder = localtest.Folder(t)
	w.Kit = functiontest.New(t, functiontest.Config{Folder: w.Folder, Seed: c.Seed, Cleanup: t.Cleanup, Transport: w, Requests: 1,
		Webhooks: &http.Client{Transport: w, CheckRedirect: redirect.FollowNone}})
	w.openQueues(w.Folder)
	w.front = w.process()
	w.hook = w.webhook()
	w.Directory = w.Kit.Directory("main", c.Settings)
	w.feedAll()
	t.Cleanup(func() {
		if !w.host.Stop(time.Hour) {
			t.Error("an invocation still runs an hour after the stop, want none")
		}
	})
	if !c.Silent {
		_, err := w.JumpCloud.Notify("https://"+productHost+"/webhooks/jumpcloud/"+string(organization), WebhookToken)
		w.Must(err)
	}
	return w
}

// What the world is made of.
const (
	organization = functiontest.Organization
	// WebhookToken is the secret that JumpCloud sends with its webhooks.
	WebhookToken = "world-webhook-token"
	productHost  = "entrasync.example"
)

// secrets are those of the one organization. No operation that a world is asked for needs
// another one than these.
type secrets struct{ secret.Store }

// WebhookTokens implements webhook.Secrets.
func (secrets) WebhookTokens(_ context.Context, id directory.OrganizationID) ([]string, error) {
	if id != organization {
		return nil, fault.New(fault.NotFound, "world.webhook tokens", "there is only one organization")
	}
	return []string{WebhookToken}, nil
}

// passwordSeed is the seed of the key that opens sealed passwords.
func passwordSeed(context.Context) (string, error) { return "a seed that is long enough", nil }

// openQueues opens the queues.
func (w *World) openQueues(folder string) {
	w.t.Helper()
	files, err := boltqueue.Open(filepath.Join(folder, "queues.db"))
	w.Must(err)
	w.t.Cleanup(func() { w.Must(files.Close()) })
	for _, config := range wiring.Configs(wiring.Functions) {
		config.DeadLetter = config.Name + wiring.DeadSuffix
		w.Dead[config.Name], err = files.Queue(boltqueue.Config{Name: config.DeadLetter, Visibility: config.Visibility})
		w.Must(err)
		q, err := files.Queue(config)
		w.Must(err)
		w.Queues[config.Name] = q
		if w.config.Queue != nil {
			w.Queues[config.Name] = w.config.Queue(config.Name, q)
		}
	}
}

// RoundTrip sends the requests of the product to the simulators, and those of JumpCloud to
// the product.
func (w *World) RoundTrip(r *http.Request) (*http.Response, error) {
	// While one request gets a token, others wait for it at a lock, and in a bubble no time
	// passes during that. So the sign-in has no latency.
	if r.URL.Host != functiontest.LoginHost {
		time.Sleep(w.config.Latency)
	}
	if w.config.Before != nil && r.URL.Host != productHost {
		if err := w.config.Before(r); err != nil {
			return nil, err
		}
	}
	switch r.URL.Host {
	case productHost:
		return jumpcloudtest.Transport(w.host.HTTP(w.hook)).RoundTrip(r)
	case functiontest.JumpCloudHost:
		return w.jumpCloud.RoundTrip(r)
	}
	response, err := w.Kit.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if units := w.Entra.Counters().WriteUnits; units != w.written {
		w.written, w.lastWrite = units, time.Now()
	}
	return response, err
}

// toJumpCloud sends requests to the simulator of JumpCloud.
type toJumpCloud struct{ *World }

// RoundTrip implements http.RoundTripper.
func (j toJumpCloud) RoundTrip(r *http.Request) (*http.Response, error) { return j.Kit.RoundTrip(r) }

// Written is how many write units Graph has seen, and when it saw the last one.
func (w *World) Written() (units int, last time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written, w.lastWrite
}

// Waiting is how many messages each queue has that is not empty, with those in flight.
func (w *World) Waiting() map[string]int {
	w.t.Helper()
	waiting := map[string]int{}
	for name, q := range w.Queues {
		depth, err := q.Depth(w.t.Context())
		w.Must(err)
		if n := depth.Visible + depth.InFlight; n > 0 {
			waiting[name] = n
		}
	}
	return waiting
}

// nextPoll is how long to wait until the next check of a condition: a hundredth of the wait
// so far.
func nextPoll(since time.Duration) time.Duration {
	const shortest, longest = 10 * time.Millisecond, time.Second
	return min(max(since/100, shortest), longest)
}

// Until waits until a condition is true, and returns how long that took; if it takes longer
// than within, the test ends.
func (w *World) Until(what string, within time.Duration, is func() bool) time.Duration {
	w.t.Helper()
	start := time.Now()
	for !is() {
		if time.Since(start) > within {
			w.t.Fatalf("after %s: want that %s, and the queues have %v", within, what, w.Waiting())
		}
		time.Sleep(nextPoll(time.Since(start)))
	}
	return time.Since(start)
}

// Settle waits until nothing is left to do: JumpCloud has delivered every webhook and all
// queues are empty. It returns how long that took; if it takes longer than within, the
// test ends.
func (w *World) Settle(within time.Duration) time.Duration {
	w.t.Helper()
	return w.Until("nothing is left to do", within, func() bool { return w.JumpCloud.Counters().Pending == 0 && w.Idle() })
}

// Idle reports whether all queues are empty. It reads them twice, because a task may have
// moved from a queue that was not read yet to one that was.
func (w *World) Idle() bool {
	w.t.Helper()
	for range 2 {
		if len(w.Waiting()) > 0 {
			return false
		}
	}
	return true
}

// Organization is the one organization.
func (w *World) Organization() directory.OrganizationID { return organization }

// String names the world in a failure.
func (w *World) String() string {
	return fmt.Sprintf("%d accounts, waiting: %v", len(w.Tenant.Users()), w.Waiting())
}
