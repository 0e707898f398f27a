package boltqueue_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/local/boltqueue"
	"entrasync/shared/queue"
)

func message(group, name string) queue.Message {
	return queue.Message{Body: []byte(name), GroupID: group, DedupID: name}
}

func send(t testing.TB, q *boltqueue.Queue, messages ...queue.Message) {
	t.Helper()
	if err := q.Send(bg, messages...); err != nil {
		t.Fatal(err)
	}
}

// receive fails unless exactly the named messages are received, without a wait.
func receive(t testing.TB, q *boltqueue.Queue, names ...string) []queue.Received {
	t.Helper()
	got, err := q.Receive(bg, queue.MaxBatch, 0)
	if err != nil {
		t.Fatal(err)
	}
	if bodies := bodiesOf(got); !slices.Equal(bodies, names) {
		t.Fatalf("received %q, want %q", bodies, names)
	}
	return got
}

func bodiesOf(messages []queue.Received) (names []string) {
	for _, m := range messages {
		names = append(names, string(m.Body))
	}
	return names
}

func copyFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := newPath(t)
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// What a restart keeps and what it loses. The file is copied while it is open, as a kill
// would leave it.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		open := func(path string) (q, dead *boltqueue.Queue) {
			db := openDB(t, path)
			dead = openQueue(t, db, boltqueue.Config{Name: "dead"})
			return openQueue(t, db, boltqueue.Config{Name: "q", MaxReceives: 3, DeadLetter: "dead"}), dead
		}
		q, _ := open(path)
		send(t, q, message("g", "deleted"), message("g", "dying"), message("g", "left"))
		send(t, q, message("h", "postponed"), message("i", "waiting"))
		got := receive(t, q, "deleted", "dying", "left", "postponed", "waiting")
		if err := q.Delete(bg, got[0].Receipt); err != nil {
			t.Fatal(err)
		}
		if err := q.Postpone(bg, got[2].Receipt, 0); err != nil {
			t.Fatal(err)
		}
		for range 2 { // dying has 3 receives then, the others one
			if err := q.Postpone(bg, got[1].Receipt, 0); err != nil {
				t.Fatal(err)
			}
			more, err := q.Receive(bg, 1, 0)
			if err != nil || len(more) != 1 || string(more[0].Body) != "dying" {
				t.Fatalf("received %q, %v, want dying", bodiesOf(more), err)
			}
			got[1] = more[0]
		}
		if err := q.Postpone(bg, got[3].Receipt, time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)

		q, dead := open(copyFile(t, path))
		if err := q.Delete(bg, got[4].Receipt); err != nil { // from before: void
			t.Fatal(err)
		}
		if err := q.Postpone(bg, got[4].Receipt, 0); !fault.Is(err, fault.NotFound) {
			t.Fatalf("a receipt from before the restart: got %v, want a fault of kind not_found", err)
		}
		send(t, q, message("g", "deleted"), message("g", "left")) // their windows hold
		again := receive(t, q, "left", "postponed", "waiting")
		if again[0].ReceiveCount != 2 || again[1].ReceiveCount != 2 {
			t.Fatalf("received %+v, want count 2", again)
		}
		if m := again[1]; m.ID != got[3].ID || !m.SentAt.Equal(got[3].SentAt) || !m.FirstReceive.Equal(got[3].FirstReceive) {
			t.Fatalf("before the restart %+v, after %+v", got[3], m)
		}
		if m := receive(t, dead, "dying")[0]; m.ID != got[1].ID || !m.SentAt.Equal(got[1].SentAt) || m.DedupID != "dying" || m.GroupID != "g" {
			t.Fatalf("the dead letter is %+v, was %+v", m, got[1])
		}
		time.Sleep(queue.DedupWindow)
		send(t, q, message("new", "deleted"))
		receive(t, q, "left", "postponed", "waiting", "deleted")
	})
}

// TestKill kills a process that sends, receives and deletes as fast as it can
// and checks what it leaves: everything acknowledged, in order.
func TestKill(t *testing.T) {
	path := os.Getenv("BOLTQUEUE_KILLED_CHILD")
	if path != "" {
		work(path)
		return
	}
	path = newPath(t)
	child := exec.Command(os.Args[0], "-test.run=^TestKill$")
	child.Env = append(os.Environ(), "BOLTQUEUE_KILLED_CHILD="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var sent, deleted int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch n := 0; {
		case scan(lines.Text(), "sent %d", &n):
			sent = n
		case scan(lines.Text(), "deleted %d", &n):
			deleted = n
		}
		if sent == 60 {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child was not killed")
	}
	q := openQueue(t, openDB(t, path), boltqueue.Config{Name: "q"})
	left := drain(t, q)
	// The child may have done one more send and one more delete than it reported.
	if len(left) == 0 {
		t.Fatal("nothing is left")
	}
	var first, last int
	if !scan(left[0], "m%d", &first) || !scan(left[len(left)-1], "m%d", &last) || last-first+1 != len(left) {
		t.Fatalf("left are %q, which have a gap", left)
	}
	if first > deleted+2 || first <= deleted || last < sent {
		t.Fatalf("left are m%d to m%d; acknowledged were the delete of m%d and the send of m%d", first, last, deleted, sent)
	}
}

// drain receives and deletes one message after the other until none is left.
func drain(t *testing.T, q *boltqueue.Queue) (bodies []string) {
	t.Helper()
	for {
		got, err := q.Receive(bg, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			return bodies
		}
		bodies = append(bodies, string(got[0].Body))
		if err := q.Delete(bg, got[0].Receipt); err != nil {
			t.Fatal(err)
		}
	}
}

func scan(line, format string, n *int) bool {
	_, err := fmt.Sscanf(line, format, n)
	return err == nil
}

// work sends two messages and deletes one, forever.
func work(path string) {
	err := func() error {
		db, err := boltqueue.Open(path)
		if err != nil {
			return err
		}
		q, err := db.Queue(boltqueue.Config{Name: "q"})
		for n := 1; err == nil; n++ {
			for m := 2*n - 1; m <= 2*n && err == nil; m++ {
				err = errors.Join(err, q.Send(bg, message("g", fmt.Sprint("m", m))))
				fmt.Println("sent", m)
			}
			got, failed := q.Receive(bg, 1, 0)
			if err = errors.Join(err, failed, q.Delete(bg, got[0].Receipt)); err == nil {
				fmt.Println("deleted", strings.TrimPrefix(string(got[0].Body), "m"))
			}
		}
		return err
	}()
	fmt.Println("failed", err)
	os.Exit(3)
}

func TestSecondProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		openDB(t, path)
		if _, err := boltqueue.Open(path); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "another entrasync process") {
			t.Fatalf("got %v, want a fault of kind conflict that says why", err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, newPath(t))
		q := openQueue(t, db, boltqueue.Config{Name: "q"})
		done := make(chan error)
		start := time.Now()
		go func() {
			_, err := q.Receive(bg, 1, time.Hour)
			done <- err
		}()
		synctest.Wait()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !fault.Is(err, fault.Transient) {
			t.Fatalf("a waiting receive at close: got %v, want a fault of kind transient", err)
		}
		if time.Since(start) > 0 {
			t.Fatal("a waiting receive went on after close")
		}
		_, errReceive := q.Receive(bg, 1, time.Hour)
		_, errDepth := q.Depth(bg)
		_, errPeek := q.Peek(bg, 1)
		_, errRedrive := q.Redrive(bg)
		for _, err := range []error{errReceive, errDepth, errPeek, errRedrive,
			q.Send(bg, message("g", "a")), q.Delete(bg, "x"), q.Postpone(bg, "x", 0)} {
			if !fault.Is(err, fault.Transient) {
				t.Errorf("after close: got %v, want a fault of kind transient", err)
			}
		}
	})
}
