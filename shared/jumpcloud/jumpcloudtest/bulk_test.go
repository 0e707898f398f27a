package jumpcloudtest_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	. "entrasync/shared/jumpcloud/jumpcloudtest"
)

// imported are the fields of count users of a bulk request.
func imported(count int) (users []any) {
	for i := range count {
		name := fmt.Sprintf("user%03d", i)
		users = append(users, Fields{"username": name, "email": name + "@example.com", "firstname": "A", "lastname": "B", "attributes": []any{}})
	}
	return users
}

// submit starts a job as the import from Microsoft 365 does.
func (b bench) submit(users []any) (job string) {
	b.t.Helper()
	return b.want(201, "POST", "/api/v2/bulk/users", users, "creation-source", "jumpcloud:o365").fields().Text("jobId")
}

// lines are the results of a job: username in meta, id there, username and id in
// persistedFields, status.
func (b bench) lines(job string) (lines []string) {
	b.t.Helper()
	for _, result := range b.want(200, "GET", "/api/v2/bulk/users/"+job+"/results?limit=100", nil).list() {
		meta, _ := result["meta"].(map[string]any)
		persisted, _ := result["persistedFields"].(map[string]any)
		line := fmt.Sprintf("%s|%s %t|%s", Fields(meta).Text("username"), Fields(persisted).Text("username"), persisted["_id"] != nil, result.Text("status"))
		lines = append(lines, line)
	}
	return lines
}

// The results of a job appear one by one.
func TestABulkJobTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.Set(func(behaviour *Behaviour) { behaviour.BulkPace = time.Minute })
		job := b.submit(imported(3))
		for minute, want := range []string{"finished pending pending", "finished finished pending", "finished finished finished"} {
			time.Sleep(max(time.Duration(minute)*time.Minute+3*time.Second-time.Since(epoch), 0))
			synctest.Wait()
			var got []string
			for _, line := range b.lines(job) {
				got = append(got, line[strings.LastIndex(line, "|")+1:])
			}
			if strings.Join(got, " ") != want || len(b.Users()) != minute+1 {
				t.Errorf("minute %d: got %v and %d users, want %s", minute, got, len(b.Users()), want)
			}
			b.Set(func(behaviour *Behaviour) { behaviour.BulkHidesPending = true })
			if got := len(b.lines(job)); got != minute+1 {
				t.Errorf("minute %d: got %d results without the pending ones, want %d", minute, got, minute+1)
			}
			b.Set(func(behaviour *Behaviour) { behaviour.BulkHidesPending = false })
		}
	})
}

// epoch is when the virtual time of a bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestABulkJobThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.Set(func(behaviour *Behaviour) { behaviour.BulkStopsAt = 2 })
		job := b.submit(imported(3))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"user000| false|finished", "user001| false|pending", "user002| false|pending"}, b.lines(job)); diff != "" || len(b.Users()) != 1 {
			t.Errorf("%d users, want 1; results (-want +got):\n%s", len(b.Users()), diff)
		}
	})
}

// A simulator that ends does not wait for a job.
func TestClosingEndsABulkJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.Set(func(behaviour *Behaviour) { behaviour.BulkPace = time.Hour })
		b.submit(imported(3))
		time.Sleep(time.Minute)
		b.ok(b.Close())
		if got := len(b.Users()); got != 1 {
			t.Errorf("got %d users after a minute, want 1", got)
		}
	})
}

func TestResultsNameTheirUsersOrNot(t *testing.T) {
	for names, want := range map[ResultNames][]string{
		NamesInMeta:      {"user000| false|finished", "taken| false|failed"},
		NamesInPersisted: {"|user000 true|finished", "| false|failed"},
		NamesInBoth:      {"user000|user000 true|finished", "taken| false|failed"},
		NamesNowhere:     {"| false|finished", "| false|failed"},
	} {
		t.Run(string(names), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, nil)
				b.user("taken", nil)
				b.Set(func(behaviour *Behaviour) { behaviour.BulkNames = names })
				job := b.submit(append(imported(1), Fields{"username": "taken", "email": "other@example.com"}))
				time.Sleep(DefaultBehaviour().BulkDelay)
				synctest.Wait()
				if diff := cmp.Diff(want, b.lines(job)); diff != "" {
					t.Errorf("results (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Results in another order stay in that order, and each is of the user that it names.
func TestResultsInAnotherOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.user("user007", nil)
		b.Set(func(behaviour *Behaviour) { behaviour.BulkShuffle = true })
		job := b.submit(imported(20))
		before := b.lines(job)
		time.Sleep(DefaultBehaviour().BulkDelay)
		synctest.Wait()
		after := b.lines(job)
		for i, line := range after {
			name, status, _ := strings.Cut(line, "| false|")
			if want := map[bool]string{true: "failed", false: "finished"}[name == "user007"]; status != want || !strings.HasPrefix(before[i], name) {
				t.Errorf("got %q at the place of %q, want the same user, %s", line, before[i], want)
			}
		}
		if slices.IsSorted(after) {
			t.Errorf("got %v in the order of the request, want another order", after)
		}
	})
}

func TestTheLicenseLimitRefusesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil)
		b.Set(func(behaviour *Behaviour) { behaviour.LicenseLimit, behaviour.LicenseRefusesRequest = 2, true })
		b.user("first", nil)
		job := b.submit(imported(2)) // one more fits
		time.Sleep(DefaultBehaviour().BulkDelay)
		synctest.Wait()
		if diff := cmp.Diff([]string{"user000| false|finished", "user001| false|failed"}, b.lines(job)); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		b.want(402, "POST", "/api/v2/bulk/users", imported(1), "creation-source", "jumpcloud:o365")
		if got := len(b.Users()); got != 2 {
			t.Errorf("got %d users, want the limit of 2", got)
		}
	})
}

// The state of users without one depends on their source.
func TestStateOfImportedUsers(t *testing.T) {
	for source, want := range map[string]string{"jumpcloud:o365": "ACTIVATED", "jumpcloud:bulk": "STAGED", "": "STAGED"} {
		t.Run(source, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, nil)
				b.want(200, "PUT", "/api/organizations/"+DefaultOrganizationID,
					Fields{"settings": Fields{"newSystemUserStateDefaults": Fields{"applicationImport": "ACTIVATED"}}})
				b.want(201, "POST", "/api/v2/bulk/users", imported(1), "creation-source", source)
				time.Sleep(DefaultBehaviour().BulkDelay)
				synctest.Wait()
				if users := b.Users(); len(users) != 1 || users[0].Text("state") != want {
					t.Errorf("got %v, want one user who is %s", users, want)
				}
			})
		})
	}
}

func TestUsernamesOfThePortal(t *testing.T) {
	b := start(t, nil)
	for username, want := range map[string][2]int{ // by default, as the portal
		"mira":                        {200, 200},
		"Mira.O-k_1":                  {200, 200},
		"m" + strings.Repeat("x", 29): {200, 200},
		"m" + strings.Repeat("x", 30): {200, 400},
		"1mira":                       {200, 400},
		"mira o":                      {400, 400},
		"mira@example.com":            {400, 400},
		"_mira":                       {400, 400},
		"":                            {400, 400},
	} {
		for i, portal := range []bool{false, true} {
			b.Set(func(behaviour *Behaviour) { behaviour.PortalUsernames = portal })
			got := b.call("POST", "/api/systemusers", Fields{"username": username, "email": "mira@example.com"})
			if got.status != want[i] {
				t.Errorf("%q, portal %t: got %d %s, want %d", username, portal, got.status, got.raw, want[i])
			}
			if got.status == 200 {
				b.ok(b.DeleteUser(got.fields().Text("_id")))
			}
		}
	}
}

// E-mail addresses are stored in lower case and compared without it, like usernames.
func TestCaseOfAddresses(t *testing.T) {
	b := start(t, nil)
	lower := b.want(200, "POST", "/api/systemusers", Fields{"username": "Mira", "email": "Mira.O@Example.com", "alternateEmail": "M@Home.example"}).fields()
	if lower.Text("email") != "mira.o@example.com" || lower.Text("username") != "Mira" || lower.Text("alternateEmail") != "M@Home.example" {
		t.Errorf("got %v, want only the company address in lower case", lower)
	}
	b.want(400, "POST", "/api/systemusers", Fields{"username": "mira", "email": "x@example.com"})
	b.want(400, "POST", "/api/systemusers", Fields{"username": "x", "email": "MIRA.o@example.com"})
	b.Set(func(behaviour *Behaviour) { behaviour.KeepEmailCase = true })
	kept := b.want(200, "PUT", "/api/systemusers/"+lower.Text("_id"), Fields{"email": "Mira.O@Example.com"}).fields()
	if got := kept.Text("email"); got != "Mira.O@Example.com" {
		t.Errorf("got %s, want it as sent", got)
	}
	b.want(400, "POST", "/api/systemusers", Fields{"username": "x", "email": "MIRA.o@example.com"})
}

// Filters that name users by unique values find the same as all others: values are
// case-sensitive, and a value with | or \ is escaped.
func TestUsersAreFilteredByName(t *testing.T) {
	b := start(t, nil)
	b.Set(func(behaviour *Behaviour) { behaviour.KeepEmailCase = true })
	b.user("mira", nil)
	b.user("Otto", nil)
	b.user("zoe", Fields{"email": `z|o\e@example.com`, "employeeIdentifier": "E-1"})
	for query, want := range map[string]string{
		"filter=email:$in:mira@example.com|zoe@example.com":                                         "mira",
		"filter=email:$in:MIRA@example.com|Otto@example.com":                                        "Otto",
		`filter=email:$in:mira@example.com|z\|o\\e@example.com`:                                     "mira zoe",
		"filter=username:$in:otto|zoe":                                                              "zoe",
		"filter=username:$eq:Otto":                                                                  "Otto",
		"filter=employeeIdentifier:$eq:":                                                            "mira Otto",
		"filter=username:$in:nobody":                                                                "",
		"filter[or][0]=username:$in:nobody":                                                         "",
		"filter[or][0]=username:$in:mira&filter[or][1]=email:$in:Otto@example.com":                  "mira Otto",
		"filter[or][0]=username:$in:mira&filter[or][1]=state:$eq:ACTIVATED":                         "mira Otto zoe",
		"filter[0]=username:$in:mira|zoe&filter[1]=email:$in:mira@example.com":                      "mira",
		"filter[0]=state:$eq:ACTIVATED&filter[or][0]=username:$in:mira&filter[or][1]=email:$in:x@y": "mira",
	} {
		t.Run(query, func(t *testing.T) {
			values, err := url.ParseQuery(query)
			b.ok(err)
			var got []string
			for _, user := range b.want(200, "GET", "/api/systemusers?"+values.Encode(), nil).results() {
				got = append(got, user.Text("username"))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("got %v, want %s", got, want)
			}
		})
	}
}
