package jumpcloud_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// A list that is read some pages at a time is what one read of it is, also when the list
// changes between two of them.
func TestAListOfMembersIsReadOn(t *testing.T) {
	for name, change := range map[string]func(*jumpcloudtest.Simulator, string, []string) error{
		"nothing changes": func(*jumpcloudtest.Simulator, string, []string) error { return nil },
		"somebody leaves": func(s *jumpcloudtest.Simulator, group string, members []string) error {
			return s.RemoveMember(group, members[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				simulator, err := jumpcloudtest.New(jumpcloudtest.Config{APIKey: "test-key", Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = simulator.Close() })
				group, err := simulator.CreateGroup("Staff")
				if err != nil {
					t.Fatal(err)
				}
				var members []string
				for i := range 450 {
					id, err := simulator.CreateUser(jumpcloudtest.Fields{"username": fmt.Sprint("user", i), "email": fmt.Sprintf("user%d@contoso.example", i)})
					if err != nil {
						t.Fatal(err)
					}
					members = append(members, id)
					if err := simulator.AddMember(group, id); err != nil {
						t.Fatal(err)
					}
				}
				slices.Sort(members)
				client := jumpcloud.NewClient(jumpcloud.Config{APIURL: "https://jumpcloud.example/api", APIKey: "test-key",
					HTTP: &http.Client{Transport: jumpcloudtest.Transport(simulator)}})
				var list directory.MemberList
				began := time.Now()
				for calls := 1; !list.Complete; calls++ {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second) // time for one page
					list, err = client.ListMembers(ctx, directory.GroupID(group), list)
					cancel()
					if err != nil || calls > 12 {
						t.Fatalf("call %d: %+v, %v", calls, list, err)
					}
					if calls == 3 {
						if err := change(simulator, group, members); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(time.Second)
				}
				want, _, err := client.GroupMembers(t.Context(), directory.GroupID(group))
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(list.Users)
				if diff := cmp.Diff(want, list.Users); diff != "" {
					t.Errorf("the users (-want +got):\n%s", diff)
				}
				if !list.Began.Equal(began) {
					t.Errorf("the list began at %s, want %s", list.Began, began)
				}
			})
		})
	}
}
