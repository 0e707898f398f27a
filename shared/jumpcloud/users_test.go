package jumpcloud_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

func addUsers(t *testing.T, sim *jumpcloudtest.Simulator, count int) []directory.UserID {
	t.Helper()
	ids := make([]directory.UserID, count)
	for i := range ids {
		ids[i] = addUser(t, sim, fmt.Sprintf("user%03d", i), nil)
	}
	return ids
}

func TestEachUserWalksAllPages(t *testing.T) {
	for _, count := range []int{0, 1, 99, 100, 101, 200, 250} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			sim, client := simulator(t)
			ids := addUsers(t, sim, count)
			var got []directory.UserID
			err := client.EachUser(t.Context(), func(user directory.User) error {
				got = append(got, user.ID)
				return nil
			})
			if err != nil || fmt.Sprint(got) != fmt.Sprint(ids) {
				t.Errorf("%v; got %d users, want %d in order of ids", err, len(got), len(ids))
			}
			if pages := sim.Counters().Requests; pages != max(1, (count+99)/100) {
				t.Errorf("%d pages, want one for each 100", pages)
			}
		})
	}
}

func TestEachUserStops(t *testing.T) {
	sim, client := simulator(t)
	addUsers(t, sim, 3)
	stop, seen := errors.New("stop"), 0
	if err := client.EachUser(t.Context(), func(directory.User) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("%v after %d, want the error of fn after one user", err, seen)
	}
}

func TestListWithoutResultsIsNotEmpty(t *testing.T) {
	for _, body := range []string{`{}`, `{"totalCount":5}`, `{"results":null}`, `[]`, `null`} {
		client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		if err := client.EachUser(t.Context(), func(directory.User) error { return nil }); !fault.Is(err, fault.Transient) {
			t.Errorf("%s: %v, want a transient fault", body, err)
		}
	}
}

func TestUsersInOneList(t *testing.T) {
	sim, client := simulator(t)
	ids := addUsers(t, sim, 250)
	got, err := readUsers(t, client, append(ids, ids[3], ids[0]))
	if err != nil || len(got) != 250 || got[ids[7]].Username != "user007" {
		t.Fatalf("%d users, %v, want 250 with their names", len(got), err)
	}
	if requests := sim.Counters().Requests; requests != 3 {
		t.Errorf("%d requests for 250 users, want 3", requests)
	}
	if _, err := readUsers(t, client, ids[:1]); err != nil || sim.Counters().ByRoute["GET /api/systemusers/{id}"] != 1 {
		t.Errorf("one user: %v, %v; want it read by its id once", err, sim.Counters().ByRoute)
	}
	if got, err := readUsers(t, client, nil); err != nil || len(got) != 0 || sim.Counters().Requests != 4 {
		t.Errorf("no user: %v, %v; want no users, no error and no request", got, err)
	}
}

func TestEmptyListMayBeNull(t *testing.T) {
	client := clientOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"results":null,"totalCount":0}`) }))
	if err := client.EachUser(t.Context(), func(directory.User) error { return errors.New("somebody") }); err != nil {
		t.Error(err)
	}
}

func TestNobodyOfManyExists(t *testing.T) {
	sim, client := simulator(t)
	ids := addUsers(t, sim, 7)
	for _, id := range ids {
		if err := sim.DeleteUser(string(id)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := readUsers(t, client, ids); err != nil || len(got) != 0 || sim.Counters().ByRoute["GET /api/systemusers/{id}"] != 7 {
		t.Errorf("%v, %v, %v, want no users and each of the seven read by its id", got, err, sim.Counters().ByRoute)
	}
}

// forgetful leaves users out of lists, or adds others.
type forgetful struct {
	http.Handler
	query func(url.Values)
}

func (f forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if query := r.URL.Query(); strings.HasSuffix(r.URL.Path, "/systemusers") && query.Has("filter") {
		f.query(query)
		r.URL.RawQuery = query.Encode()
	}
	f.Handler.ServeHTTP(w, r)
}

func TestAbsenceInAListIsConfirmed(t *testing.T) {
	for name, change := range map[string]func(url.Values){
		"left out":        func(q url.Values) { q.Set("skip", "1") },
		"all left out":    func(q url.Values) { q.Set("skip", "50") },
		"filter ignored":  func(q url.Values) { q.Del("filter") },
		"filter refused":  func(q url.Values) { q.Set("filter", "_id:in:x") },
		"shorter page":    func(q url.Values) { q.Set("limit", "2") },
		"nothing unusual": func(url.Values) {},
	} {
		t.Run(name, func(t *testing.T) {
			sim, _ := simulator(t)
			client := clientOf(forgetful{sim, change})
			ids := addUsers(t, sim, 12)
			if err := sim.DeleteUser(string(ids[2])); err != nil {
				t.Fatal(err)
			}
			requested := ids[:8]
			got, err := readUsers(t, client, requested)
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				if _, found := got[id]; found != (i < 8 && i != 2) {
					t.Errorf("user %d: found %v, want only those requested and not deleted", i, found)
				}
			}
		})
	}
}

func TestFailedConfirmationIsNoAbsence(t *testing.T) {
	sim, client := simulator(t)
	ids := addUsers(t, sim, 3)
	if err := sim.DeleteUser(string(ids[1])); err != nil {
		t.Fatal(err)
	}
	sim.FailNext(jumpcloudtest.Fault{PathContains: string(ids[1]), Status: http.StatusForbidden})
	if got, err := readUsers(t, client, ids); !fault.Is(err, fault.Forbidden) || got != nil {
		t.Errorf("%v, %v; want no answer at all", got, err)
	}
}

func TestFailedListFails(t *testing.T) {
	sim, client := simulator(t)
	ids := addUsers(t, sim, 3)
	sim.FailNext(jumpcloudtest.Fault{Status: http.StatusUnauthorized})
	if _, err := readUsers(t, client, ids); !fault.Is(err, fault.Unauthorized) {
		t.Error(err)
	}
}

func TestMalformedIDsAreNobody(t *testing.T) {
	sim, client := simulator(t)
	good := addUsers(t, sim, 2)
	junk := []directory.UserID{"", ".", "..", "x", "a|b", "../organizations", "64a1b2c3d4e5f60718293a4g", "a b?c=d#e", "%2e%2e"}
	got, err := readUsers(t, client, append(junk, good...))
	if err != nil || len(got) != 2 {
		t.Errorf("%v, %v, want two and no error", got, err)
	}
	for _, id := range junk {
		if user, err := client.User(t.Context(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %+v, %v, want a fault of kind NotFound", id, user, err)
		}
	}
}

// eachUser reads users as reconcile does: by lists, and those not found one by one.
func eachUser(ctx context.Context, client *jumpcloud.Client, ids []directory.UserID) (found map[directory.UserID]directory.User, failed map[directory.UserID]error) {
	failed = map[directory.UserID]error{}
	found, err := client.ListUsers(ctx, ids)
	for _, id := range ids {
		if _, listed := found[id]; listed {
			continue
		}
		if err != nil {
			failed[id] = err
			continue
		}
		user, err := client.User(ctx, id)
		switch {
		case err == nil:
			found[id] = user
		case !fault.Is(err, fault.NotFound):
			failed[id] = err
		}
	}
	return found, failed
}

// readUsers reads users all or nothing.
func readUsers(t *testing.T, client *jumpcloud.Client, ids []directory.UserID) (map[directory.UserID]directory.User, error) {
	t.Helper()
	found, failed := eachUser(t.Context(), client, ids)
	for _, err := range failed {
		return nil, err
	}
	return found, nil
}

// A 404 for a user counts only while the list of users can be read: a wrong address
// answers 404 to everything.
func TestAbsenceNeedsAListThatWorks(t *testing.T) {
	gone := directory.UserID("64a1b2c3d4e5f60718293fff")
	for name, tc := range map[string]struct {
		status int // of everything; 0: JumpCloud works
		ask    int // how many users that exist are asked for besides
		failed int
	}{
		"it works":                       {0, 0, 0},
		"it works, among others":         {0, 2, 0},
		"everything is 404":              {404, 0, 1},
		"everything is 404, for several": {404, 2, 3},
		"everything is 410":              {410, 0, 1},
	} {
		sim, client := simulator(t)
		ids := addUsers(t, sim, 2)
		if tc.status > 0 {
			sim.FailNext(jumpcloudtest.Fault{Status: tc.status, Times: 20})
		}
		found, failed := eachUser(t.Context(), client, append([]directory.UserID{gone}, ids[:tc.ask]...))
		if len(failed) != tc.failed {
			t.Errorf("%s: found %d, failed %v; want %d failures", name, len(found), failed, tc.failed)
		}
	}
}

// A user that cannot be read does not affect the others.
func TestOneUnreadableUserLeavesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client := simulator(t)
		ids := addUsers(t, sim, 3)
		sim.FailNext(jumpcloudtest.Fault{PathContains: "/systemusers/64a1b2c3d4e5f60718293fff", Status: 500, Times: 10})
		found, failed := eachUser(t.Context(), client, append([]directory.UserID{"64a1b2c3d4e5f60718293fff"}, ids...))
		if len(found) != 3 || len(failed) != 1 {
			t.Errorf("found %d, failed %v, want 3 and one failure", len(found), failed)
		}
	})
}
