package jumpcloudtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// version is the API of a route.
type version string

const (
	v1       version = "/api"
	v2       version = "/api/v2"
	insights version = "/insights/directory/v1"
)

// request is a request to an API that passed the checks.
type request struct {
	*http.Request
	api       version
	body      any              // decoded JSON; nil without a body
	shown     *openapi3.Schema // schema of the objects in the answer; nil if it is not described
	behaviour Behaviour        // at the time of the request
}

// fields is the body as an object.
func (r *request) fields() Fields {
	object, _ := r.body.(map[string]any)
	return object
}

// reply is an answer. A nil body sends none; a text is sent as a JSON string.
type reply struct {
	status int
	header http.Header
	body   any
}

func ok(body any) (reply, error) { return reply{status: http.StatusOK, body: body}, nil }

func created(body any) (reply, error) { return reply{status: http.StatusCreated, body: body}, nil }

func noContent() (reply, error) { return reply{status: http.StatusNoContent}, nil }

// endpoint is one operation of an API.
type endpoint struct {
	api      version
	method   string
	path     string // as in JumpCloud's API description
	serve    func(*request) (reply, error)
	takes    []string // query parameters, where JumpCloud's description has none
	fields   []string // likewise of the body
	shows    string   // the schema of the listed objects, where JumpCloud's description has none
	lenient  bool     // the vendor's schema of the body contradicts the vendor's text
	nobodyIn bool     // the body must be empty
}

func (s *Simulator) routes() http.Handler {
	mux := http.NewServeMux()
	var all []endpoint
	all = append(all, s.userEndpoints()...)
	all = append(all, s.groupEndpoints()...)
	all = append(all, s.directoryEndpoints()...)
	all = append(all, s.applicationEndpoints()...)
	all = append(all, s.organizationEndpoints()...)
	all = append(all, s.bulkEndpoints()...)
	all = append(all, s.scheduleEndpoints()...)
	all = append(all, s.channelEndpoints()...)
	all = append(all, s.ruleEndpoints()...)
	all = append(all, s.feedEndpoints()...)
	all = append(all, s.serviceAccountEndpoints()...)
	for _, e := range all {
		mux.HandleFunc(e.method+" "+string(e.api)+e.path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, e) })
	}
	for _, api := range []version{v1, v2, insights} {
		mux.HandleFunc(string(api)+"/", func(w http.ResponseWriter, r *http.Request) {
			write(w, s.elsewhere(r, api, all))
		})
	}
	mux.HandleFunc("POST "+tokenPath, s.signIn)
	mux.Handle("/", s.control())
	return mux
}

// serve passes a request to its endpoint, unless a fault, the key, the organization or
// the body prevents it.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	fault := s.arrived(r, e)
	if fault != nil {
		if !wait(r.Context(), fault.Delay) {
			return
		}
		if !fault.AfterChange && s.goWrong(w, fault, e.api) {
			return
		}
	}
	answer, err := s.answer(w, r, e)
	if err == nil && fault != nil {
		answer, err = fault.mistaken(answer)
	}
	if err != nil {
		answer = refusalReply(err, e.api)
	}
	if fault != nil && fault.AfterChange && s.goWrong(w, fault, e.api) {
		return
	}
	write(w, answer)
}

func (s *Simulator) answer(w http.ResponseWriter, r *http.Request, e endpoint) (reply, error) {
	if err := s.authorize(r, e); err != nil {
		return reply{}, err
	}
	if err := s.schemas.checkParameters(r, e); err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	req := &request{Request: r, api: e.api, shown: s.schemas.shownBy(e), behaviour: s.behaviour}
	s.mu.Unlock()
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return reply{}, refuse(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	if len(raw) > 0 {
		if e.nobodyIn {
			return reply{}, refuse(http.StatusBadRequest, "the body must be empty")
		}
		if json.Unmarshal(raw, &req.body) != nil {
			return reply{}, refuse(http.StatusBadRequest, "the body is not JSON")
		}
	}
	if err := s.schemas.checkFields(e, req.body); err != nil {
		return reply{}, err
	}
	if !e.lenient {
		if err := s.schemas.checkBody(e, req.body, len(raw) > 0); err != nil {
			return reply{}, err
		}
	}
	return e.serve(req)
}

// authorize checks the credential and the organization. The answers to a wrong x-org-id are
// JumpCloud's: malformed 400, missing where required 401, not supported by the
// route 403, unknown 404 (JumpCloud API documentation).
func (s *Simulator) authorize(r *http.Request, e endpoint) error {
	s.mu.Lock()
	requireOrg, refuseOrg := s.behaviour.RequireOrgID, s.behaviour.RefuseUnsupportedOrgID
	s.mu.Unlock()
	if err := s.authenticate(r, e); err != nil {
		return err
	}
	given := r.Header.Get("x-org-id")
	supported := s.schemas.takesOrgID(e)
	switch {
	case given == "" && requireOrg && supported:
		return refuse(http.StatusUnauthorized, "x-org-id is required")
	case given == "":
		return nil
	case !isObjectID(given):
		return refuse(http.StatusBadRequest, "x-org-id is malformed")
	case refuseOrg && !supported:
		return refuse(http.StatusForbidden, "x-org-id is not supported by this route")
	case given != s.organization:
		return refuse(http.StatusNotFound, "organization not found")
	}
	return nil
}

// wait waits for d; it reports false if the context ends before.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func write(w http.ResponseWriter, answer reply) {
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	if answer.body == nil {
		w.WriteHeader(answer.status)
		return
	}
	encoded, err := json.Marshal(answer.body)
	if raw, isRaw := answer.body.(json.RawMessage); isRaw { // a fault may send a body that is not JSON
		encoded, err = raw, nil
	}
	if err != nil {
		http.Error(w, fmt.Sprintf("encoding the answer: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(answer.status)
	_, _ = w.Write(encoded) // the client may be gone
}
