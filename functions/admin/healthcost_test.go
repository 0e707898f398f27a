package admin_test

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/health"
	"entrasync/shared/store"
)

var figures = flag.String("figures", "1000,10000", "the numbers of users in the directories that TestWhatAReadOfADirectoryCosts reads, such as 1000,10000,100000")

// metered is a table that counts the requests to it, and the bytes of the items that they read.
type metered struct {
	store.Table
	requests, bytes atomic.Int64
}

// Get implements store.Table.
func (m *metered) Get(ctx context.Context, key store.Key) (store.Item, error) {
	item, err := m.Table.Get(ctx, key)
	m.read(item)
	return item, err
}

// BatchGet implements store.Table.
func (m *metered) BatchGet(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	items, err := m.Table.BatchGet(ctx, keys)
	m.read(items...)
	return items, err
}

// Query implements store.Table.
func (m *metered) Query(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := m.Table.Query(ctx, q)
	m.read(page.Items...)
	return page, err
}

// read counts a request.
func (m *metered) read(items ...store.Item) {
	m.requests.Add(1)
	for _, item := range items {
		m.bytes.Add(int64(item.Size()))
	}
}

// synced is the link of a user with what a directory with the default settings writes.
func synced(id directory.ID, n int) directory.Link {
	link := directory.NewLink(id, directory.UserID(fmt.Sprintf("64a1b2c3d4e5f607%08x", n)))
	name := fmt.Sprintf("person%06d", n)
	link.EntraID, link.UPN = directory.EntraID(fmt.Sprintf("3f2504e0-4f89-11d3-9a0c-%012x", n)), directory.UPN(name+"@contoso.example")
	link.Status, link.State, link.Origin = directory.Synced, directory.Enabled, directory.CreatedByUs
	link.LastWriteAt, link.LastEventAt = time.Now().UTC(), time.Now().UTC()
	link.Applied = directory.Attributes{}.Set([]directory.Change{
		{Attribute: directory.UserPrincipalName, To: directory.Text(name + "@contoso.example")}, {Attribute: directory.MailNickname, To: directory.Text(name)},
		{Attribute: directory.GivenName, To: directory.Text("Given " + name)}, {Attribute: directory.Surname, To: directory.Text("Surname " + name)},
		{Attribute: directory.DisplayName, To: directory.Text("Given " + name + " Surname " + name)}, {Attribute: directory.AccountEnabled, To: directory.Bool(true)},
		{Attribute: directory.ImmutableID, To: directory.Text(string(link.User))},
	})
	return link
}

// A read of a directory costs few requests to the table. A large one is not counted for it: once
// its counts are known, the size makes no difference.
func TestWhatAReadOfADirectoryCosts(t *testing.T) {
	const most = 14 // requests to the table
	for _, size := range strings.Split(*figures, ",") {
		t.Run(size, func(t *testing.T) {
			users, err := strconv.Atoi(size)
			if err != nil {
				t.Fatal(err)
			}
			f := newFixture(t)
			id := directory.ID(f.directory("{}"))
			links := make([]store.Recording, users)
			for i := range links {
				links[i].Link = synced(id, i)
			}
			for _, err := range f.records.Record(t.Context(), links...) {
				f.must(err)
			}
			meter := &metered{Table: f.table}
			f.api.Store = store.New(meter)
			f.serve(f.api)
			read := func(when string) (requests, bytes int64, counted any) {
				meter.requests.Store(0)
				meter.bytes.Store(0)
				began := time.Now()
				_, got := f.call("GET", "/v1/directories/"+string(id), "")
				requests, bytes, counted = meter.requests.Load(), meter.bytes.Load(), dig(got, "health", "counts", "users", "total")
				t.Logf("%d users, %s: %d requests to the table, %d KiB read, %s", users, when, requests, bytes>>10, time.Since(began).Round(time.Millisecond))
				return requests, bytes, counted
			}
			if requests, _, _ := read("never counted"); requests > most {
				t.Errorf("never counted: %d requests, want %d at most", requests, most)
			}
			f.must(health.CountDue(t.Context(), f.records, time.Now().UTC(), id))
			requests, bytes, counted := read("counted within the hour")
			if counted != float64(users) {
				t.Errorf("got %v users in the counts, want %d", counted, users)
			}
			if large := users > 9_000; requests > most || large && bytes > 64<<10 {
				t.Errorf("counted within the hour: %d requests and %d KiB, want %d at most and, of a large directory, few", requests, bytes>>10, most)
			}
		})
	}
}
