package admin_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// filled is a closed table with two directories; in the first one two users, each a
// member of two groups, and an action of each user.
func filled(t *testing.T) (path, first, second string) {
	t.Helper()
	path = filepath.Join(localtest.Folder(t), "table.db")
	f := newFixtureOn(t, path)
	f.outside.tenants = map[directory.TenantID]directory.Tenant{"other.example": {ID: "1c2d3e4f-0a4b-4c61-9a58-3d2f6b1e0001", Name: "Other", VerifiedDomains: []string{"other.example"}}}
	first = f.directory("{}")
	status, created := f.call("POST", "/v1/directories", `{"name":"Other","organizationId":"`+organization+`","tenantId":"other.example"}`)
	if second, _ = created["id"].(string); status != 201 {
		t.Fatal(status, created)
	}
	f.connectGroups(first, engineering, sales)
	f.join(first, engineering, ann, bob)
	f.join(first, sales, ann, bob)
	now := time.Now().UTC()
	for i, user := range []directory.UserID{ann, bob} {
		if err := f.records.Connect(t.Context(), directory.ID(first), user, directory.Direct, now); err != nil {
			t.Fatal(err)
		}
		action := plan.Action{ID: fmt.Sprintf("01990000-0000-7000-8000-00000000000%d", i+1), Type: plan.Provision, Directory: directory.ID(first),
			Subject: plan.Subject{Kind: "user", ID: string(user)}, Status: plan.Succeeded, At: now, CompletedAt: now}
		if err := f.records.RecordActions(t.Context(), action); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.records.TakeLease(t.Context(), store.Lease{Directory: directory.ID(first), Group: engineering, Holder: "test", Until: now.Add(time.Hour)}, now); err != nil {
		t.Fatal(err)
	}
	if err := f.table.Close(); err != nil {
		t.Fatal(err)
	}
	return path, first, second
}

// spoil damages a record of a closed table: one byte of it or, with a valid checksum,
// its content.
func spoil(t *testing.T, path string, key store.Key, written bool) {
	t.Helper()
	if written {
		table, err := bolttable.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		item, err := table.Get(t.Context(), key)
		if err == nil {
			item.Value = []byte("{")
			_, err = table.Put(t.Context(), item, store.Any)
		}
		if err = errors.Join(err, table.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		items, place := tx.Bucket([]byte("items")), append([]byte{byte(len(key.PK) >> 8), byte(len(key.PK))}, key.PK+key.SK...)
		record := bytes.Clone(items.Get(place))
		if record == nil {
			return fault.New(fault.NotFound, "test", "there is no record "+key.PK+" "+key.SK)
		}
		record[len(record)-2] ^= 1
		return items.Put(place, record)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// shownIn returns the names of the items of a list in order, with the parts that are
// marked as unreadable.
func shownIn(list map[string]any) (names []string) {
	items, _ := list["items"].([]any)
	for _, item := range items {
		fields, _ := item.(map[string]any)
		name, _ := fields["userId"].(string)
		for _, field := range []string{"groupId", "id"} {
			if value, is := fields[field].(string); is && name == "" {
				name = value
			}
		}
		if unreadable, is := fields["unreadable"]; is {
			name += fmt.Sprint(" ", unreadable)
		}
		if members, is := fields["members"].(map[string]any); is {
			name += fmt.Sprintf(" %v waiting", members["waiting"])
			if n, is := members["unreadable"]; is {
				name += fmt.Sprintf(", %v unreadable", n)
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Each list of the API leaves a damaged record out or marks it, and its key is logged:
// tested for each list and each kind of record.
func TestADamagedRecordStopsNoListOfTheAPI(t *testing.T) {
	path, first, second := filled(t)
	const actionOne, actionTwo = "01990000-0000-7000-8000-000000000001", "01990000-0000-7000-8000-000000000002"
	const organizations, directories, of = "/v1/organizations", "/v1/directories", "/v1/directories/{id}"
	group := func(id string, marks string) string { return id + marks }
	both := []string{group(engineering, " 2 waiting"), group(sales, " 2 waiting")}
	intact := map[string][]string{
		organizations:                      {organization},
		directories:                        {first, second},
		of + "/connections":                {ann, bob, engineering, sales},
		of + "/users":                      {ann, bob},
		of + "/users?status=pending":       {ann, bob},
		of + "/groups":                     both,
		of + "/groups?status=pending":      both,
		"/v1/events":                       {actionOne, actionTwo},
		"/v1/events?directory={id}":        {actionOne, actionTwo},
		"/v1/events?organization={org}":    {actionOne, actionTwo},
		"/v1/events?user=" + ann:           {actionOne},
		"/v1/events?user=" + bob:           {actionTwo},
		of + "/connections?limit=2":        {ann, bob},
		"/v1/events?limit=1":               {actionTwo},
		of + "/users?status=synced":        nil,
		of + "/groups?reason=upn_conflict": nil,
	}
	slices.Sort(intact[directories])
	user, groupPart := "O#"+organization+"#U#"+ann, "O#"+organization+"#G#"+engineering
	for name, tc := range map[string]struct {
		key     store.Key
		instead map[string][]string // lists that differ because of the damage
	}{
		"the link of a user": {store.Key{PK: user, SK: "L#" + first}, map[string][]string{
			of + "/users": {bob}, of + "/users?status=pending": {bob},
		}},
		"the connection of a user": {store.Key{PK: user, SK: "C#" + first}, map[string][]string{
			of + "/users": {ann + " [connection]", bob}, of + "/users?status=pending": {ann + " [connection]", bob},
			of + "/connections": {bob, engineering, sales}, of + "/connections?limit=2": {bob, engineering},
		}},
		"the link of a group": {store.Key{PK: groupPart, SK: "L#" + first}, map[string][]string{
			of + "/groups": both[1:], of + "/groups?status=pending": both[1:],
		}},
		"the connection of a group": {store.Key{PK: groupPart, SK: "C#" + first}, map[string][]string{
			of + "/groups": {group(engineering, " [connection]"), both[1]}, of + "/groups?status=pending": {group(engineering, " [connection]"), both[1]},
			of + "/connections": {ann, bob, sales},
		}},
		"the lease of a group": {store.Key{PK: groupPart, SK: "B#" + first}, nil},
		"a member": {store.Key{PK: "O#" + organization + "#M#" + first + "#" + engineering, SK: ann}, map[string][]string{
			of + "/groups": {group(engineering, " 1 waiting, 1 unreadable"), both[1]}, of + "/groups?status=pending": {group(engineering, " 1 waiting, 1 unreadable"), both[1]},
		}},
		"a directory": {store.Key{PK: "O#" + organization, SK: "D#" + first}, map[string][]string{
			directories: {second}, of + "/groups": {engineering, sales}, of + "/groups?status=pending": {engineering, sales},
		}},
		"an organization": {store.Key{PK: "O#" + organization, SK: "O"}, map[string][]string{organizations: nil}},
		"an action": {store.Key{PK: "O#" + organization + "#A", SK: actionOne}, map[string][]string{
			"/v1/events": {actionTwo}, "/v1/events?directory={id}": {actionTwo}, "/v1/events?organization={org}": {actionTwo}, "/v1/events?user=" + ann: nil,
		}},
		"the action that begins the list": {store.Key{PK: "O#" + organization + "#A", SK: actionTwo}, map[string][]string{
			"/v1/events": {actionOne}, "/v1/events?directory={id}": {actionOne}, "/v1/events?organization={org}": {actionOne}, "/v1/events?user=" + bob: nil,
			"/v1/events?limit=1": {actionOne},
		}},
	} {
		for how, written := range map[string]bool{"a byte": false, "what was written": true} {
			t.Run(name+", "+how, func(t *testing.T) {
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				own := filepath.Join(localtest.Folder(t), "table.db")
				if err := os.WriteFile(own, content, 0o600); err != nil {
					t.Fatal(err)
				}
				spoil(t, own, tc.key, written)
				f := newFixtureOn(t, own)
				for list, want := range intact {
					if other, is := tc.instead[list]; is {
						want = other
					}
					var log bytes.Buffer
					request := strings.NewReplacer("{id}", first, "{org}", organization).Replace(list)
					status, got := f.callIn(zerolog.New(&log).WithContext(t.Context()), map[string]string{"authorization": "Bearer " + token}, "GET", request, "")
					if names := shownIn(got); written && list == "/v1/events?limit=1" && len(names) == 0 && got["cursor"] != nil {
						continue // a page may be short
					} else if diff := cmp.Diff(want, names); status != 200 || diff != "" {
						t.Errorf("%s: %d %v (-want +got)\n%s", list, status, got["detail"], diff)
					}
					if _, is := tc.instead[list]; is && !strings.Contains(log.String(), `"pk":"`+tc.key.PK+`","sk":"`+tc.key.SK+`"`) {
						t.Errorf("%s: the log does not name the record: %s", list, log.String())
					}
				}
			})
		}
	}
}

// The view of a group counts members with a damaged record as unreadable. If the record
// of a user is damaged, the view does not say that the user has no account.
func TestAGroupWithADamagedMemberIsShown(t *testing.T) {
	for name, tc := range map[string]struct {
		key     func(first string) store.Key
		members map[string]any
		message string // about Ann
	}{
		"the member": {func(first string) store.Key {
			return store.Key{PK: "O#" + organization + "#M#" + first + "#" + engineering, SK: ann}
		}, map[string]any{"inSync": 0.0, "waiting": 1.0, "refused": 0.0, "unreadable": 1.0}, ""},
		"the link of the user": {func(first string) store.Key {
			return store.Key{PK: "O#" + organization + "#U#" + ann, SK: "L#" + first}
		}, map[string]any{"inSync": 0.0, "waiting": 2.0, "refused": 0.0}, "the record of the user is damaged"},
		"the connection of the user": {func(first string) store.Key {
			return store.Key{PK: "O#" + organization + "#U#" + ann, SK: "C#" + first}
		}, map[string]any{"inSync": 0.0, "waiting": 2.0, "refused": 0.0}, "no account in this directory yet"},
	} {
		t.Run(name, func(t *testing.T) {
			path, first, _ := filled(t)
			spoil(t, path, tc.key(first), false)
			f := newFixtureOn(t, path)
			status, got := f.call("GET", "/v1/directories/"+first+"/groups/"+engineering, "")
			members, _ := got["members"].(map[string]any)
			late, _ := members["notInSync"].([]any)
			delete(members, "notInSync")
			if diff := cmp.Diff(tc.members, members); status != 200 || diff != "" {
				t.Fatalf("%d %v (-want +got)\n%s", status, got, diff)
			}
			for _, each := range late {
				trouble, _ := each.(map[string]any)
				if said, _ := trouble["message"].(string); trouble["userId"] == ann && (tc.message == "" || !strings.Contains(said, tc.message)) {
					t.Errorf("the view says about Ann: %v", trouble)
				}
			}
		})
	}
}
