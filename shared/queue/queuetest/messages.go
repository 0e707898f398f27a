package queuetest

import (
	"fmt"
	"slices"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

func testEmpty(b *bench) {
	b.receive()
	start := time.Now()
	got, err := b.q.Receive(bg, 1, time.Second)
	if err != nil || len(got) != 0 {
		b.Fatalf("received %q, %v from an empty queue", bodies(got), err)
	}
	if waited := time.Since(start); waited < time.Second || waited > time.Second+tolerance {
		b.Fatalf("waited %s for a message, want 1 s", waited)
	}
}

func testFields(b *bench) {
	before := time.Now()
	text := "{\"name\":\"J\u00fcrgen\",\t\r\n\"x\":\"\U0001F600\ufffd\ue000\"}"
	b.sendAll(queue.Message{Body: []byte(text), GroupID: "g", DedupID: "d"}, message("other", "second"))
	got := b.receive(text, "second")
	after := time.Now()
	m := got[0]
	if m.GroupID != "g" || m.DedupID != "d" || m.ReceiveCount != 1 || m.Receipt == "" || m.ID == "" {
		b.Fatalf("received %+v", m)
	}
	if m.ID == got[1].ID || m.Receipt == got[1].Receipt {
		b.Fatalf("two messages share an id or a receipt: %+v", got)
	}
	for name, at := range map[string]time.Time{"SentAt": m.SentAt, "FirstReceive": m.FirstReceive} {
		if at.Before(before.Add(-tolerance)) || at.After(after.Add(tolerance)) || at.Location() != time.UTC {
			b.Fatalf("%s is %s, want UTC from %s to %s", name, at, before, after)
		}
	}
	if m.FirstReceive.Before(m.SentAt) {
		b.Fatalf("received at %s, want not before it was sent at %s", m.FirstReceive, m.SentAt)
	}
}

func testNothing(b *bench) {
	b.sendAll()
	b.delete()
	b.receive()
}

func testMax(b *bench) {
	for i := range 5 {
		b.send(fmt.Sprint(i), fmt.Sprint(i))
	}
	for left := 5; left > 0; {
		got, err := b.q.Receive(bg, 2, tolerance)
		if err != nil || len(got) == 0 || len(got) > 2 {
			b.Fatalf("received %q, %v, want one or two", bodies(got), err)
		}
		left -= len(got)
	}
	b.receive()
}

func testOrder(b *bench) {
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("m%02d", i))
	}
	b.send("g", want...)
	if got := b.drain(b.q); !slices.Equal(got, want) {
		b.Fatalf("received %q", got)
	}
}

func testOrderOfBatches(b *bench) {
	want := map[string][]string{}
	for size := 1; size <= queue.MaxBatch; size++ {
		var batch []queue.Message
		for i := range size {
			group := fmt.Sprint(i % 3)
			m := message(group, fmt.Sprintf("%s/%02d-%02d", group, size, i))
			batch = append(batch, m)
			want[group] = append(want[group], string(m.Body))
		}
		b.sendAll(batch...)
	}
	got := map[string][]string{}
	for _, name := range b.drain(b.q) {
		got[name[:1]] = append(got[name[:1]], name)
	}
	for group := range want {
		if !slices.Equal(got[group], want[group]) {
			b.Fatalf("group %s: received %q, want %q", group, got[group], want[group])
		}
	}
}

func testDedup(b *bench) {
	b.send("g", "a")
	b.sendAll(queue.Message{Body: []byte("another body"), GroupID: "g", DedupID: "a"}) // accepted and dropped
	b.sendAll(message("g", "b"), message("g", "b"), message("g", "c"))                 // within one batch
	b.sendAll(queue.Message{Body: []byte("a"), GroupID: "g", DedupID: "d"})            // the body does not matter
	got := b.receive("a", "b", "c", "a")
	b.send("g", "a", "b", "c") // while they are in flight
	b.delete(got...)
	b.receive()
}

func testDedupDeleted(b *bench) {
	b.send("g", "a")
	b.delete(b.receive("a")...)
	b.send("g", "a", "b")
	b.receive("b")
}

func testDedupWindow(b *bench) {
	b.send("g", "a", "b")
	b.delete(b.receive("a", "b")...)
	b.elapse(queue.DedupWindow - 10*time.Second)
	b.send("g", "a") // dropped, and does not begin another window
	b.receive()
	b.elapse(20 * time.Second)
	b.send("g", "a")
	b.delete(b.receive("a")...)
	b.elapse(queue.DedupWindow - 10*time.Second)
	b.send("g", "a") // the window of the second
	b.receive()
	b.send("g", "b")
	b.receive("b")
}

func testSendAgain(b *bench) {
	b.sendAll(message("g", "a"), message("h", "b"))
	b.sendAll(message("g", "a"), message("h", "b"), message("g", "c"), message("i", "d"))
	got := b.drain(b.q)
	slices.Sort(got)
	if want := []string{"a", "b", "c", "d"}; !slices.Equal(got, want) {
		b.Fatalf("received %q, want %q", got, want)
	}
}

func testDepth(b *bench) {
	b.wantDepth(queue.Depth{})
	b.send("g", "a", "b")
	b.send("h", "c")
	b.wantDepth(queue.Depth{Visible: 3})
	got := b.receiveFrom(b.q, 1, "a")
	b.wantDepth(queue.Depth{Visible: 2, InFlight: 1})
	b.delete(got...)
	b.wantDepth(queue.Depth{Visible: 2})
	got, err := b.q.Receive(bg, queue.MaxBatch, tolerance)
	if err != nil || len(got) != 2 {
		b.Fatalf("received %q, %v, want two messages", bodies(got), err)
	}
	b.wantDepth(queue.Depth{InFlight: 2})
	b.elapse(visibility)
	b.wantDepth(queue.Depth{Visible: 2})
	b.drain(b.q)
	b.wantDepth(queue.Depth{})
}

func testDeadLetter(b *bench) {
	b.send("g", "a")
	var last queue.Received
	for want := 1; want <= 2; want++ {
		last = b.receive("a")[0]
		if last.ReceiveCount != want {
			b.Fatalf("receive number %d counted as %d", want, last.ReceiveCount)
		}
		b.receiveFrom(b.dead, 1)
		b.elapse(visibility)
	}
	b.receive()
	dead := b.receiveFrom(b.dead, 1, "a")[0]
	if dead.GroupID != "g" || dead.DedupID != "a" {
		b.Fatalf("the dead letter is %+v", dead)
	}
	b.delete(last) // its receipt is no longer valid
	b.wantDepth(queue.Depth{})
	if err := b.dead.Delete(bg, dead.Receipt); err != nil {
		b.Fatal(err)
	}
	b.elapse(visibility)
	b.receiveFrom(b.dead, 1)
	b.send("g", "a") // the window has not ended
	b.receive()
}

func testDeadLetterGroup(b *bench) {
	b.send("g", "a")
	b.receive("a")
	b.elapse(visibility)
	b.receive("a")
	b.send("g", "b", "c")
	b.send("h", "d")
	b.elapse(visibility)
	var got []string
	for range 2 { // a server may need a second receive
		more, err := b.q.Receive(bg, queue.MaxBatch, tolerance)
		if err != nil {
			b.Fatal(err)
		}
		got = append(got, bodies(more)...)
		if len(got) == 3 {
			break
		}
	}
	slices.Sort(got)
	if want := []string{"b", "c", "d"}; !slices.Equal(got, want) {
		b.Fatalf("received %q, want %q", got, want)
	}
	b.receiveFrom(b.dead, queue.MaxBatch, "a")
}

func testNoDeadLetter(b *bench) {
	b.send("g", "a")
	for want := 1; want <= 5; want++ {
		if m := b.receive("a")[0]; m.ReceiveCount != want {
			b.Fatalf("receive number %d counted as %d", want, m.ReceiveCount)
		}
		b.elapse(visibility)
	}
}

func testStaleReceipts(b *bench) {
	b.send("g", "a", "b")
	old := b.receive("a", "b")
	b.elapse(visibility)
	b.delete(old...) // visible again: ignored
	b.wantKind(b.q.Postpone(bg, old[0].Receipt, time.Second), fault.NotFound)
	now := b.receive("a", "b")
	b.delete(old...) // received again: still ignored
	b.wantKind(b.q.Postpone(bg, old[0].Receipt, 0), fault.NotFound)
	b.wantDepth(queue.Depth{InFlight: 2})
	b.delete(append(now, old...)...) // the valid ones among them work
	b.delete(now...)
	b.wantKind(b.q.Postpone(bg, now[0].Receipt, time.Second), fault.NotFound)
	if err := b.q.Delete(bg, "no such receipt"); err != nil {
		b.Fatalf("delete by an unknown receipt: %v", err)
	}
	b.wantKind(b.q.Postpone(bg, "no such receipt", time.Second), fault.NotFound)
	b.elapse(visibility)
	b.receive()
}
