package resync_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	function "entrasync/functions/resync"
	"entrasync/shared/directory"
	"entrasync/shared/functiontest"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/metric"
	"entrasync/shared/reconcile"
	"entrasync/shared/results"
	"entrasync/shared/results/resultstest"
	"entrasync/shared/resync"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

var memory = flag.Int("memory", 300, "the number of users in the directory that TestMemory compares")

const (
	// mostMemory is how many MB a process that compares 100,000 users and 2,000 groups may use.
	mostMemory = 128
	// childVariable has the folder and the address that the compared process works with.
	childVariable = "ENTRASYNC_TEST_RESYNC"
)

// A process that compares a directory uses at most 128 MB, for the first time and when nothing
// changed. It is a process of its own: the simulators are in this one, which it reaches by
// TCP. The file of the table, which is mapped, does not count: on AWS the table is elsewhere.
func TestMemory(t *testing.T) {
	if work := os.Getenv(childVariable); work != "" {
		compareInThisProcess(t, work)
		return
	}
	if _, err := os.Stat("/proc/self/smaps"); err != nil {
		t.Skip("this system does not say how much memory a process uses")
	}
	f := newFixture(t, nil)
	f.settle(*memory)
	most := f.inAnotherProcess("TestMemory")
	t.Logf("%d users and %d groups: a process of at most %d MB", *memory, *memory/perGroup, most>>20)
	if most > mostMemory<<20 {
		t.Errorf("the process used %d MB, want at most %d", most>>20, mostMemory)
	}
}

// inAnotherProcess runs a test in a process of its own, which reaches a copy of the table by its
// folder and the simulators by TCP, and returns how many bytes of memory it used at most.
func (f *fixture) inAnotherProcess(test string) (most int) {
	t := f.t
	t.Helper()
	folder := t.TempDir()
	f.Must(f.copyTable(filepath.Join(folder, "table.db")))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI, r.URL.Scheme, r.URL.Host = "", "https", r.Host
		answer, err := f.Kit.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body) // the process asks again
	}))
	defer server.Close()

	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.v", "-test.timeout=2h")
	child.Env = append(os.Environ(), childVariable+"="+folder+" "+server.Listener.Addr().String())
	output, err := child.StdoutPipe()
	f.Must(err)
	child.Stderr = os.Stderr
	f.Must(child.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			t.Log("the process says: ", lines.Text())
		}
	}()
	most = mostResident(t, child.Process.Pid, ended)
	if err := child.Wait(); err != nil {
		t.Fatalf("the process failed: %v", err)
	}
	return most
}

// mostResident is how many bytes of memory a process had at most until it ended.
func mostResident(t *testing.T, pid int, ended <-chan struct{}) (most int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-tick.C:
			most = max(most, resident(pid))
		}
	}
}

// resident is how many bytes of memory a process has now, without the file of the table; 0
// when it has ended.
func resident(pid int) (sum int) {
	mappings, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0
	}
	defer func() { _ = mappings.Close() }() // was only read
	table := false
	for lines := bufio.NewScanner(mappings); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) >= 5 && strings.Contains(words[0], "-"): // the line that begins a mapping
			table = strings.HasSuffix(lines.Text(), "table.db")
		case len(words) == 3 && words[0] == "Rss:" && !table:
			size, _ := strconv.Atoi(words[1])
			sum += size << 10
		}
	}
	return sum
}

// copyTable copies the table as it is.
func (f *fixture) copyTable(to string) error {
	from, err := os.Open(filepath.Join(f.folder, "table.db"))
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // was only read
	made, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(made, from); err != nil {
		return err
	}
	return made.Close()
}

// elsewhere sends requests to another address than the one that they are for.
type elsewhere struct{ address string }

// RoundTrip implements http.RoundTripper.
func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	to := r.Clone(r.Context())
	to.Host, to.URL = r.URL.Host, &url.URL{Scheme: "http", Host: e.address, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	return http.DefaultTransport.RoundTrip(to)
}

// oneKey knows the key of the one organization.
type oneKey struct{}

// JumpCloud implements clients.Keys.
func (oneKey) JumpCloud(context.Context, directory.OrganizationID) (secret.JumpCloud, error) {
	return secret.JumpCloud{APIKey: functiontest.APIKey}, nil
}

// compareInThisProcess compares the directory twice, with the table in a folder and the
// outside systems at an address.
func compareInThisProcess(t *testing.T, work string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	records, handler, jobs := processAt(t, work, &resultstest.Memory{}, nil)
	ctx := zerolog.New(os.Stderr).Level(zerolog.WarnLevel).WithContext(t.Context())
	ids, err := records.DirectoryIDs(ctx)
	must(err)
	for _, when := range []string{"the first time", "nothing changed"} {
		began := time.Now()
		job, err := resync.Starter{Store: records, Jobs: jobs}.Start(ctx, ids[0], "the test")
		must(err)
		for !job.Status.Ended() {
			waiting := delivered(jobs.take()...)
			within, cancel := context.WithTimeout(ctx, timeout)
			_, err := handler.Handle(within, function.Event{Records: waiting})
			cancel()
			must(err)
			job, err = records.Job(ctx, job.ID)
			must(err)
			if !job.TroubleSince.IsZero() {
				t.Fatalf("the resync makes no progress: %s", job.Message)
			}
		}
		if job.Status != store.JobFinished || job.Found > 0 {
			t.Errorf("the job is %s with %d found (%s), want it finished with none", job.Status, job.Found, job.Message)
		}
		t.Logf("%s, in %s", when, time.Since(began).Round(time.Second))
	}
}

// processAt is the function in this process, with the table in a folder and the outside systems at
// an address. around, unless nil, is the table as the function sees it.
func processAt(t *testing.T, work string, files results.Store, around func(store.Table, http.RoundTripper) (store.Table, http.RoundTripper)) (*store.Store, function.Handler, *lane) {
	t.Helper()
	folder, address, _ := strings.Cut(work, " ")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	bolt, err := bolttable.Open(filepath.Join(folder, "table.db"))
	must(err)
	t.Cleanup(func() { must(bolt.Close()) })
	var table store.Table = bolt
	var outside http.RoundTripper = elsewhere{address}
	if around != nil {
		table, outside = around(table, outside)
	}
	records, users, groups, jobs := store.New(table), &lane{}, &lane{}, &lane{}
	set, err := functiontest.NewClients(records, oneKey{}, outside)
	must(err)
	handler, err := function.New(resync.Parts{
		Starter: resync.Starter{Store: records, Jobs: jobs}, Clients: set,
		Drift: reconcile.Drift{Store: records, UserTasks: users, GroupTasks: groups, Metrics: &metric.Memory{}},
		Users: users, Groups: groups, Metrics: &metric.Memory{}, Every: 24 * time.Hour,
		Outside: set, Results: files,
	})
	must(err)
	return records, handler, jobs
}
