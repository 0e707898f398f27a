package queuetest

import (
	"fmt"
	"time"

	"entrasync/shared/queue"
)

func testGroupWaits(b *bench) {
	b.send("g", "a", "b")
	first := b.receiveFrom(b.q, 1, "a")
	b.receive()
	b.send("g", "c")
	b.receive()
	b.send("h", "d")
	b.receive("d")
	b.delete(first...)
	b.receive("b", "c")
}

func testPartialDelete(b *bench) {
	b.send("g", "a", "b", "c", "d")
	got := b.receiveFrom(b.q, 3, "a", "b", "c")
	for _, i := range []int{1, 0} {
		b.delete(got[i])
		b.receive()
	}
	b.delete(got[2])
	b.receive("d")
}

func testLeftOver(b *bench) {
	b.send("g", "a", "b", "c", "d")
	got := b.receiveFrom(b.q, 3, "a", "b", "c")
	b.delete(got[1])
	b.elapse(visibility)
	again := b.receive("a", "c", "d")
	for i, want := range []int{2, 2, 1} {
		if again[i].ReceiveCount != want {
			b.Fatalf("%s was received %d times, want %d", again[i].Body, again[i].ReceiveCount, want)
		}
	}
}

// testFairness fills one group with far more messages than a batch, all older than the
// message of the other group.
func testFairness(b *bench) {
	for i := range 30 {
		b.send("busy", fmt.Sprint("busy-", i))
	}
	b.send("quiet", "quiet")
	for range 3 {
		got, err := b.q.Receive(bg, queue.MaxBatch, 0)
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range got {
			if m.GroupID == "quiet" {
				return
			}
		}
	}
	b.Fatal("three receives without the message of the quiet group")
}

func testVisibility(b *bench) {
	b.send("g", "a")
	first := b.receive("a")[0]
	b.elapse(visibility / 2)
	b.receive()
	b.elapse(visibility / 2)
	second := b.receive("a")[0]
	if second.ReceiveCount != 2 || second.ID != first.ID || second.Receipt == first.Receipt {
		b.Fatalf("received first %+v, then %+v", first, second)
	}
	if !second.SentAt.Equal(first.SentAt) || !second.FirstReceive.Equal(first.FirstReceive) {
		b.Fatalf("its times changed: first %+v, then %+v", first, second)
	}
	b.elapse(visibility / 2) // a timeout of its own
	b.receive()
}

func testDeleted(b *bench) {
	b.send("g", "a")
	b.delete(b.receive("a")...)
	b.receive()
	b.elapse(visibility)
	b.receive()
	b.wantDepth(queue.Depth{})
}

func testPostpone(b *bench) {
	b.send("g", "a")
	m := b.receive("a")[0]
	b.postpone(m, 3*visibility) // longer than the timeout
	b.elapse(visibility)
	b.receive()
	b.postpone(m, 2*visibility) // the receipt stays valid as long; from now
	b.elapse(visibility + visibility/2)
	b.receive()
	b.elapse(visibility / 2)
	m = b.receive("a")[0]
	if m.ReceiveCount != 2 {
		b.Fatalf("a postponed message was counted %d times, want 2", m.ReceiveCount)
	}
	b.postpone(m, time.Second) // shorter
	b.elapse(time.Second)
	b.receive("a")
}

func testPostponeNow(b *bench) {
	b.send("g", "a", "b")
	got := b.receive("a", "b")
	b.postpone(got[0], 0)
	b.receive() // the other is in flight
	b.postpone(got[1], 0)
	b.wantDepth(queue.Depth{Visible: 2})
	again := b.receive("a", "b")
	b.delete(got...) // their receipts ended
	b.wantDepth(queue.Depth{InFlight: 2})
	b.delete(again...)
	b.wantDepth(queue.Depth{})
}

func testPostponeGroup(b *bench) {
	b.send("g", "a", "b")
	got := b.receiveFrom(b.q, 1, "a")
	b.postpone(got[0], 2*visibility)
	b.elapse(visibility + visibility/2)
	b.receive()
	b.elapse(visibility / 2)
	b.receive("a", "b")
}
