package catchup_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// What a person must repair is a state of the organization: it is logged once with the
// remedy, tried again each hour, and nothing is lost by it.
func TestWhatIsRefusedIsToldOnceAndTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		refuse func(*fixture)
		mend   func(*fixture)
		reason directory.Reason
		asked  int // requests of an attempt
	}{
		"not in the plan":          {refusal(http.StatusPaymentRequired), refusal(0), directory.InsightsNotLicensed, 2},
		"a role without the right": {refusal(http.StatusForbidden), refusal(0), directory.InsightsForbidden, 2},
		"a key without the scope":  {refusal(http.StatusUnauthorized), refusal(0), directory.InsightsForbidden, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				var log bytes.Buffer
				f.log = zerolog.New(&log)
				time.Sleep(20 * time.Minute)
				tc.refuse(f)
				missed := f.hire(1)
				since := time.Now()
				f.minutes(3 * 60)
				if n := len(f.asked()); n != 3*tc.asked {
					t.Errorf("%d requests in three hours, want %d: %d in each", n, 3*tc.asked, tc.asked)
				}
				record := f.record()
				if record.Trouble == nil || record.Trouble.Reason != tc.reason || record.Trouble.Message == "" || !record.Trouble.Since.Equal(since) || record.NextTryAt.IsZero() {
					t.Errorf("the record has the trouble %+v and the next try at %s, want %s since %s", record.Trouble, record.NextTryAt, tc.reason, since)
				}
				if n := strings.Count(log.String(), `"remedy":"`+directory.Remedy(tc.reason)); n != 1 {
					t.Errorf("it was logged %d times, want once with the remedy: %s", n, log.String())
				}
				tc.mend(f)
				time.Sleep(time.Hour)
				f.run()
				if diff := cmp.Diff(created(missed...), f.found()); diff != "" {
					t.Errorf("the events that were found then (-want +got):\n%s", diff)
				}
				if record = f.record(); record.Trouble != nil || !record.NextTryAt.IsZero() || record.Unread != nil {
					t.Errorf("the record is %+v, want no trouble any more, and nothing that was not read", record)
				}
			})
		})
	}
}

// refusal makes JumpCloud answer each query of the feed with a status; 0: as it should.
func refusal(status int) func(*fixture) {
	return func(f *fixture) {
		f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.FeedRefusal = status })
	}
}

// wrongKey makes JumpCloud accept the key no more, and rightKey makes it accept it again.
func wrongKey(f *fixture) {
	f.change(func(r *http.Request) { r.Header.Set("x-api-key", "another") })
}
func rightKey(f *fixture) { f.change(nil) }

// A plan that lacks Directory Insights for a while costs two requests an hour and no event,
// however late the answers are and however long the catch-up has run.
func TestAPlanThatLapsesIsToldOnceAndLosesNothing(t *testing.T) {
	for _, latency := range []time.Duration{0, 20 * time.Millisecond, time.Second} {
		t.Run(latency.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				var log bytes.Buffer
				f.log = zerolog.New(&log)
				f.before = func(*http.Request) error {
					time.Sleep(latency)
					return nil
				}
				f.minutes(15)
				refusal(http.StatusPaymentRequired)(f)
				missed := f.hire(1)
				f.asked()
				f.minutes(30)
				if n := len(f.asked()); n != 2 {
					t.Errorf("%d requests in half an hour, want 2", n)
				}
				record := f.record()
				if record.Trouble == nil || record.Trouble.Reason != directory.InsightsNotLicensed || record.NextTryAt.IsZero() {
					t.Errorf("the record has the trouble %+v and the next try at %s, want %s and one", record.Trouble, record.NextTryAt, directory.InsightsNotLicensed)
				}
				if n := strings.Count(log.String(), `"remedy":"`+directory.Remedy(directory.InsightsNotLicensed)); n != 1 {
					t.Errorf("it was logged %d times, want once with the remedy: %s", n, log.String())
				}
				refusal(0)(f)
				f.minutes(60)
				if diff := cmp.Diff(created(missed...), f.found()); diff != "" {
					t.Errorf("the events that were found then (-want +got):\n%s", diff)
				}
				if record = f.record(); record.Trouble != nil || record.Unread != nil {
					t.Errorf("the record is %+v, want no trouble any more, and nothing that was not read", record)
				}
			})
		})
	}
}

// A key that is refused everywhere, as not valid or for what its administrator may do, needs
// nobody to repair anything if that ends by itself: it is tried each minute, and told once.
func TestARefusedKeyIsTriedEachMinute(t *testing.T) {
	for name, refuse := range map[string]func(*fixture){
		"not valid": wrongKey,
		"not allowed": func(f *fixture) {
			f.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: "/", Status: http.StatusForbidden, Times: 1000})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				var log bytes.Buffer
				f.log = zerolog.New(&log)
				f.minutes(15)
				refuse(f)
				missed := f.hire(1)
				f.minutes(2)
				if record := f.record(); record.Trouble == nil || record.Trouble.Reason != directory.JumpCloudRefused {
					t.Errorf("the trouble is %+v, want %s", record.Trouble, directory.JumpCloudRefused)
				}
				if n := strings.Count(log.String(), `"remedy":"`+directory.Remedy(directory.JumpCloudRefused)); n != 1 {
					t.Errorf("it was logged %d times, want once with the remedy: %s", n, log.String())
				}
				f.JumpCloud.Mend()
				rightKey(f)
				f.minutes(1)
				if diff := cmp.Diff(created(missed...), f.found()); diff != "" {
					t.Errorf("the events that were found a minute later (-want +got):\n%s", diff)
				}
				if record := f.record(); record.Trouble != nil {
					t.Errorf("the trouble is %+v, want none any more", record.Trouble)
				}
			})
		})
	}
}

// One refusal does not say that the plan shows less: what was refused is tried again, soon
// and then each hour, and is read as soon as JumpCloud shows it.
func TestOneRefusalLosesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		refused int           // requests, one after the other, which are then answered
		history time.Duration // what is shown for three hours of what was to be caught up; 0: all
	}{
		"one":                       {1, 0},
		"the next one as well":      {3, 0},
		"the plan lapses for hours": {0, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.minutes(15)
				missed := f.hire(1) // while nothing runs
				time.Sleep(3*time.Hour + 30*time.Minute)
				f.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: feedPath, Status: http.StatusPaymentRequired, Times: tc.refused})
				f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.FeedHistory = tc.history })
				f.minutes(1)
				if record := f.record(); tc.refused < 2 && (record.Unread == nil || record.Trouble != nil) {
					t.Errorf("the record is %+v, want that a time is unread, and no trouble", record)
				}
				if tc.history > 0 {
					f.minutes(180)
				}
				f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.FeedHistory = 0 })
				f.minutes(61)
				if diff := cmp.Diff(created(missed...), f.found()); diff != "" {
					t.Errorf("the events that were found then (-want +got):\n%s", diff)
				}
				if record := f.record(); record.Unread != nil || record.Trouble != nil {
					t.Errorf("the record is %+v, want nothing unread any more", record)
				}
			})
		})
	}
}

// A plan that shows less than was to be caught up is believed as far as it refuses again:
// what it shows of the unread time is read, the rest stays unread.
func TestOfAnUnreadTimeIsReadWhatIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		f := newFixture(t)
		begun := time.Now()
		f.hire(1)
		time.Sleep(20 * day)
		shown := f.hire(1)
		time.Sleep(10 * day)
		f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.FeedHistory = 15*day + time.Hour })
		f.JumpCloud.FailNext(jumpcloudtest.Fault{PathContains: feedPath, Status: http.StatusPaymentRequired, Times: 2})
		tried := time.Now()
		f.minutes(2)
		if diff := cmp.Diff(created(shown...), f.found()); diff != "" {
			t.Errorf("the events that were found (-want +got):\n%s", diff)
		}
		want := tried.Add(time.Minute - 15*day)
		if record := f.record(); record.Unread == nil || !record.Unread.From.Equal(begun) || !record.Unread.To.Equal(want) || record.Trouble != nil {
			t.Errorf("the record is %+v with %+v unread, want from %s to %s and no trouble", record, record.Unread, begun, want)
		}
		f.asked()
		f.minutes(60)
		if n := len(f.asked()); n < 60+1 || n > 60+3 {
			t.Errorf("%d requests in the next hour, want one each minute and one to three for what is unread", n)
		}
	})
}

// An administrator who replaced the key need not wait for an hour.
func TestAReplacedKeyIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		refusal(http.StatusForbidden)(f)
		missed := f.hire(1)
		time.Sleep(5 * time.Minute)
		f.run()
		refusal(0)(f)
		f.Must(f.Store.TryCatchUp(t.Context(), organization))
		f.run()
		if diff := cmp.Diff(created(missed...), f.found()); diff != "" {
			t.Errorf("the events that were found (-want +got):\n%s", diff)
		}
	})
}

// If the plan does not show as much of the past as was to be caught up, what it shows is
// read, and the rest is said to be unread.
func TestAPastThatIsNotLicensed(t *testing.T) {
	for name, tc := range map[string]struct {
		history time.Duration
		unread  time.Duration // until so long before the present
		found   int           // of one event a day
	}{
		"all":               {0, 0, 30},
		"the smallest plan": {15 * 24 * time.Hour, 15 * 24 * time.Hour, 15},
		"a day":             {25 * time.Hour, 24 * time.Hour, 1},
		"hardly anything":   {time.Hour, 10 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				begun := time.Now()
				for range 30 {
					f.hire(1)
					time.Sleep(24 * time.Hour)
				}
				f.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.FeedHistory = tc.history })
				f.run()
				if n := len(f.found()); n != tc.found {
					t.Errorf("%d events were found, want %d", n, tc.found)
				}
				record := f.record()
				if record.Trouble != nil {
					t.Errorf("the trouble is %+v, want none", record.Trouble)
				}
				switch unread := record.Unread; {
				case tc.history == 0 && unread != nil:
					t.Errorf("%+v is said to be unread, want nothing", unread)
				case tc.history > 0 && (unread == nil || !unread.From.Equal(begun) || time.Since(unread.To) != tc.unread):
					t.Errorf("%+v is said to be unread, want from %s to %s before now", unread, begun, tc.unread)
				}
				f.minutes(2) // what was refused is asked for once more
				f.asked()
				f.run()
				if n := len(f.asked()); n != 1 {
					t.Errorf("a later run makes %d requests, want 1", n)
				}
			})
		})
	}
}

// JumpCloud is asked for nothing that it must refuse, and no trouble comes of an outage.
func TestAnOutageOfJumpCloudDelaysOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.run() // the very moment in which the directory was created
		if record := f.record(); record.Trouble != nil {
			t.Errorf("the first run has the trouble %+v, want none", record.Trouble)
		}
		refusal(http.StatusServiceUnavailable)(f)
		missed := f.hire(2)
		for range 5 {
			time.Sleep(time.Minute)
			f.run()
		}
		if record := f.record(); record.Trouble == nil || record.Trouble.Reason != directory.JumpCloudUnavailable {
			t.Errorf("the trouble is %+v, want %s", record.Trouble, directory.JumpCloudUnavailable)
		}
		refusal(0)(f)
		time.Sleep(time.Minute)
		f.run()
		if diff := cmp.Diff(created(missed...), f.found()); diff != "" {
			t.Errorf("the events that were found then (-want +got):\n%s", diff)
		}
	})
}

// Nothing from before the first directory is read, and nothing that JumpCloud keeps no more.
func TestWhereTheFirstRunBegins(t *testing.T) {
	for name, tc := range map[string]struct{ created, want time.Duration }{
		"days ago":  {3 * 24 * time.Hour, 3 * 24 * time.Hour},
		"years ago": {1000 * 24 * time.Hour, 90 * 24 * time.Hour},
		"just now":  {0, time.Minute},
		"to come":   {-time.Hour, time.Minute}, // the clock of another process is wrong
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				time.Sleep(2000 * 24 * time.Hour)
				f.created(time.Now().Add(-tc.created))
				var asked jumpcloudtest.Fields
				f.change(func(r *http.Request) { asked = bodyOf(t, r) })
				f.run()
				from, err := time.Parse(time.RFC3339Nano, asked.Text("start_time"))
				f.Must(err)
				if got := time.Since(from); got != tc.want {
					t.Errorf("it begins %s ago, want %s ago", got, tc.want)
				}
			})
		})
	}
}
