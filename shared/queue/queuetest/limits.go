package queuetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/queue"
)

const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

func testMessageLimits(b *bench) {
	good := func() queue.Message { return queue.Message{Body: []byte("b"), GroupID: "g", DedupID: unique()} }
	for name, spoil := range map[string]func(*queue.Message){
		"no body":                func(m *queue.Message) { m.Body = nil },
		"body too large":         func(m *queue.Message) { m.Body = bytes.Repeat([]byte("b"), queue.MaxBodyBytes+1) },
		"body not UTF-8":         func(m *queue.Message) { m.Body = []byte("a\xff") },
		"body with NUL":          func(m *queue.Message) { m.Body = []byte("a\x00") },
		"body with escape":       func(m *queue.Message) { m.Body = []byte("a\x1b") },
		"body with U+FFFE":       func(m *queue.Message) { m.Body = []byte("a\ufffe") },
		"body with U+FFFF":       func(m *queue.Message) { m.Body = []byte("a\uffff") },
		"no group id":            func(m *queue.Message) { m.GroupID = "" },
		"group id too long":      func(m *queue.Message) { m.GroupID = strings.Repeat("g", queue.MaxIDChars+1) },
		"group id with space":    func(m *queue.Message) { m.GroupID = "a b" },
		"group id not ASCII":     func(m *queue.Message) { m.GroupID = "\u00e9" },
		"group id with line end": func(m *queue.Message) { m.GroupID = "a\n" },
		"no dedup id":            func(m *queue.Message) { m.DedupID = "" },
		"dedup id too long":      func(m *queue.Message) { m.DedupID = strings.Repeat("d", queue.MaxIDChars+1) },
		"dedup id with space":    func(m *queue.Message) { m.DedupID = "a b" },
		"dedup id with delete":   func(m *queue.Message) { m.DedupID = "a\x7f" },
	} {
		m := good()
		spoil(&m)
		if err := b.q.Send(bg, good(), m); !fault.Is(err, fault.Invalid) {
			b.Fatalf("%s: got %v, want a fault of kind invalid", name, err)
		}
	}
	b.receive() // also none of the valid messages of the same send

	large := queue.Message{
		Body:    bytes.Repeat([]byte("b"), queue.MaxBodyBytes),
		GroupID: strings.Repeat("g", queue.MaxIDChars),
		DedupID: unique() + strings.Repeat("d", queue.MaxIDChars-len(unique())),
	}
	odd := queue.Message{Body: []byte("b"), GroupID: punctuation + "azAZ09", DedupID: punctuation + unique()}
	for _, m := range []queue.Message{large, odd} {
		b.sendAll(m)
		got, err := b.q.Receive(bg, 1, tolerance)
		if err != nil || len(got) != 1 || !bytes.Equal(got[0].Body, m.Body) || got[0].GroupID != m.GroupID || got[0].DedupID != m.DedupID {
			b.Fatalf("a message at the limits did not come back: %d messages, %v", len(got), err)
		}
	}
}

func testBatchLimits(b *bench) {
	var batch []queue.Message
	var want []string
	for i := range queue.MaxBatch + 1 {
		batch = append(batch, message("g", fmt.Sprint("m", i)))
		want = append(want, fmt.Sprint("m", i))
	}
	b.wantKind(b.q.Send(bg, batch...), fault.Invalid)
	b.receive()
	b.sendAll(batch[:queue.MaxBatch]...)
	if got := b.drain(b.q); !slices.Equal(got, want[:queue.MaxBatch]) {
		b.Fatalf("received %q", got)
	}

	half := bytes.Repeat([]byte("b"), queue.MaxBodyBytes/2)
	b.wantKind(b.q.Send(bg,
		queue.Message{Body: half, GroupID: "g", DedupID: unique()},
		queue.Message{Body: append(half, 'b'), GroupID: "g", DedupID: unique()}), fault.Invalid)
	b.receive()
	b.sendAll(
		queue.Message{Body: half, GroupID: "g", DedupID: unique()},
		queue.Message{Body: half, GroupID: "g", DedupID: unique()})
	if got := b.drain(b.q); len(got) != 2 {
		b.Fatalf("received %d messages of a batch at the limit, want 2", len(got))
	}
}

func testCallLimits(b *bench) {
	b.send("g", "a")
	for _, limit := range []int{-1, 0, queue.MaxBatch + 1} {
		_, err := b.q.Receive(bg, limit, 0)
		b.wantKind(err, fault.Invalid)
	}
	m := b.receiveFrom(b.q, queue.MaxBatch, "a")[0]
	receipts := slices.Repeat([]string{m.Receipt}, queue.MaxBatch+1)
	b.wantKind(b.q.Delete(bg, receipts...), fault.Invalid)
	for _, d := range []time.Duration{-time.Second, queue.MaxVisibility + time.Second} {
		b.wantKind(b.q.Postpone(bg, m.Receipt, d), fault.Invalid)
	}
	b.wantDepth(queue.Depth{InFlight: 1})
	// SQS counts the twelve hours from the receive, so a moment later the full twelve
	// hours are too long.
	b.postpone(m, queue.MaxVisibility-time.Minute)
	b.wantDepth(queue.Depth{InFlight: 1})
	for i := range queue.MaxBatch {
		receipts[i] = fmt.Sprint("no such receipt ", i)
	}
	receipts[queue.MaxBatch-1] = m.Receipt
	if err := b.q.Delete(bg, receipts[:queue.MaxBatch]...); err != nil {
		b.Fatalf("delete of %d receipts: %v", queue.MaxBatch, err)
	}
	b.wantDepth(queue.Depth{})
}
