package jumpcloud_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/deadline"
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

// everybody is a JumpCloud with one group of 9,000 members, which takes 800 ms for each page.
type everybody struct{ pages int }

// people is how many members the group has.
const people = 9000

// RoundTrip implements http.RoundTripper.
func (e *everybody) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(800 * time.Millisecond)
	e.pages++
	query := r.URL.Query()
	skip, _ := strconv.Atoi(query.Get("skip"))
	limit, _ := strconv.Atoi(query.Get("limit"))
	var page []string
	for n := skip; n < min(skip+limit, people); n++ {
		page = append(page, fmt.Sprintf(`{"id":"64a1b2c3d4e5f6071829%04x","type":"user"}`, n))
	}
	return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{"X-Total-Count": {strconv.Itoa(people)}},
		Body: io.NopCloser(strings.NewReader("[" + strings.Join(page, ",") + "]"))}, nil
}

// A list of 9,000 members is longer than the 50 seconds that an invocation of a minute has for
// work. It is finished by the second one, and no page is read twice.
func TestAListOfNineThousandIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pages, invocations = 90, 2
		served := &everybody{}
		client := jumpcloud.NewClient(jumpcloud.Config{APIURL: "https://jumpcloud.example/api", APIKey: "test-key", HTTP: &http.Client{Transport: served}})
		var list directory.MemberList
		calls := 0
		for !list.Complete && calls < 5 {
			calls++
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute-deadline.Reserve)
			var err error
			list, err = client.ListMembers(ctx, groupID, list)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(list.Users) != people || served.pages != pages || calls != invocations || !list.Complete {
			t.Errorf("%d members after %d pages in %d invocations, complete %t; want %d, %d and %d", len(list.Users), served.pages, calls, list.Complete, people, pages, invocations)
		}
	})
}
