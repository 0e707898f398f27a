package entratest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serveGraph serves one HTTP request below /v1.0.
func (s *Simulator) serveGraph(w http.ResponseWriter, r *http.Request) {
	rawQuery := r.URL.RawQuery
	query, queryErr := url.ParseQuery(rawQuery)
	c := &call{
		sim: s, ctx: r.Context(), behaviour: s.behaviour(), now: time.Now(),
		method: r.Method, base: baseURL(r) + "/v1.0", path: strings.TrimPrefix(r.URL.EscapedPath(), "/v1.0"),
		query: query, rawQuery: rawQuery, header: r.Header, reply: &lostReply{},
		requestID: s.random.uuid(), clientRequestID: r.Header.Get("client-request-id"),
	}
	if c.clientRequestID == "" {
		c.clientRequestID = c.requestID
	}
	s.counters.request()
	var a *answer
	raw, failure := readBody(r)
	switch {
	case failure != nil:
		a = c.refused(failure)
	case queryErr != nil:
		a = c.refused(malformed("Bad Request - Error in query syntax."))
	default:
		c.rawBody = raw
		a = c.run()
	}
	s.log.add(c, a)
	if c.reply.lost {
		panic(http.ErrAbortHandler) // the way net/http documents to drop a connection without an answer
	}
	writeAnswer(w, r, c, a)
}

// baseURL is the address that the client used, so that links in answers lead back.
func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.URL.Scheme == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// readBody reads a body and decompresses gzip: the Go SDK compresses every body. A body
// that is declared as gzip and is not is refused, as by the service.
func readBody(r *http.Request) ([]byte, *graphError) {
	var reader io.Reader = r.Body
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(r.Body)
		if errors.Is(err, io.EOF) {
			return nil, nil // no body at all
		}
		if err != nil {
			return nil, malformed("The request body is not valid for the content encoding 'gzip'.")
		}
		reader = unpacked
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, codeUnsupportedMedia, "The content encoding '%s' is not supported.", encoding)
	}
	raw, err := io.ReadAll(io.LimitReader(reader, maxBodyBytes+1))
	if err != nil {
		return nil, malformed("The request body could not be read.")
	}
	if len(raw) > maxBodyBytes {
		return nil, refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request body is too large.")
	}
	return raw, nil
}

// decodeBody parses the JSON object in the body.
func (c *call) decodeBody() *graphError {
	if len(bytes.TrimSpace(c.rawBody)) == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(c.header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, codeUnsupportedMedia,
			"The request is using an unsupported media type. Only application/json is supported.")
	}
	var value any
	if err := json.Unmarshal(c.rawBody, &value); err != nil {
		return malformed("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	object, isObject := value.(map[string]any)
	if !isObject {
		return malformed("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	c.body = object
	return nil
}

// writeAnswer sends an answer with the headers that every answer of Graph has.
func writeAnswer(w http.ResponseWriter, r *http.Request, c *call, a *answer) {
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	header.Set("request-id", c.requestID)
	header.Set("client-request-id", c.clientRequestID)
	header.Set("Date", c.now.UTC().Format(http.TimeFormat))
	header.Set("Cache-Control", "no-cache")
	header.Set("Strict-Transport-Security", "max-age=31536000")
	header.Set("x-ms-ags-diagnostic", `{"ServerInfo":{"DataCenter":"Simulated","Slice":"E","Ring":"0","ScaleUnit":"000","RoleInstance":"ENTRATEST"}}`)
	c.meter.describe(header)
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	raw, isRaw := a.body.(json.RawMessage)
	if !isRaw {
		var err error
		if raw, err = json.Marshal(a.body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", contentType(a.status))
	}
	header.Add("Vary", "Accept-Encoding")
	if len(raw) >= gzipFromBytes && acceptsGzip(r) {
		raw = packed(raw)
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(a.status)
	_, _ = w.Write(raw) // a client that went away is its own business
}

func contentType(status int) string {
	if status >= http.StatusBadRequest {
		return "application/json"
	}
	return "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
}

func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if (coding == "gzip" || coding == "*") && strings.TrimSpace(weight) != "q=0" {
			return true
		}
	}
	return false
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func packed(raw []byte) []byte {
	var b bytes.Buffer
	w, _ := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&b)
	_, _ = w.Write(raw) // writing into memory does not fail
	_ = w.Close()
	return b.Bytes()
}
