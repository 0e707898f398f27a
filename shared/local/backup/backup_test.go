package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"entrasync/shared/fault"
	"entrasync/shared/local/backup"
	"entrasync/shared/local/boltfile"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/metric"
	"entrasync/shared/store"
)

// open opens the table of a data folder.
func open(t *testing.T, data string) *bolttable.Table {
	t.Helper()
	table, err := bolttable.Open(filepath.Join(data, "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	return table
}

func put(t *testing.T, table *bolttable.Table, sk, value string) {
	t.Helper()
	if _, err := table.Put(t.Context(), store.Item{Key: store.Key{PK: "p", SK: sk}, Value: []byte(value)}, store.Any); err != nil {
		t.Fatal(err)
	}
}

// values are the values of a table that is not open.
func values(t *testing.T, path string) map[string]string {
	t.Helper()
	table, err := bolttable.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	page, err := table.Query(t.Context(), store.Query{PK: "p"})
	if err = errors.Join(err, table.Close()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, item := range page.Items {
		got[item.SK] = string(item.Value)
	}
	return got
}

// days are the days of the copies in a data folder, the newest first.
func days(t *testing.T, data string) (found []string) {
	t.Helper()
	copies, err := backup.List(filepath.Join(data, backup.Folder))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range copies {
		day, _ := backup.DayOf(path)
		found = append(found, day.Format(time.DateOnly))
	}
	return found
}

// The clock of a bubble begins at midnight UTC, 2000-01-01.
func TestACopyOfEveryDayAndSevenAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := t.TempDir()
		table := open(t, data)
		if err := os.MkdirAll(filepath.Join(data, backup.Folder), 0o700); err != nil {
			t.Fatal(err)
		}
		mine := filepath.Join(data, backup.Folder, "before-the-migration.db")
		if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		metrics := &metric.Memory{}
		ctx, stop := context.WithCancel(context.Background())
		put(t, table, "day", "0")
		go backup.Keeper{Data: data, Source: table, Log: zerolog.Nop(), Metrics: metrics}.Run(ctx, false)
		synctest.Wait()
		if got := days(t, data); len(got) != 1 || got[0] != "2000-01-01" {
			t.Fatalf("at the start: got copies of %v, want 2000-01-01", got)
		}
		time.Sleep(time.Minute) // what is put and what is copied never come at the same moment
		for day := 1; day <= 9; day++ {
			put(t, table, "day", fmt.Sprint(day))
			time.Sleep(24 * time.Hour)
		}
		synctest.Wait()
		stop()
		synctest.Wait()
		want := []string{"2000-01-10", "2000-01-09", "2000-01-08", "2000-01-07", "2000-01-06", "2000-01-05", "2000-01-04"}
		if diff := cmp.Diff(want, days(t, data)); diff != "" {
			t.Error(diff)
		}
		if _, err := os.Stat(mine); err != nil {
			t.Errorf("a file with another name: got %v, want it kept", err)
		}
		if n := metrics.Counts()[metric.Key("table_copies", "outcome", "made")]; n != 10 {
			t.Errorf("%d copies were counted, want 10", n)
		}
		for _, copied := range []string{"2000-01-10", "2000-01-04"} {
			path := filepath.Join(data, backup.Folder, "table-"+copied+".db")
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: got %v, %v, want mode 0600", copied, info, err)
			}
		}
		if got := values(t, filepath.Join(data, backup.Folder, "table-2000-01-05.db"))["day"]; got != "4" {
			t.Errorf("the copy of the fifth day has day %s, want 4", got)
		}
	})
}

func TestANewTableIsCopiedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := t.TempDir()
		table := open(t, data)
		ctx, stop := context.WithCancel(context.Background())
		go backup.Keeper{Data: data, Source: table, Log: zerolog.Nop(), Metrics: &metric.Memory{}}.Run(ctx, true)
		synctest.Wait()
		if got := days(t, data); len(got) != 0 {
			t.Errorf("at once: got copies of %v, want none", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := days(t, data); len(got) != 1 {
			t.Errorf("after an hour: got copies of %v, want one", got)
		}
		stop()
		synctest.Wait()
	})
}

// broken is a table with a wrong WriteTo.
type broken struct {
	backup.Source
	write func(io.Writer) error
}

func (b broken) WriteTo(_ context.Context, w io.Writer) error { return b.write(w) }

// A copy that cannot be opened does not count: Copy returns an error, removes the new file,
// and removes no older copy.
func TestACopyCountsOnlyIfItCanBeOpened(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"the disk is full": func(w io.Writer) error { return errors.New("no space left on device") },
		"half of it":       func(w io.Writer) error { _, err := w.Write(make([]byte, 40_000)); return err },
		"nothing":          func(io.Writer) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			table := open(t, data)
			keeper := backup.Keeper{Data: data, Source: table}
			first := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
			for day := range backup.Kept {
				if _, made, err := keeper.Copy(t.Context(), first.AddDate(0, 0, day)); err != nil || !made {
					t.Fatal(made, err)
				}
			}
			keeper.Source = broken{table, write}
			if path, made, err := keeper.Copy(t.Context(), first.AddDate(0, 0, backup.Kept)); err == nil || made {
				t.Errorf("%s: made %v, %v, want an error", path, made, err)
			}
			entries, err := os.ReadDir(filepath.Join(data, backup.Folder))
			if err != nil || len(entries) != backup.Kept {
				t.Errorf("got files %v, %v, want %d", entries, err, backup.Kept)
			}
		})
	}
}

// damage changes a byte of a record of a closed table.
func damage(t *testing.T, path, sk string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		items, key := tx.Bucket([]byte("items")), append([]byte{0, 1, 'p'}, sk...)
		record := append([]byte(nil), items.Get(key)...)
		record[len(record)-1] ^= 1
		return items.Put(key, record)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// While the table has damaged records, copies that may have them undamaged stay.
func TestNoCopyGoesWhileTheTableIsDamaged(t *testing.T) {
	data := t.TempDir()
	table := open(t, data)
	put(t, table, "a", "1")
	first := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for day := range backup.Kept {
		if _, _, err := (backup.Keeper{Data: data, Source: table}).Copy(t.Context(), first.AddDate(0, 0, day)); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, filepath.Join(data, "table.db"), "a")
	table = open(t, data)
	for day := range 3 {
		if _, made, err := (backup.Keeper{Data: data, Source: table}).Copy(t.Context(), first.AddDate(0, 0, backup.Kept+day)); err != nil || !made {
			t.Errorf("made %v, %v, want true", made, err)
		}
	}
	if got := days(t, data); len(got) != backup.Kept+3 {
		t.Errorf("got copies of %v, want %d", got, backup.Kept+3)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	done, err := backup.Restore(t.Context(), files(data), "", time.Now(), func() error { return nil })
	if day, _ := backup.DayOf(done.Copy); err != nil || day.Day() != backup.Kept || done.Damaged != 0 {
		t.Errorf("restored %+v, %v, want the newest copy without damaged records", done, err)
	}
}

// files are those of a data folder.
func files(data string) backup.Files {
	return backup.Files{Data: data, Table: filepath.Join(data, "table.db"), Queues: filepath.Join(data, "queues.db")}
}

// used is a data folder with a table, queues of the same identity, and a copy; the
// table changed since.
func used(t *testing.T, identity string) (data string) {
	t.Helper()
	data = t.TempDir()
	table := open(t, data)
	put(t, table, "value", "old")
	if identity != "" {
		if err := table.SetIdentity(t.Context(), identity); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := (backup.Keeper{Data: data, Source: table}).Copy(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	put(t, table, "value", "new")
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	queues, err := boltqueue.Open(filepath.Join(data, "queues.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(queues.SetIdentity(t.Context(), "ours"), queues.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRestore(t *testing.T) {
	now := time.Date(2026, 11, 29, 20, 45, 0, 0, time.UTC)
	const aside = "table.db.replaced-20261129T204500Z"
	for name, tc := range map[string]struct {
		spoil    func(t *testing.T, path string)
		replaced bool
	}{
		"an undamaged table": {func(*testing.T, string) {}, true},
		"a missing one":      {func(t *testing.T, path string) { remove(t, path) }, false},
		"an empty one":       {func(t *testing.T, path string) { truncate(t, path, 0) }, true},
		"a cut one":          {func(t *testing.T, path string) { truncate(t, path, 12_288) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			data := used(t, "ours")
			path := filepath.Join(data, "table.db")
			tc.spoil(t, path)
			before, _ := os.ReadFile(path)
			done, err := backup.Restore(t.Context(), files(data), "", now, func() error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if (done.Replaced == filepath.Join(data, aside)) != tc.replaced || done.Records != 1 || done.Made.IsZero() || !strings.HasPrefix(done.Copy, filepath.Join(data, backup.Folder)) {
				t.Errorf("got %+v, want one record from a copy, and the old table kept: %t", done, tc.replaced)
			}
			if tc.replaced {
				if kept, err := os.ReadFile(done.Replaced); err != nil || !bytes.Equal(kept, before) {
					t.Errorf("the old table was changed (%v), want it kept", err)
				}
			}
			if got := values(t, path)["value"]; got != "old" {
				t.Errorf("the table has %q, want old", got)
			}
			if got := values(t, done.Copy)["value"]; got != "old" {
				t.Errorf("the copy has %q, want old", got)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// A copy that cannot be restored is refused, and nothing is changed.
func TestRestoreRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, data string) (path string)
		kind    fault.Kind
		words   string
	}{
		"no copy": {func(t *testing.T, data string) string {
			if err := os.RemoveAll(filepath.Join(data, backup.Folder)); err != nil {
				t.Fatal(err)
			}
			return ""
		}, fault.NotFound, "there is no copy"},
		"a copy that is damaged": {func(t *testing.T, data string) string {
			copies, err := backup.List(filepath.Join(data, backup.Folder))
			if err != nil {
				t.Fatal(err)
			}
			truncate(t, copies[0], 12_288)
			return copies[0]
		}, fault.Invalid, "damaged"},
		"only copies that are damaged": {func(t *testing.T, data string) string {
			copies, err := backup.List(filepath.Join(data, backup.Folder))
			if err != nil {
				t.Fatal(err)
			}
			truncate(t, copies[0], 12_288)
			return ""
		}, fault.NotFound, "there is no copy that can be opened among the 1"},
		"a file that is not there": {func(t *testing.T, data string) string { return filepath.Join(data, "x.db") }, fault.NotFound, "there is no such database"},
		"queues":                   {func(t *testing.T, data string) string { return filepath.Join(data, "queues.db") }, fault.Invalid, "no table of entrasync"},
		"a table of somebody else": {func(t *testing.T, data string) string {
			copies, err := backup.List(filepath.Join(used(t, "theirs"), backup.Folder))
			if err != nil {
				t.Fatal(err)
			}
			return copies[0]
		}, fault.Invalid, "of another table"},
		"a table that is in use": {func(t *testing.T, data string) string { open(t, data); return "" }, fault.Conflict, "in use by another entrasync process"},
	} {
		t.Run(name, func(t *testing.T) {
			data := used(t, "ours")
			path := tc.prepare(t, data)
			before, err := os.ReadFile(filepath.Join(data, "table.db"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = backup.Restore(t.Context(), files(data), path, time.Now(), func() error { return nil })
			if !fault.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("got %v, want kind %s and %q", err, tc.kind, tc.words)
			}
			after, err := os.ReadFile(filepath.Join(data, "table.db"))
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the table was changed (%v), want it unchanged", err)
			}
		})
	}
}

// A copy without an identity, of an older version, becomes the table of the queues beside it.
func TestAnOldCopyIsAdopted(t *testing.T) {
	data := used(t, "")
	if _, err := backup.Restore(t.Context(), files(data), "", time.Now(), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if content, err := bolttable.Inspect(t.Context(), filepath.Join(data, "table.db")); err != nil || content.Identity != "ours" {
		t.Errorf("got %+v, %v, want the identity ours", content, err)
	}
}

// A table that is in use can be copied, and the copy has the state of one moment.
func TestACopyIsOfOneMoment(t *testing.T) {
	data := t.TempDir()
	table := open(t, data)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // both values are always the same
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			value := []byte(strings.Repeat(fmt.Sprint(n), 50))
			if err := table.Transact(context.Background(), []store.Write{
				{Item: store.Item{Key: store.Key{PK: "p", SK: "a"}, Value: value}, If: store.Any},
				{Item: store.Item{Key: store.Key{PK: "p", SK: "b"}, Value: value}, If: store.Any},
			}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for day := range 5 {
		path, _, err := (backup.Keeper{Data: data, Source: table}).Copy(t.Context(), time.Date(2026, 11, 1+day, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		if err := boltfile.Check(path); err != nil {
			t.Error(err)
		}
		if got := values(t, path); got["a"] != got["b"] {
			t.Errorf("got %v, want a and b equal", got)
		}
	}
	close(stop)
	<-stopped
}
