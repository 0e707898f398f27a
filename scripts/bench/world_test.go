package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"entrasync/functions/groups"
	"entrasync/functions/users"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/host"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
	"entrasync/shared/systems"
)

// The functions and their queues as the template has them.
const (
	functionTimeout = 60 * time.Second
	visibility      = 6 * functionTimeout
	taskReceives    = 20
)

// latency is what a request to an outside system takes (assumed).
const latency = 100 * time.Millisecond

// lanes are the queues by name, and how many invocations work each off.
var lanes = map[string]int{"users-live.fifo": 4, "users-bulk.fifo": 2, "groups-live.fifo": 2, "groups-bulk.fifo": 2}

// world is an organization before its first sync: the functions users and groups
// with real clients, against both simulators and real queues.
type world struct {
	t         *testing.T
	size      size
	store     *store.Store
	jumpcloud *jumpcloudtest.Simulator
	entra     *entratest.Simulator
	tenant    entratest.Directory
	directory directory.Directory
	host      *host.Host
	queues    queues
	dead      queue.Queue
	groups    []directory.GroupID

	mu        sync.Mutex
	written   int       // write units that Graph has seen
	lastWrite time.Time // when it saw the last one
}

// queues are queues by name.
type queues map[string]queue.Queue

// Postpone implements lane.Postponer.
func (q queues) Postpone(ctx context.Context, source, receipt string, d time.Duration) error {
	for name, each := range q {
		if host.ARN(name) == source {
			return each.Postpone(ctx, receipt, min(d, queue.MaxVisibility))
		}
	}
	return fault.New(fault.Internal, "bench.postpone", "no queue has the ARN "+source)
}

// newWorld starts everything.
func newWorld(t *testing.T, s size) *world {
	t.Helper()
	w := &world{t: t, size: s, host: host.New(zerolog.Nop()), queues: queues{}}
	w.openFiles()
	w.startSimulators()
	outside := w.systems()
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		if !s.apart {
			w.feed(name, lanes[name], outside)
			continue
		}
		for range lanes[name] {
			w.feed(name, 1, w.systems())
		}
	}
	t.Cleanup(func() {
		if !w.host.Stop(time.Hour) {
			t.Error("an invocation does not end")
		}
	})
	return w
}

// systems are the clients of one process.
func (w *world) systems() *systems.Systems {
	app := entratest.DefaultApp()
	return systems.New(systems.Config{
		JumpCloudAPI: "https://jumpcloud.example/api", GraphURL: "https://graph.microsoft.com/v1.0", LoginURL: "https://" + loginHost,
		ClientID: app.ClientID, Keys: apiKey("bench"), Regions: w.store, Transport: w,
		Proof: func(context.Context) (entra.Proof, error) { return entra.Proof{ClientSecret: app.ClientSecret}, nil },
	})
}

// feed has a queue worked off by invocations in one process.
func (w *world) feed(name string, concurrency int, outside *systems.Systems) {
	usersLive, usersBulk := w.queues["users-live.fifo"], w.queues["users-bulk.fifo"]
	groupsLive, groupsBulk := w.queues["groups-live.fifo"], w.queues["groups-bulk.fifo"]
	f := host.Function{Name: "users", Timeout: functionTimeout, Handler: users.Handler{
		Users:     reconcile.Users{Store: w.store, Systems: outside, Metrics: &metric.Memory{}, Later: usersBulk, GroupsLive: groupsLive, GroupsBulk: groupsBulk},
		Postponer: w.queues, MaxReceives: taskReceives, Again: usersBulk,
	}.Handle}
	if strings.HasPrefix(name, "groups") {
		f = host.Function{Name: "groups", Timeout: functionTimeout, Handler: groups.Handler{
			Groups:    reconcile.Groups{Store: w.store, Systems: outside, Metrics: &metric.Memory{}, Live: usersLive, Bulk: usersBulk, Later: groupsBulk},
			Postponer: w.queues, MaxReceives: taskReceives, Again: groupsBulk,
		}.Handle}
	}
	w.host.Feed(f, host.Source{Queue: name, From: w.queues[name], BatchSize: queue.MaxBatch, Concurrency: concurrency})
}

// loginHost is where tokens come from. Who needs one waits at a lock while somebody
// gets it, and in a bubble no time passes then.
const loginHost = "login.microsoftonline.com"

// apiKey is the key of the one organization.
type apiKey string

// APIKey implements systems.Keys.
func (k apiKey) APIKey(context.Context, directory.OrganizationID) (string, error) {
	return string(k), nil
}

// openFiles opens table and queues, in memory where the machine has a folder there:
// that takes no virtual time either way.
func (w *world) openFiles() {
	w.t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "entrasync-bench-")
	if err != nil {
		folder = w.t.TempDir()
	}
	w.t.Cleanup(func() { w.must(os.RemoveAll(folder)) })
	table, err := bolttable.Open(filepath.Join(folder, "table.db"))
	w.must(err)
	w.t.Cleanup(func() { w.must(table.Close()) })
	w.store = store.New(table)
	files, err := boltqueue.Open(filepath.Join(folder, "queues.db"))
	w.must(err)
	w.t.Cleanup(func() { w.must(files.Close()) })
	const deadLetters = "dead.fifo"
	w.dead, err = files.Queue(boltqueue.Config{Name: deadLetters})
	w.must(err)
	for name := range lanes {
		w.queues[name], err = files.Queue(boltqueue.Config{Name: name, Visibility: visibility, MaxReceives: taskReceives, DeadLetter: deadLetters})
		w.must(err)
	}
}

// startSimulators makes the people and groups of JumpCloud, and an empty tenant.
func (w *world) startSimulators() {
	w.t.Helper()
	organization := directory.OrganizationID(jumpcloudtest.DefaultOrganizationID)
	w.must(w.store.CreateOrganization(w.t.Context(), directory.Organization{ID: organization, Region: directory.US}))
	var err error
	w.jumpcloud, err = jumpcloudtest.New(jumpcloudtest.Config{APIKey: "bench", Seed: 1})
	w.must(err)
	w.t.Cleanup(func() { w.must(w.jumpcloud.Close()) })
	w.entra, err = entratest.New(entratest.Config{Seed: 1, Log: 1})
	w.must(err)
	w.t.Cleanup(func() { w.must(w.entra.Close()) })
	tenant := directory.TenantID(entratest.DefaultTenant().ID)
	w.tenant = w.entra.Tenant(string(tenant))
	w.directory = directory.Directory{
		ID: directory.NewID(organization, "main"), Organization: organization, Name: "main",
		Tenant: tenant, TenantObject: tenant, Status: directory.Active, Settings: directory.DefaultSettings(),
	}
	w.directory.Version, err = w.store.PutDirectory(w.t.Context(), w.directory)
	w.must(err)
	w.fillGroups(w.createPeople())
}

// createPeople adds the users to JumpCloud.
func (w *world) createPeople() []string {
	w.t.Helper()
	people := make([]string, w.size.users)
	for i := range people {
		var err error
		people[i], err = w.jumpcloud.CreateUser(jumpcloudtest.Fields{
			"username": fmt.Sprintf("user%d", i), "email": fmt.Sprintf("user%d@contoso.example", i), "firstname": "Bench", "lastname": fmt.Sprint(i), "state": "ACTIVATED"})
		w.must(err)
	}
	progress("%d users", len(people))
	return people
}

// fillGroups puts every user into a group, in an order that is new each time, until
// there are enough groups.
func (w *world) fillGroups(people []string) {
	w.t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	for {
		random.Shuffle(len(people), func(i, j int) { people[i], people[j] = people[j], people[i] })
		for members := range slices.Chunk(people, groupSize) {
			if len(w.groups) == w.size.groups {
				progress("%d groups", len(w.groups))
				return
			}
			id, err := w.jumpcloud.CreateGroup(fmt.Sprintf("Group %d", len(w.groups)))
			w.must(err)
			for _, member := range members {
				w.must(w.jumpcloud.AddMember(id, member))
			}
			w.groups = append(w.groups, directory.GroupID(id))
		}
	}
}

// RoundTrip sends a request to the simulator that it is for.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != loginHost {
		time.Sleep(latency)
	}
	if r.URL.Host == "jumpcloud.example" {
		return jumpcloudtest.Transport(w.jumpcloud).RoundTrip(r)
	}
	response, err := entratest.Transport(w.entra).RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if units := w.entra.Counters().WriteUnits; units != w.written {
		w.written, w.lastWrite = units, time.Now()
	}
	return response, err
}

// must ends the test on an error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// connectAll connects every group, as the API does.
func (w *world) connectAll() {
	w.t.Helper()
	for i, id := range w.groups {
		_, err := w.store.ConnectGroup(w.t.Context(), w.directory.ID, id, directory.Direct, time.Now().UTC())
		w.must(err)
		w.must(reconcile.Enqueue(w.t.Context(), w.queues["groups-bulk.fifo"], reconcile.GroupTask{
			Directory: w.directory.ID, Group: id, Whole: true, Cause: plan.Cause{Type: "connected", ID: fmt.Sprint(i), At: time.Now().UTC()}}))
	}
}

// How often it is looked whether all is done, how long tasks may go on that write
// nothing any more, and when it is hopeless.
const (
	lookEvery = time.Second
	idle      = time.Minute
	hopeless  = 3 * time.Hour
)

// work waits until nothing is left to do, and returns how long it was until Graph
// saw the last write.
func (w *world) work() time.Duration {
	w.t.Helper()
	start, told := time.Now(), time.Duration(0)
	for {
		time.Sleep(lookEvery)
		waiting := map[string]int{}
		for name, q := range w.queues {
			depth, err := q.Depth(w.t.Context())
			w.must(err)
			if n := depth.Visible + depth.InFlight; n > 0 {
				waiting[name] = n
			}
		}
		w.mu.Lock()
		units, took := w.written, w.lastWrite.Sub(start)
		w.mu.Unlock()
		since := time.Since(start)
		if len(waiting) == 0 {
			progress("after %.0f s, with the last write after %.0f s, nothing is left to do", since.Seconds(), took.Seconds())
			if since-took > idle {
				w.t.Errorf("tasks went on for %s after the last write", since-took)
			}
			return took
		}
		if since-told >= time.Minute {
			told = since
			progress("after %.0f s: %d write units, %d refused, waiting %v", since.Seconds(), units, w.entra.Counters().Throttled, waiting)
		}
		if since > hopeless {
			w.t.Fatalf("after %s there is still something to do: %v", since, waiting)
		}
	}
}

// compare holds Entra against JumpCloud.
func (w *world) compare() {
	w.t.Helper()
	if depth, err := w.dead.Depth(w.t.Context()); err != nil || depth.Visible > 0 {
		w.t.Errorf("%d tasks are dead letters: %v", depth.Visible, err)
	}
	account := map[string]string{} // by the JumpCloud user
	for _, user := range w.tenant.Users() {
		if id := user.Text("onPremisesImmutableId"); user.AccountEnabled {
			account[id] = user.ID
		}
	}
	if len(account) != w.size.users {
		w.t.Errorf("%d accounts for %d users", len(account), w.size.users)
	}
	for i, id := range w.groups {
		found := w.tenant.GroupsNamed(fmt.Sprintf("Group %d", i))
		var want []string
		for _, member := range w.jumpcloud.Members(string(id)) {
			want = append(want, account[member])
		}
		slices.Sort(want)
		if len(found) != 1 || !slices.Equal(slices.Sorted(slices.Values(found[0].Members)), want) {
			w.t.Errorf("Group %d is wrong in Entra: %d groups", i, len(found))
		}
		known, err := w.store.Group(w.t.Context(), w.directory.Organization, id)
		w.must(err)
		if link, _ := known.Link(w.directory.ID); link.Status != directory.Synced {
			w.t.Errorf("Group %d: %s, %s: %s", i, link.Status, link.Reason, link.Message)
		}
	}
}
