// Package fileresults is the store of result files of one machine: files below a folder,
// and the handler that serves them to whoever has a link.
//
// A link has its own signature, which covers the file, the name to save it as and the
// time when the link ends. So a link is valid for one file only, and neither an
// administrator's token nor a cookie is needed to follow it. Files are removed when they
// are as old as [results.Kept] says.
package fileresults

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/fault"
	"entrasync/shared/local/durable"
	"entrasync/shared/results"
)

// Path is the path below which the handler serves files. It is followed by the name of
// the file.
const Path = "/files/"

// minKey is the length of the shortest key: that of the hash (RFC 2104, section 3).
const minKey = sha256.Size

// The modes of what only the user of the process may read: there are names and addresses
// of people in the files.
const (
	folderMode = 0o700
	fileMode   = 0o600
)

// sweepEvery is the shortest time between two sweeps.
const sweepEvery = time.Hour

// Store implements results.Store and http.Handler. It is safe for concurrent use, but not
// for two processes on one folder.
type Store struct {
	folder, base string
	key          []byte

	files sync.RWMutex // held to write while old files and their folders are removed
	mu    sync.Mutex
	swept time.Time
}

// Open makes a store of the files below a folder, which is made when the first file is
// put. base is the address of the server that serves the handler, such as
// http://127.0.0.1:8080. The key signs the links: with another key the links that were
// given out before do not work any more.
func Open(folder, base string, key []byte) (*Store, error) {
	const op = "fileresults.open"
	if len(key) < minKey {
		return nil, fault.New(fault.Internal, op, fmt.Sprintf("the key for links has %d bytes, and it needs %d", len(key), minKey))
	}
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.RawQuery != "" {
		return nil, fault.New(fault.Internal, op, "the address of the server is not one: "+base)
	}
	s := &Store{folder: folder, base: strings.TrimSuffix(base, "/"), key: key}
	return s, s.Sweep()
}

// Put implements results.Store.
func (s *Store) Put(ctx context.Context, name, contentType string, content io.Reader) error {
	const op = "fileresults.put"
	if err := results.CheckName(name); err != nil {
		return err
	}
	if err := s.Sweep(); err != nil { // an old file that stays is no reason to lose a new one
		zerolog.Ctx(ctx).Error().Err(err).Msg("old result files are not removed")
	}
	s.files.RLock()
	defer s.files.RUnlock()
	path := s.path(name)
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return fault.Wrap(err, fault.Transient, op)
	}
	err := durable.WriteFrom(path, fileMode, func(w io.Writer) error {
		_, err := io.Copy(w, interrupted{ctx, content})
		return err
	}, func(string) error { return durable.Write(typeOf(path), []byte(contentType), fileMode) })
	return fault.Wrap(err, fault.Transient, op)
}

// path is where a file is. The name must have been checked.
func (s *Store) path(name string) string { return filepath.Join(s.folder, filepath.FromSlash(name)) }

// typeOf is where the media type of a file is. No name of a file begins with a dot.
func typeOf(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".type")
}

// interrupted is a reader that ends with its context.
type interrupted struct {
	ctx  context.Context
	from io.Reader
}

// Read implements io.Reader.
func (r interrupted) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// The parameters of a link.
const (
	saveAsParameter  = "as"
	expiresParameter = "expires"
	signParameter    = "signature"
)

// Link implements results.Store.
func (s *Store) Link(_ context.Context, name, saveAs string, life time.Duration) (string, error) {
	if err := results.CheckLink(name, life); err != nil {
		return "", err
	}
	expires := strconv.FormatInt(time.Now().Add(life).Unix(), 10)
	query := url.Values{
		saveAsParameter: {saveAs}, expiresParameter: {expires},
		signParameter: {base64.RawURLEncoding.EncodeToString(s.sign(name, saveAs, expires))},
	}
	return s.base + Path + name + "?" + query.Encode(), nil
}

// sign is the signature of a link. The length of each part is signed with it, so that no
// two links have the same text.
func (s *Store) sign(parts ...string) []byte {
	mac := hmac.New(sha256.New, s.key)
	for _, part := range parts {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return mac.Sum(nil)
}

// Sweep removes the files that are too old, unless it did so a short time ago. A put does
// so too; a program that runs for long calls it from time to time, because nothing may be
// put for months.
func (s *Store) Sweep() error {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) < sweepEvery {
		return nil
	}
	s.files.Lock()
	defer s.files.Unlock()
	if err := removeOld(s.folder, now.Add(-results.Kept)); err != nil {
		return fault.Wrap(err, fault.Transient, "fileresults.sweep")
	}
	s.swept = now
	return nil
}

// removeOld removes the files below a folder that were last written before a time, and
// the folders that are empty then.
func removeOld(folder string, before time.Time) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if entry.IsDir() {
			if err := removeOldFolder(path, before); err != nil {
				return err
			}
			continue
		}
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(before) {
			err = os.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removeOldFolder does so with a folder in it.
func removeOldFolder(folder string, before time.Time) error {
	if err := removeOld(folder, before); err != nil {
		return err
	}
	left, err := os.ReadDir(folder)
	if err == nil && len(left) == 0 {
		err = os.Remove(folder)
	}
	return err
}
