package outbox_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/local/outbox"
	"entrasync/shared/mail"
	"entrasync/shared/mail/mailtest"
)

func open(t *testing.T, folder string) *outbox.Sender {
	t.Helper()
	s, err := outbox.New(folder, mailtest.From)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files are the files in the outbox, sorted by name.
func files(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// body is a part as a mail program shows it.
func body(t *testing.T, encoding string, r io.Reader) string {
	t.Helper()
	if encoding == "quoted-printable" {
		r = quotedprintable.NewReader(r)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
}

// read reads a file as a mail program does.
func read(t *testing.T, path string) (got mailtest.Received) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	msg, err := netmail.ReadMessage(file)
	if err != nil {
		t.Fatal(err)
	}
	from, err := msg.Header.AddressList("From")
	if err != nil {
		t.Fatal(err)
	}
	to, err := msg.Header.AddressList("To")
	if err != nil || len(to) != 1 {
		t.Fatalf("got %v (%v), want one address in To", to, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	got = mailtest.Received{From: from[0].Address, FromName: from[0].Name, To: to[0].Address, Subject: subject,
		Others: msg.Header.Get("Cc") + msg.Header.Get("Bcc")}
	kind, parameters, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind == "text/plain" {
		got.Text = body(t, msg.Header.Get("Content-Transfer-Encoding"), msg.Body)
		return got
	}
	parts := multipart.NewReader(msg.Body, parameters["boundary"])
	for _, form := range []*string{&got.Text, &got.HTML} { // the best form is the last one (RFC 2046, section 5.1.4)
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		*form = body(t, "", part) // NextPart decodes quoted-printable
	}
	return got
}

func TestSender(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "outbox")
	mailtest.TestSender(t, open(t, folder), func(t *testing.T, to string) (got []mailtest.Received) {
		for _, path := range files(t, folder) {
			if each := read(t, path); each.To == to {
				got = append(got, each)
			}
		}
		return got
	})
	for _, path := range files(t, folder) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got mode %v (%v), want 0600", info.Mode(), err)
		}
	}
}

// The files sort by time, also those that are written at the same moment.
func TestTheFilesSortByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		s := open(t, folder)
		for i := range 20 {
			if err := s.Send(t.Context(), mail.Message{To: []string{"ann@example.com"}, Subject: fmt.Sprint(i), Text: "a"}); err != nil {
				t.Fatal(err)
			}
			if i == 10 {
				time.Sleep(time.Second)
			}
		}
		for i, path := range files(t, folder) {
			if got := read(t, path).Subject; got != fmt.Sprint(i) || filepath.Ext(path) != ".eml" {
				t.Errorf("%s: got mail %s, want %d", filepath.Base(path), got, i)
			}
		}
	})
}

func TestAFolderThatCannotBeWritten(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "outbox")
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, folder).Send(t.Context(), mail.Message{To: []string{"ann@example.com"}, Subject: "a", Text: "a"}); !fault.Is(err, fault.Transient) {
		t.Errorf("got %v, want kind %s", err, fault.Transient)
	}
	if _, err := outbox.New(folder, "nobody"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a sender that is no address: got %v, want kind %s", err, fault.Invalid)
	}
}
