package fileresults

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/results"
)

// What a person reads in the browser. Both refusals have the same status.
const (
	refusedText = "This link is not valid."
	expiredText = "This link is not valid any more. Follow the link in the mail once more, or ask the API for a new one."
	goneText    = "There is no such file. Results are kept for 30 days."
	failedText  = "The file cannot be read at the moment. Try again later."
)

// ServeHTTP serves the file of a link to GET and HEAD.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Cache-Control", "private, no-store")
	header.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, Path)
	if why := s.refused(r, name); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	s.serve(w, r, name)
}

// refused is why a link is not followed; "" if it is. The signature is checked first, in
// constant time, so that nobody learns anything about links that were never given out.
func (s *Store) refused(r *http.Request, name string) string {
	query := r.URL.Query()
	signature, err := base64.RawURLEncoding.Strict().DecodeString(query.Get(signParameter))
	expires := query.Get(expiresParameter)
	if err != nil || !hmac.Equal(signature, s.sign(name, query.Get(saveAsParameter), expires)) || results.CheckName(name) != nil {
		return refusedText
	}
	if until, err := strconv.ParseInt(expires, 10, 64); err != nil || time.Now().Unix() >= until {
		return expiredText
	}
	return ""
}

// serve writes the file. The file and its folder are opened below the store's folder, so
// that no link in the file system leads out of it.
func (s *Store) serve(w http.ResponseWriter, r *http.Request, name string) {
	file, err := os.OpenInRoot(s.folder, filepath.FromSlash(name))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err == nil && (info.IsDir() || time.Since(info.ModTime()) > results.Kept) {
		err = fs.ErrNotExist
	}
	contentType := []byte(nil)
	if err == nil {
		contentType, err = os.ReadFile(typeOf(s.path(name)))
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", string(contentType))
	w.Header().Set("Content-Disposition", results.Disposition(r.URL.Query().Get(saveAsParameter)))
	http.ServeContent(w, r, "", info.ModTime(), file)
}

// fail answers when the file cannot be read.
func (s *Store) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, goneText, http.StatusNotFound)
		return
	}
	zerolog.Ctx(r.Context()).Error().Err(err).Msg("a result file cannot be read")
	http.Error(w, failedText, http.StatusInternalServerError)
}
