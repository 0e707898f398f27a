package world_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/portable"
	"entrasync/shared/store"
)

// export are the parts of the export of the directory.
func (p *planned) export() (parts [][]byte) {
	p.Helper()
	for path := p.of("/export"); path != ""; {
		status, header, part := p.Send(http.MethodGet, path, "", nil)
		if status != http.StatusOK {
			p.t.Fatalf("GET %s: %d %s, want 200", path, status, part)
		}
		parts = append(parts, part)
		path, _, _ = strings.Cut(strings.TrimPrefix(header.Get("Link"), "<"), ">")
	}
	return parts
}

// Helper makes a failure name the test.
func (p *planned) Helper() { p.t.Helper() }

// job waits for the end of the job that an answer names.
func (p *planned) job(answer []byte) store.Job {
	p.Helper()
	var begun struct {
		Job string `json:"jobId"`
	}
	p.Must(json.Unmarshal(answer, &begun))
	var job store.Job
	p.Until("the job "+string(answer)+" has ended", 12*time.Hour, func() bool {
		var err error
		job, err = p.Store.Job(p.t.Context(), begun.Job)
		p.Must(err)
		return job.Status.Ended()
	})
	if job.Status != store.JobFinished {
		p.t.Fatalf("the job %s (%s) is %s: %s; want it finished", job.ID, job.Kind, job.Status, job.Message)
	}
	return job
}

// resync compares the directory.
func (p *planned) resync() store.Job {
	p.Helper()
	status, answer := p.Ask(http.MethodPost, p.of("/resync"), "")
	if status != http.StatusAccepted {
		p.t.Fatalf("a resync: %d %s, want 202", status, answer)
	}
	job := p.job(answer)
	p.rest()
	return job
}

// deactivate deletes the directory.
func (p *planned) deactivate() {
	p.Helper()
	status, answer := p.Ask(http.MethodDelete, p.of("?name=main"), "")
	if status != http.StatusAccepted {
		p.t.Fatalf("a deactivation: %d %s, want 202", status, answer)
	}
	p.job(answer)
}

// restore puts the directory back from an export; between is called before each part but the
// first. It returns the last answer.
func (p *planned) restore(parts [][]byte, between func()) (last []byte) {
	p.Helper()
	for i, part := range parts {
		if i > 0 {
			between()
		}
		var status int
		status, _, last = p.Send(http.MethodPost, "/v1/directories/import?directory="+string(p.Directory.ID), portable.ContentType, part)
		if status != http.StatusOK {
			p.t.Fatalf("part %d of the import: %d %s, want 200", i, status, last)
		}
	}
	return last
}

// split cuts the lines of an export into parts of at most so many lines.
func split(parts [][]byte, most int) (smaller [][]byte) {
	for lines := range slices.Chunk(strings.SplitAfter(strings.TrimSpace(string(slices.Concat(parts...))), "\n"), most) {
		smaller = append(smaller, []byte(strings.Join(lines, "")))
	}
	return smaller
}

// shape is what is known of the directory, without times: links and connections, who has
// which account, members, and for what users wait.
func (p *planned) shape() []string {
	p.Helper()
	ctx := p.t.Context()
	all := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(slices.Concat(p.export()...))), "\n") {
		var l portable.Line
		p.Must(json.Unmarshal([]byte(line), &l))
		switch {
		case l.Link != nil:
			owner, err := p.Store.Owner(ctx, p.Directory.TenantObject, l.Link.EntraID)
			all[fmt.Sprint("link ", l.Link.User, l.Link.Status, l.Link.Reason, l.Link.State, l.Link.EntraID, l.Link.UPN, l.Link.Freed, l.Link.Origin, l.Link.Applied, l.Link.Problems, l.Connection, l.Username, owner.User, err == nil)] = true
		case l.GroupLink != nil:
			owner, err := p.Store.Owner(ctx, p.Directory.TenantObject, l.GroupLink.EntraID)
			all[fmt.Sprint("group ", l.GroupLink.Group, l.GroupLink.Status, l.GroupLink.Reason, l.GroupLink.EntraID, l.GroupLink.Freed, l.GroupLink.Applied, l.GroupConnection, owner.Group, err == nil)] = true
		case l.Member != nil:
			all[fmt.Sprint("member ", *l.Member)] = true
		case l.Within != nil:
			all[fmt.Sprint("within ", *l.Within)] = true
		case l.Former != nil:
			all[fmt.Sprint("former ", *l.Former)] = true
		case l.Waits != nil:
			all[fmt.Sprint("waits ", *l.Waits)] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// A directory that is exported, deactivated and put back is as it was: in a world that stood
// still nothing is written in Entra, its resync finds no difference, and what is known is the same.
func TestAnImportedDirectoryIsAsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(timeless{t}, func(t *rapid.T) {
			p := newPlanned(t, still())
			for range rapid.IntRange(0, 4).Draw(t, "requests") {
				method, path, body := p.request()
				p.API(method, p.of(path), body)
				p.rest()
			}
			p.resync()
			p.resync() // what the first one made of the changes of others
			before, parts, units := p.shape(), p.export(), p.Entra.Counters().WriteUnits
			p.deactivate()
			time.Sleep(rapid.SampledFrom([]time.Duration{0, time.Hour, 30 * 24 * time.Hour}).Draw(t, "later"))
			if rapid.Bool().Draw(t, "in small parts") {
				parts = split(parts, rapid.IntRange(1, 4).Draw(t, "lines"))
			}
			job := p.job(p.restore(parts, func() {}))
			p.rest()
			if wrote := p.Entra.Counters().WriteUnits - units; wrote > 0 || job.Found > 0 || job.Reported > 0 {
				t.Errorf("the import and its resync wrote %d units, and found %d and reported %d differences; want none", wrote, job.Found, job.Reported)
			}
			if diff := cmp.Diff(before, p.shape()); diff != "" {
				t.Errorf("what is known (-before +after):\n%s", diff)
			}
		})
	})
}

// What happens in JumpCloud while a directory is put back is not lost: its resync finds it.
func TestEventsDuringAnImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &planned{t: t, World: world.New(t, world.Config{Resync: true, ResyncEvery: 1000 * 24 * time.Hour, Latency: 10 * time.Millisecond}), names: map[directory.UserID]string{}}
		for _, name := range []string{"ann", "bob", "cid"} {
			p.people = append(p.people, p.Hire(name))
		}
		staff := p.Group("Staff", p.people[:2]...)
		p.ConnectGroups(staff)
		p.rest()
		parts := split(p.export(), 2)
		p.deactivate()
		changes := []func(){
			func() { p.update(p.people[0], map[string]any{"state": "SUSPENDED"}) },
			func() { p.Must(p.JumpCloud.RemoveMember(string(staff), string(p.people[1]))) },
			func() { p.Must(p.JumpCloud.AddMember(string(staff), string(p.people[2]))) },
		}
		p.job(p.restore(parts, func() {
			if len(changes) > 0 {
				changes[0]()
				changes = changes[1:]
				p.Settle(time.Hour)
			}
		}))
		p.rest()
		if len(changes) > 0 {
			t.Fatalf("%d changes were not made, want the export to have more parts", len(changes))
		}
		if ann, bob, cid := p.Enabled("ann"), p.Enabled("bob"), p.Enabled("cid"); ann || bob || !cid {
			t.Errorf("enabled are ann %t, bob %t, cid %t; want cid alone", ann, bob, cid)
		}
		if got := p.Members("Staff"); !slices.Equal(got, []string{"ann", "cid"}) {
			t.Errorf("the members are %v, want ann and cid", got)
		}
	})
}
