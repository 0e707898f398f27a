package jumpcloud_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// nobody is an id that no object has.
const nobody = "64a1b2c3d4e5f60718293fff"

// graphReads is every read of the graph, of a group or user that does not exist, with
// its result then.
var graphReads = map[string]struct {
	itself string // where the object itself is
	list   string // and the list it would be in
	read   func(context.Context, *jumpcloud.Client) (nothing bool, err error)
	gone   fault.Kind // what a read of what is gone fails with; "": it finds nothing
}{
	"group": {"", "/v2/usergroups", func(ctx context.Context, c *jumpcloud.Client) (bool, error) {
		group, err := c.Group(ctx, nobody)
		return group == directory.Group{}, err
	}, fault.NotFound},
	"members": {"/v2/usergroups/" + nobody, "/v2/usergroups", func(ctx context.Context, c *jumpcloud.Client) (bool, error) {
		users, within, err := c.GroupMembers(ctx, nobody)
		return len(users)+len(within) == 0, err
	}, fault.NotFound},
	"groups of": {"/systemusers/" + nobody, "/systemusers", func(ctx context.Context, c *jumpcloud.Client) (bool, error) {
		groups, err := c.GroupsOf(ctx, nobody)
		return len(groups) == 0, err
	}, ""},
	"directory": {"/v2/office365s/" + nobody, "/v2/directories", func(ctx context.Context, c *jumpcloud.Client) (bool, error) {
		users, groups, err := associated(ctx, c, directory.ConnectionSource{Type: directory.Office365Source, ID: nobody})
		return len(users)+len(groups) == 0, err
	}, fault.NotFound},
	"application": {"/v2/applications/" + nobody, "/applications", func(ctx context.Context, c *jumpcloud.Client) (bool, error) {
		users, groups, err := associated(ctx, c, directory.ConnectionSource{Type: directory.ApplicationSource, ID: nobody})
		return len(users)+len(groups) == 0, err
	}, fault.NotFound},
	"user associated": {"/systemusers/" + nobody, "/systemusers", func(ctx context.Context, c *jumpcloud.Client) (bool, error) {
		is, err := c.IsUserAssociated(ctx, directory.ConnectionSource{Type: directory.Office365Source, ID: m365ID}, nobody)
		return !is, err
	}, ""},
	"group associated": {"/v2/usergroups/" + nobody, "/v2/usergroups", func(ctx context.Context, c *jumpcloud.Client) (bool, error) {
		is, err := c.IsGroupAssociated(ctx, directory.ConnectionSource{Type: directory.ApplicationSource, ID: m365ID}, nobody)
		return !is, err
	}, ""},
}

// A 404 counts only if JumpCloud answers it for the object itself, and while the list
// of objects of its type can be read.
func TestAbsenceFromTheGraphIsConfirmed(t *testing.T) {
	for name, test := range graphReads {
		t.Run(name, func(t *testing.T) {
			sim, client := simulator(t)
			nothing, err := test.read(t.Context(), client)
			if !nothing || fault.KindOf(err) != test.gone || err != nil && !strings.Contains(err.Error(), nobody) {
				t.Errorf("of a deleted one: nothing found %v, %v; want nothing and the fault of the row with the id", nothing, err)
			}
			for _, status := range []int{http.StatusNotFound, http.StatusGone} {
				sim.FailNext(jumpcloudtest.Fault{Status: status, Times: 3})
				if nothing, err := test.read(t.Context(), client); !nothing || !fault.Is(err, fault.Transient) {
					t.Errorf("everything answers %d: nothing found %v, %v; want nothing and a transient fault", status, nothing, err)
				}
				sim, client = simulator(t)
			}
			for _, body := range []string{`<html>`, `null`, `{}`, `5`} {
				unlisted := clientOf(answering(sim, "/api"+test.list, body))
				if nothing, err := test.read(t.Context(), unlisted); !nothing || !fault.Is(err, fault.Transient) {
					t.Errorf("the list is %s: nothing found %v, %v; want nothing and a transient fault", body, nothing, err)
				}
			}
			if test.itself == "" {
				return
			}
			there := clientOf(answering(sim, "/api"+test.itself, `{}`))
			if nothing, err := test.read(t.Context(), there); !nothing || !fault.Is(err, fault.Transient) {
				t.Errorf("the object exists after all: nothing found %v, %v; want nothing and a transient fault", nothing, err)
			}
			forbidden := clientOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api"+test.itself {
					http.Error(w, `{}`, http.StatusForbidden)
					return
				}
				sim.ServeHTTP(w, r)
			}))
			if nothing, err := test.read(t.Context(), forbidden); !nothing || !fault.Is(err, fault.Forbidden) {
				t.Errorf("forbidden: nothing found %v, %v; want nothing and a fault of kind Forbidden", nothing, err)
			}
		})
	}
}

// answering answers one path with a body and the others as the handler does.
func answering(handler http.Handler, path, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			fmt.Fprint(w, body)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// Rare failures are retried or explain themselves, and no user seems deleted because of
// them.
func TestGraphReadsThatFail(t *testing.T) {
	for name, test := range graphReads {
		for what, c := range map[string]struct {
			mishap   jumpcloudtest.Fault
			kind     fault.Kind // "": as without it
			requests int        // 0: any
		}{
			"throttled once":       {jumpcloudtest.Fault{Status: 429, RetryAfter: "5"}, "", 0},
			"an outage":            {jumpcloudtest.Fault{Status: 500, Times: 3}, "", 0},
			"a broken connection":  {jumpcloudtest.Fault{Drop: true}, "", 0},
			"throttled for good":   {jumpcloudtest.Fault{Status: 429, Times: 20}, fault.Throttled, 4},
			"down for good":        {jumpcloudtest.Fault{Status: 503, Times: 20}, fault.Transient, 4},
			"not JSON":             {jumpcloudtest.Fault{Status: 200, Body: "<html>", Times: 20}, fault.Transient, 1},
			"key refused":          {jumpcloudtest.Fault{Status: 401}, fault.Unauthorized, 1},
			"role lacks the right": {jumpcloudtest.Fault{Status: 403}, fault.Forbidden, 1},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim, client := simulator(t)
					sim.FailNext(c.mishap)
					start := time.Now()
					nothing, err := test.read(t.Context(), client)
					want := c.kind
					if want == "" {
						want = test.gone
					}
					if !nothing || fault.KindOf(err) != want {
						t.Errorf("%v, %v; want %q", nothing, err, want)
					}
					if n := sim.Counters().Requests; c.requests > 0 && n != c.requests {
						t.Errorf("%d requests, want %d", n, c.requests)
					}
					if c.mishap.RetryAfter != "" && time.Since(start) != 5*time.Second {
						t.Errorf("waited %s, want 5s", time.Since(start))
					}
					sim.Close()
				})
			})
		}
	}
}

// A text that cannot be an id is not sent: it could name another route.
func TestMalformedIDsAreInNoGraph(t *testing.T) {
	sim, client := simulator(t)
	for _, id := range []string{"", ".", "..", "x", "a/b", "64a1b2c3d4e5f60718293a4g", "%2e%2e", nobody + "?x=y"} {
		if _, err := client.Group(t.Context(), directory.GroupID(id)); !fault.Is(err, fault.NotFound) {
			t.Errorf("group %q: %v, want a fault of kind NotFound", id, err)
		}
		if _, _, err := client.GroupMembers(t.Context(), directory.GroupID(id)); !fault.Is(err, fault.NotFound) {
			t.Errorf("members of %q: %v, want a fault of kind NotFound", id, err)
		}
		if groups, err := client.GroupsOf(t.Context(), directory.UserID(id)); err != nil || len(groups) > 0 {
			t.Errorf("groups of %q: %v, %v, want none and no error", id, groups, err)
		}
		source := directory.ConnectionSource{Type: directory.ApplicationSource, ID: id}
		if _, _, err := associated(t.Context(), client, source); !fault.Is(err, fault.NotFound) {
			t.Errorf("source %q: %v, want a fault of kind NotFound", id, err)
		}
		source.ID = m365ID
		if is, err := client.IsUserAssociated(t.Context(), source, directory.UserID(id)); err != nil || is {
			t.Errorf("user %q: associated %v, %v; want false and no error", id, is, err)
		}
	}
	if sim.Counters().Requests != 0 {
		t.Errorf("%v, want no requests", sim.Counters().ByRoute)
	}
}
