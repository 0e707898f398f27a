// Package outbox is the sender of mail of one machine: it writes every mail as a file that
// a mail program opens, and sends nothing.
//
// The names of the files begin with the time, so that they sort by it.
package outbox

import (
	"context"
	"crypto/rand"
	netmail "net/mail"
	"os"
	"path/filepath"
	"sync"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/local/durable"
	"entrasync/shared/mail"
)

// The modes of what only the user of the process may read: a mail has a link to the
// results of an import.
const (
	folderMode = 0o700
	fileMode   = 0o600
)

// nameFormat is the time in the name of a file. The fraction has a fixed length.
const nameFormat = "20060102T150405.000000000Z"

// Sender implements mail.Sender. It is safe for concurrent use.
type Sender struct {
	folder string
	from   netmail.Address

	mu   sync.Mutex
	last time.Time // of the last name
}

// New makes a sender that writes into a folder, which is made when the first mail is
// sent. from is the address in From, with or without a name.
func New(folder, from string) (*Sender, error) {
	address, err := mail.ParseAddress(from)
	return &Sender{folder: folder, from: address}, err
}

// Send implements mail.Sender.
func (s *Sender) Send(ctx context.Context, m mail.Message) error {
	return mail.Each(ctx, m, func(ctx context.Context, to netmail.Address) error {
		const op = "outbox.send"
		if err := ctx.Err(); err != nil {
			return fault.Wrap(err, fault.Transient, op)
		}
		at := s.next()
		content, err := mail.Compose(s.from, to, m, at)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(s.folder, folderMode); err != nil {
			return fault.Wrap(err, fault.Transient, op)
		}
		name := at.Format(nameFormat) + "-" + rand.Text()[:8] + ".eml"
		return fault.Wrap(durable.Write(filepath.Join(s.folder, name), content, fileMode), fault.Transient, op)
	})
}

// next is the time, later than that of the last name.
func (s *Sender) next() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	if !now.After(s.last) {
		now = s.last.Add(time.Nanosecond)
	}
	s.last = now
	return now
}
