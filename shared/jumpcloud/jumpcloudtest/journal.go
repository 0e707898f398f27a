package jumpcloudtest

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// openJournal replays the file, writes a new one with only the present objects and
// events, and keeps it open for appending.
func (s *Simulator) openJournal(path string) error {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("jumpcloudtest: reading the journal: %w", err)
	}
	if err := s.replay(content); err != nil {
		return err
	}
	if err := s.compact(path); err != nil {
		return fmt.Errorf("jumpcloudtest: compacting the journal: %w", err)
	}
	s.journal, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("jumpcloudtest: opening the journal: %w", err)
	}
	return nil
}

// replay reads every complete line. The last line is incomplete if the process was
// killed while it wrote the line: that change was never acknowledged, so it is dropped.
func (s *Simulator) replay(content []byte) error {
	oldest := time.Now().Add(-s.behaviour.Retention)
	for number := 1; ; number++ {
		line, rest, complete := bytes.Cut(content, []byte("\n"))
		if !complete {
			return nil
		}
		content = rest
		var records []record
		if err := json.Unmarshal(line, &records); err != nil {
			return fmt.Errorf("jumpcloudtest: line %d of the journal: %w", number, err)
		}
		for _, r := range records {
			s.ids.saw(r.ID)
			switch r.Kind {
			case kindEvent:
				if event := eventFromRecord(r); event.at.After(oldest) {
					s.feed = append(s.feed, event)
				}
			case kindSecret:
				s.store.put(r.Kind, r.ID, s.unseal(r.Object))
			default:
				s.store.put(r.Kind, r.ID, r.Object)
			}
		}
	}
}

// compact writes the present objects and events to a new file, and replaces the old one
// with it.
func (s *Simulator) compact(path string) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	write := func(r record) {
		var line []byte
		if err == nil {
			line, err = s.journalLine([]record{r})
		}
		if err == nil {
			_, err = out.Write(line)
		}
	}
	for k, objects := range s.store.objects {
		for id, object := range objects {
			write(record{k, id, object})
		}
	}
	for _, event := range s.feed {
		write(event.record())
	}
	if err := errors.Join(err, out.Flush(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// sealer encrypts with a key made from the API key: the journal shows no webhook
// secret, and a simulator started with the same API key can read them again.
func (s *Simulator) sealer() (cipher.AEAD, error) {
	key := sha256.Sum256([]byte("jumpcloudtest journal " + s.key))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (s *Simulator) seal(secret Fields) (string, error) {
	sealer, err := s.sealer()
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(secret)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sealer.Seal(nil, nil, plain, nil)), nil //nolint:gosec // the sealer draws a nonce for every message itself
}

// unseal decrypts a sealed secret. With another API key it cannot, and the channel has
// no secret until one is set again.
func (s *Simulator) unseal(object Fields) Fields {
	if object == nil {
		return nil
	}
	sealed, err := base64.StdEncoding.DecodeString(object.Text("sealed"))
	if err != nil {
		return Fields{}
	}
	sealer, err := s.sealer()
	if err != nil {
		return Fields{}
	}
	plain, err := sealer.Open(nil, nil, sealed, nil)
	if err != nil {
		return Fields{}
	}
	var secret Fields
	if json.Unmarshal(plain, &secret) != nil {
		return Fields{}
	}
	return secret
}
