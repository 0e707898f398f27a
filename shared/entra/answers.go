package entra

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"entrasync/shared/fault"
)

// response is the answer to one request.
type response struct {
	ID      string
	Status  int
	Headers map[string]string
	Body    json.RawMessage

	err   error // the request was not answered, or its answer is useless
	token token // that the request carried
	alone bool  // the request was sent outside of a batch
}

// header is the answer's headers as http has them.
func (r response) header() http.Header {
	h := http.Header{}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	return h
}

// doubt is the doubt that the answer casts on the token.
func (r response) doubt() doubt {
	if r.err != nil {
		return noDoubt
	}
	return doubtOf(r.Status, r.Body)
}

// readBatch reads the answer to a batch: the answers of its items by their ids, in
// lower case, because Graph compares ids so. An item of an unexpected form loses only
// its own answer.
func readBatch(got reply) (map[string]response, error) {
	var parsed struct {
		Responses []json.RawMessage `json:"responses"`
	}
	if err := json.Unmarshal(got.body, &parsed); err != nil {
		return nil, &fault.Error{Op: "entra.batch", Kind: fault.Transient, Message: "Graph's answer to a batch cannot be read", Err: err}
	}
	each := make(map[string]response, len(parsed.Responses))
	for _, raw := range parsed.Responses {
		if answer, readable := readItem(raw); readable {
			answer.token = got.token
			each[strings.ToLower(answer.ID)] = answer
		}
	}
	return each, nil
}

// readItem reads the answer of one item. Ids, statuses and the values of headers are
// texts or numbers (both occur); headers may be anything else, too.
func readItem(raw json.RawMessage) (answer response, readable bool) {
	var parsed struct {
		ID      json.RawMessage `json:"id"`
		Status  json.RawMessage `json:"status"`
		Headers json.RawMessage `json:"headers"`
		Body    json.RawMessage `json:"body"`
	}
	if json.Unmarshal(raw, &parsed) != nil {
		return response{}, false
	}
	status, err := strconv.Atoi(plain(parsed.Status))
	if err != nil || status < http.StatusContinue {
		return response{}, false
	}
	answer = response{ID: plain(parsed.ID), Status: status, Headers: map[string]string{}, Body: parsed.Body}
	var headers map[string]json.RawMessage
	if json.Unmarshal(parsed.Headers, &headers) == nil {
		for name, value := range headers {
			if text := plain(value); text != "" {
				answer.Headers[name] = text
			}
		}
	}
	return answer, answer.ID != ""
}

// plain is a JSON value as a header has it: a text without its quotes, the elements of
// a list joined by commas, "" for null.
func plain(raw json.RawMessage) string {
	var text string
	var list []json.RawMessage
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return ""
	case json.Unmarshal(raw, &text) == nil:
		return text
	case json.Unmarshal(raw, &list) == nil:
		parts := make([]string, len(list))
		for i, part := range list {
			parts[i] = plain(part)
		}
		return strings.Join(parts, ", ")
	default:
		return string(raw)
	}
}
