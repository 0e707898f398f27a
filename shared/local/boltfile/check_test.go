package boltfile_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/boltfile"
)

const pageSize = 4096

// write makes a database of some hundred pages, with buckets in buckets, values
// over many pages, and free pages.
func write(t testing.TB, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 5 {
		err := db.Update(func(tx *bbolt.Tx) error {
			outer, err := tx.CreateBucketIfNotExists([]byte("outer"))
			if err != nil {
				return err
			}
			inner, err := outer.CreateBucketIfNotExists([]byte("inner"))
			if err != nil {
				return err
			}
			small, err := outer.CreateBucketIfNotExists([]byte(fmt.Sprint("small", round)))
			if err != nil {
				return err
			}
			if err := small.Put([]byte("a"), []byte("b")); err != nil {
				return err
			}
			for range 300 {
				size := r.IntN(600)
				if r.IntN(50) == 0 {
					size = r.IntN(40_000)
				}
				if err := inner.Put(binary.BigEndian.AppendUint32(nil, r.Uint32()), make([]byte, size)); err != nil {
					return err
				}
			}
			c := inner.Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				if r.IntN(4) == 0 {
					if err := c.Delete(); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// readAll reads everything with bbolt, and reports a panic as an error.
func readAll(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var walk func(b *bbolt.Bucket) error
	walk = func(b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return walk(b.Bucket(k))
			}
			_ = append([]byte(nil), v...)
			return nil
		})
	}
	return db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return walk(b) })
	})
}

// A file that bbolt wrote is never reported as damaged.
func TestWhatBboltWritesIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		folder, err := os.MkdirTemp("", "boltfile-")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(folder) }()
		path := filepath.Join(folder, "file.db")
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true, PageSize: rapid.SampledFrom([]int{1024, 4096, 16384}).Draw(t, "page size")})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 8).Draw(t, "transactions") {
			if err := db.Update(func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists([]byte(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "bucket")))
				if err != nil {
					return err
				}
				if rapid.Bool().Draw(t, "below") {
					if b, err = b.CreateBucketIfNotExists([]byte(rapid.SampledFrom([]string{"c", "d"}).Draw(t, "bucket"))); err != nil {
						return err
					}
				}
				for range rapid.IntRange(0, 200).Draw(t, "changes") {
					key := []byte(fmt.Sprint(rapid.IntRange(0, 500).Draw(t, "key")))
					if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
						err = b.Delete(key)
					} else {
						err = b.Put(key, make([]byte, rapid.SampledFrom([]int{0, 10, 100, 5000, 70_000}).Draw(t, "size")))
					}
					if err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := boltfile.Check(path); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever happens to a file, it is reported as damaged or bbolt can read all of it. Without
// the check, some of these files end the process.
func TestADamagedFileIsSaidOrHarmless(t *testing.T) {
	folder := t.TempDir()
	undamaged := filepath.Join(folder, "undamaged.db")
	write(t, undamaged)
	if err := boltfile.Check(undamaged); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(undamaged)
	if err != nil {
		t.Fatal(err)
	}
	pages := len(content) / pageSize
	said := map[string]int{}
	for n := range 360 {
		r := rand.New(rand.NewPCG(3, uint64(n)))
		damaged := append([]byte(nil), content...)
		page := damaged[r.IntN(pages)*pageSize:][:pageSize]
		kind := []string{"a byte of a header", "a byte among the entries", "a page of zeros", "a cut", "a page over another", "a random page"}[n%6]
		switch n % 6 {
		case 0:
			page[r.IntN(16)] ^= byte(1 + r.IntN(255))
		case 1:
			page[16+r.IntN(200)] ^= byte(1 + r.IntN(255))
		case 2:
			clear(page)
		case 3:
			damaged = damaged[:r.IntN(len(damaged))]
		case 4:
			copy(page, damaged[r.IntN(pages)*pageSize:])
		case 5:
			for i := range page {
				page[i] = byte(r.IntN(256))
			}
		}
		path := filepath.Join(folder, "damaged.db")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		switch err := boltfile.Check(path); {
		case err == nil:
			if err := readAll(path); err != nil {
				t.Fatalf("damage %d, %s: got no error of Check, and bbolt reports %v", n, kind, err)
			}
		case fault.Of(err).Reason == directory.Damaged:
			said[kind]++
		case !fault.Is(err, fault.NotFound) || len(damaged) > 0:
			t.Fatalf("damage %d, %s: got %v, want kind %s", n, kind, err, fault.Invalid)
		}
	}
	for _, kind := range []string{"a byte of a header", "a byte among the entries", "a page of zeros", "a cut", "a page over another", "a random page"} {
		if said[kind] == 0 {
			t.Errorf("%s: found 0 times of 60, want at least once", kind)
		}
	}
}

func TestDamageIsAnErrorOfOpen(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"another kind of file": func([]byte) []byte { return []byte(strings.Repeat("not a database\n", 2000)) },
		"a short file":         func([]byte) []byte { return []byte("x") },
		"half a file":          func(b []byte) []byte { return b[:len(b)/2/pageSize*pageSize] },
		"both beginnings":      func(b []byte) []byte { clear(b[:2*pageSize]); return b },
		"everything behind":    func(b []byte) []byte { clear(b[2*pageSize:]); return b },
		"a file that goes mad": func(b []byte) []byte {
			for i := 2 * pageSize; i < len(b); i++ {
				b[i] = byte(i * 7)
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file.db")
			write(t, path)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(content)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = boltfile.Open(path, "b")
			if f := fault.Of(err); !fault.Is(err, fault.Invalid) || f.Reason != directory.Damaged || f.Subject != path || f.Message == "" {
				t.Errorf("got %v, want kind %s, reason %s and the path", err, fault.Invalid, directory.Damaged)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(damaged) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
		})
	}
}

// A crash may damage one of the two meta pages; then the other one is used.
func TestOneBeginningIsEnough(t *testing.T) {
	for _, torn := range []int{0, 1} {
		path := filepath.Join(t.TempDir(), "file.db")
		write(t, path)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		clear(content[torn*pageSize : (torn+1)*pageSize])
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := boltfile.Check(path); err != nil {
			t.Errorf("without page %d: got %v, want no error", torn, err)
		}
		f, err := boltfile.Open(path, "b")
		if err != nil {
			t.Fatalf("without page %d: %v", torn, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.db")
	for range 2 {
		if err := boltfile.Check(path); !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want kind %s", err, fault.NotFound)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckOfAFileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.db")
	f, err := boltfile.Open(path, "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := boltfile.Check(path); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v, want kind %s", err, fault.Conflict)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := boltfile.Check(path); err != nil {
		t.Error(err)
	}
}

// A page that is damaged while the file is open is an error of the calls that read it. It
// ends neither the process nor the other calls.
func TestDamageWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.db")
	f, err := boltfile.Open(path, "b")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := f.Update(bg, put(fmt.Sprintf("%0300d", i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(make([]byte, info.Size()-2*pageSize), 2*pageSize); err != nil { // bbolt has mapped it
		t.Fatal(err)
	}
	read := f.View(bg, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("b")).ForEach(func(_, _ []byte) error { return nil })
	})
	if !fault.Is(read, fault.Internal) || !strings.Contains(fault.Of(read).Message, "start entrasync again") {
		t.Errorf("a read: got %v, want kind %s and what to do", read, fault.Internal)
	}
	for range 3 {
		if err := f.Update(bg, put("x"), nil); !fault.Is(err, fault.Internal) {
			t.Errorf("a change: got %v, want kind %s", err, fault.Internal)
		}
	}
	if err := f.Close(); err != nil {
		t.Errorf("close: got %v, want no error", err)
	}
	_ = file.Close()
}

// BenchmarkCheck checks a file of 100 MB.
func BenchmarkCheck(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		if err := db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("items"))
			for range 1600 {
				if err == nil {
					err = bucket.Put(binary.BigEndian.AppendUint64(nil, r.Uint64()), make([]byte, 400))
				}
			}
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	for b.Loop() {
		if err := boltfile.Check(path); err != nil {
			b.Fatal(err)
		}
	}
}
