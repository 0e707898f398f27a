package mail_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/mail"
	"entrasync/shared/metric"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]netmail.Address{
		"ann@example.com":                         {Address: "ann@example.com"},
		" Ann O'Brien <ann.o'brien@example.com> ": {Name: "Ann O'Brien", Address: "ann.o'brien@example.com"},
		`"Müller, IT" <it@xn--mller-kva.example>`: {Name: "Müller, IT", Address: "it@xn--mller-kva.example"},
		"":    {},
		"ann": {},
		"ann@example.com\r\nBcc: eve@example.com":   {},
		"Ann\r\nBcc: e@example.com <a@b.example>":   {},
		"ann@exämple.com":                           {},
		"ann@example.com, eve@example.com":          {},
		strings.Repeat("a", 243) + "@example.com":   {},
		"\"ann\r\nBcc: e@example.com\"@b.example":   {},
		"=?utf-8?q?A=0D=0ABcc=3A?= <ann@b.example>": {Name: "A\r\nBcc:", Address: "ann@b.example"},
	} {
		got, err := mail.ParseAddress(text)
		if got != want || (err != nil) != (want.Address == "") || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

// A mail program and a mail server find what they need in the headers, and nothing that a
// name brought along.
func TestTheHeadersOfAMail(t *testing.T) {
	from := netmail.Address{Name: "A\r\nBcc: eve@example.com", Address: "ann@example.com"}
	at := time.Date(2026, 11, 30, 11, 27, 32, 0, time.UTC)
	raw, err := mail.Compose(from, netmail.Address{Name: "X\r\nBcc: eve@example.com", Address: "to@example.com"}, mail.Message{Subject: "Done", Text: "a", HTML: "b"}, at)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if date, err := msg.Header.Date(); err != nil || !date.Equal(at) {
		t.Errorf("got date %v (%v), want %v", date, err, at)
	}
	if id := msg.Header.Get("Message-ID"); !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@example.com>") {
		t.Errorf("got message id %q, want one of example.com", id)
	}
	for name, want := range map[string]string{"Auto-Submitted": "auto-generated", "Bcc": "", "User-Agent": "", "X-Mailer": "", "Mime-Version": "1.0", "To": "<to@example.com>"} {
		if got := msg.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > 78 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("got the line %q, want at most 78 characters and line ends of CR and LF", line)
		}
	}
}

// A reader cannot be misled about the kind of a failure by the order of the addresses.
func TestTheKindOfSeveralFailures(t *testing.T) {
	for name, kinds := range map[string][]fault.Kind{
		"first":  {fault.Throttled, fault.Invalid},
		"second": {fault.Invalid, fault.Throttled},
	} {
		n := 0
		err := mail.Each(t.Context(), mail.Message{To: []string{"a@example.com", "b@example.com"}}, func(context.Context, netmail.Address) error {
			n++
			return &fault.Error{Op: "send", Kind: kinds[n-1], Message: string(kinds[n-1]), RetryAfter: time.Duration(len(kinds[n-1])) * time.Second}
		})
		if got := fault.Of(err); got == nil || got.Kind != fault.Throttled || got.Message != "throttled" || got.RetryAfter != 9*time.Second {
			t.Errorf("%s: got %v, want kind %s with its message and wait", name, err, fault.Throttled)
		}
	}
}

// sender sends every mail, or none.
type sender struct{ refuses error }

// Send implements mail.Sender.
func (s sender) Send(context.Context, mail.Message) error { return s.refuses }

// Mails are counted by what became of them.
func TestCounted(t *testing.T) {
	refused := fault.New(fault.Invalid, "test", "nobody is there")
	var counts metric.Memory
	for _, refuses := range []error{nil, refused, nil} {
		if err := (mail.Counted{Sender: sender{refuses}, Metrics: &counts}).Send(t.Context(), mail.Message{}); !errors.Is(err, refuses) {
			t.Errorf("got %v, want %v", err, refuses)
		}
	}
	want := map[string]int{`mails{outcome="sent"}`: 2, `mails{outcome="not_sent",kind="invalid"}`: 1}
	if got := counts.Counts(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
