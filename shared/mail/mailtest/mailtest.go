// Package mailtest is the conformance suite of senders of mail.
package mailtest

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/fault"
	"entrasync/shared/mail"
)

// From is what the sender must be made with, as the mails name it.
const From = `"Müller, entrasync" <entrasync@example.com>`

// Received is a mail as a mail program reads it.
type Received struct {
	From, To   string // the addresses alone
	FromName   string
	Subject    string
	Text, HTML string // without white space at their ends
	Others     string // addresses in Cc and Bcc
}

// TestSender checks that a sender keeps the promises of mail.Sender. received are the
// mails to an address.
func TestSender(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	for name, test := range map[string]func(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received){
		"both forms arrive":               bothForms,
		"text only":                       textOnly,
		"every address has its own mail":  ownMail,
		"what stands in a subject":        subjects,
		"texts that mail servers change":  texts,
		"addresses that are none":         noAddresses,
		"no address at all":               noAddress,
		"a context that is cancelled":     cancelled,
		"an address that is named twice":  twice,
		"the subject makes no recipients": injected,
	} {
		t.Run(name, func(t *testing.T) { test(t, s, received) })
	}
}

// address is one that no other test uses.
func address() string { return strings.ToLower(rand.Text()) + "@example.com" }

// one is the only mail to an address.
func one(t *testing.T, received func(t *testing.T, to string) []Received, to string) Received {
	t.Helper()
	mails := received(t, to)
	if len(mails) != 1 {
		t.Fatalf("got %d mails to %s, want 1", len(mails), to)
	}
	return mails[0]
}

func send(t *testing.T, s mail.Sender, m mail.Message) {
	t.Helper()
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func bothForms(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	to := address()
	send(t, s, mail.Message{To: []string{to}, Subject: "Done", Text: "10 imported", HTML: "<p>10 <b>imported</b></p>"})
	want := Received{From: "entrasync@example.com", FromName: "Müller, entrasync", To: to, Subject: "Done", Text: "10 imported", HTML: "<p>10 <b>imported</b></p>"}
	if diff := cmp.Diff(want, one(t, received, to)); diff != "" {
		t.Errorf("mail (-want +got):\n%s", diff)
	}
}

func textOnly(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	to := address()
	send(t, s, mail.Message{To: []string{to}, Subject: "Done", Text: "10 imported"})
	if got := one(t, received, to); got.Text != "10 imported" || got.HTML != "" {
		t.Errorf("got text %q and HTML %q, want the text alone", got.Text, got.HTML)
	}
}

func ownMail(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	all := []string{address(), address(), address()}
	send(t, s, mail.Message{To: all, Subject: "Done", Text: "a"})
	for _, to := range all {
		if got := one(t, received, to); got.To != to || got.Others != "" {
			t.Errorf("got a mail to %q and %q, want %q alone", got.To, got.Others, to)
		}
	}
}

func subjects(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	long, accents := strings.Repeat("long ", 60)+"end", strings.Repeat("é", 300)
	for subject, want := range map[string]string{
		"Zürich → 東京": "Zürich → 東京", "اكتمل الاستيراد": "اكتمل الاستيراد", long: long, accents: accents,
		"=?utf-8?q?not_encoded?=": "= ?utf-8?q?not_encoded?=", " two\tspaces ": "two spaces",
	} {
		to := address()
		send(t, s, mail.Message{To: []string{to}, Subject: subject, Text: "a"})
		if got := one(t, received, to); got.Subject != want {
			t.Errorf("got subject %q, want %q", got.Subject, want)
		}
	}
}

func texts(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	for _, text := range []string{
		"a line\n.\nand more", "From here on\nFrom there", strings.Repeat("x", 2000), "tab\tand = sign =3D", "grüße مرحبا 🎉\nend", "trailing space \nend",
	} {
		to := address()
		send(t, s, mail.Message{To: []string{to}, Subject: "a", Text: text, HTML: "<pre>" + text + "</pre>"})
		got := one(t, received, to)
		if got.Text != text || got.HTML != "<pre>"+text+"</pre>" {
			t.Errorf("got text %q and HTML %q, want %q", got.Text, got.HTML, text)
		}
	}
}

// bad are texts that are not addresses.
var bad = []string{"", "ann", "ann@", "@example.com", "ann@example.com\r\nBcc: eve@example.com", "ann@exämple.com", "ann@example.com, eve@example.com", strings.Repeat("a", 250) + "@example.com"}

func noAddresses(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	to := address()
	err := s.Send(t.Context(), mail.Message{To: append(slices.Clone(bad), to), Subject: "Done", Text: "a"})
	if !fault.Is(err, fault.Invalid) || strings.Contains(fault.Of(err).Subject, to) || !strings.Contains(fault.Of(err).Subject, `"ann@"`) {
		t.Errorf("got %v, want kind %s that names those that are no addresses", err, fault.Invalid)
	}
	one(t, received, to) // the others got theirs
}

func noAddress(t *testing.T, s mail.Sender, _ func(t *testing.T, to string) []Received) {
	if err := s.Send(t.Context(), mail.Message{Subject: "Done", Text: "a"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want kind %s", err, fault.Invalid)
	}
}

func cancelled(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	to := address()
	if err := s.Send(ctx, mail.Message{To: []string{to}, Subject: "Done", Text: "a"}); !fault.Is(err, fault.Transient) || len(received(t, to)) != 0 {
		t.Errorf("got %v, want kind %s and no mail", err, fault.Transient)
	}
}

func twice(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	to := address()
	send(t, s, mail.Message{To: []string{to, "Ann <" + to + ">", to}, Subject: "Done", Text: "a"})
	one(t, received, to)
}

func injected(t *testing.T, s mail.Sender, received func(t *testing.T, to string) []Received) {
	to, eve := address(), address()
	send(t, s, mail.Message{To: []string{to}, Subject: "Done\r\nBcc: " + eve + "\r\n\r\n<b>hello</b>", Text: "a"})
	got := one(t, received, to)
	if want := "Done Bcc: " + eve + " <b>hello</b>"; got.Subject != want || got.Others != "" || got.Text != "a" || len(received(t, eve)) != 0 {
		t.Errorf("got %+v, want the subject %q and nothing else of it", got, want)
	}
}
