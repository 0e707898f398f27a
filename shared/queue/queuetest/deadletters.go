package queuetest

import "entrasync/shared/queue"

// testDeadLetterTaken takes dead letters as one who records them does: a dead letter that
// was received and not deleted comes again, as the same message, and one that was deleted
// does not.
func testDeadLetterTaken(b *bench) {
	b.send("g", "a")
	b.send("h", "b")
	ids := map[string]string{}
	for range 2 {
		for _, m := range b.receive("a", "b") {
			ids[string(m.Body)] = m.ID
		}
		b.elapse(visibility)
	}
	b.receive()
	first := b.receiveFrom(b.dead, queue.MaxBatch, "a", "b")
	b.receiveFrom(b.dead, queue.MaxBatch) // each once at a time
	for _, m := range first {
		if m.ID != ids[string(m.Body)] {
			b.Fatalf("the dead letter %s has the id %s, want that of the message, %s", m.Body, m.ID, ids[string(m.Body)])
		}
	}
	if err := b.dead.Delete(bg, first[0].Receipt); err != nil {
		b.Fatal(err)
	}
	b.elapse(visibility)
	again := b.receiveFrom(b.dead, queue.MaxBatch, "b")[0]
	if again.ID != first[1].ID || !again.SentAt.Equal(first[1].SentAt) || again.GroupID != "h" {
		b.Fatalf("received first %+v, then %+v", first[1], again)
	}
	if err := b.dead.Delete(bg, first[1].Receipt); err != nil { // from before: void
		b.Fatal(err)
	}
	b.elapse(visibility)
	again = b.receiveFrom(b.dead, queue.MaxBatch, "b")[0]
	if err := b.dead.Delete(bg, again.Receipt); err != nil {
		b.Fatal(err)
	}
	b.elapse(visibility)
	b.receiveFrom(b.dead, queue.MaxBatch)
}
