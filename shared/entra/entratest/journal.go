package entratest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"entrasync/shared/fault"
)

// journal keeps every change as one JSON line, written before the answer is sent. A
// process that is killed loses nothing that it acknowledged, because the operating
// system has the line by then; there is no fsync, so a machine that loses power may
// lose the last changes.
type journal struct {
	mu   sync.Mutex
	file *os.File
	size int64 // of its complete lines
}

// entry is one line: a change, or a complete object in the compacted beginning.
type entry struct {
	Tenant string  `json:"tenant"`
	Change *change `json:"change,omitempty"`
	Object *object `json:"object,omitempty"`
	Seq    int64   `json:"seq,omitempty"`  // with Object: of the tenant
	Next   int64   `json:"next,omitempty"` // with Object: ordinal of the next object
}

// openJournal replays the file into the tenants, writes it again with one line per
// object, and opens it for appending. kill -9 may leave an incomplete last line: it was
// never acknowledged and is dropped.
func openJournal(path string, tenants map[string]*tenant) (*journal, error) {
	if path == "" {
		return &journal{}, nil
	}
	if err := replay(path, tenants); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "entratest.replay journal")
	}
	if err := compact(path, tenants); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "entratest.compact journal")
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "entratest.open journal")
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fault.Wrap(errors.Join(err, file.Close()), fault.Internal, "entratest.open journal")
	}
	return &journal{file: file, size: info.Size()}, nil
}

// append writes one change.
func (j *journal) append(tenant string, c change) error {
	if j.file == nil {
		return nil
	}
	line, err := json.Marshal(entry{Tenant: tenant, Change: &c})
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	n, err := j.file.Write(append(line, '\n'))
	if err != nil {
		// an incomplete line must not stay before the next line
		return errors.Join(err, j.file.Truncate(j.size))
	}
	j.size += int64(n)
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

func replay(path string, tenants map[string]*tenant) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	reader := bufio.NewReaderSize(file, 1<<16)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // a last line without its end is incomplete
		}
		if err != nil {
			return err
		}
		if err := replayLine(bytes.TrimSpace(line), tenants); err != nil {
			return fault.New(fault.Invalid, "entratest.replay journal", fmt.Sprintf("line %d of %s: %v", number, path, err))
		}
	}
	for _, t := range tenants {
		t.sortLoaded()
	}
	return nil
}

func replayLine(line []byte, tenants map[string]*tenant) error {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	t := tenants[e.Tenant]
	switch {
	case t == nil:
		return fmt.Errorf("tenant %q is not configured", e.Tenant)
	case e.Object != nil:
		t.load(e)
	case e.Change != nil:
		t.apply(*e.Change)
	}
	return nil
}

// load puts a complete object from the compacted beginning into the tenant.
func (t *tenant) load(e entry) {
	o := e.Object
	if o.Props == nil {
		o.Props = map[string]prop{}
	}
	if o.Removed == nil {
		o.Removed = map[string]int64{}
	}
	o.members = map[string]bool{}
	for _, m := range o.Members {
		o.members[m.ID] = true
		link(t.memberOf, m.ID, o.ID)
	}
	link(t.reports, o.Manager, o.ID)
	t.seq, t.next = max(t.seq, e.Seq, o.Seq), max(t.next, e.Next, o.Ordinal)
	t.objects[strings.ToLower(o.ID)] = o
	t.changes = append(t.changes, changeMark{seq: o.Seq, id: strings.ToLower(o.ID), at: o.At})
	if !o.Purged {
		t.order = append(t.order, o)
		t.index(o)
	}
}

// sortLoaded restores the orders that are lost when objects are loaded one by one.
func (t *tenant) sortLoaded() {
	sort.SliceStable(t.changes, func(i, k int) bool { return t.changes[i].seq < t.changes[k].seq })
	sort.Slice(t.order, func(i, k int) bool { return t.order[i].Ordinal < t.order[k].Ordinal })
}

// compact writes a new file, one line per object, and replaces the old one in a single
// step.
func compact(path string, tenants map[string]*tenant) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already once it was renamed
	w := bufio.NewWriterSize(temp, 1<<16)
	encoder := json.NewEncoder(w)
	for id, t := range tenants {
		for _, o := range t.objects {
			if err := encoder.Encode(entry{Tenant: id, Object: o, Seq: t.seq, Next: t.next}); err != nil {
				return errors.Join(err, temp.Close())
			}
		}
	}
	if err := errors.Join(w.Flush(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
