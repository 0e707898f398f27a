package jumpcloudtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// control serves the page at / and the requests of the page and of scripts under /_sim.
// It needs no key: everyone who reaches the simulator may change it, except web pages
// of other origins in a browser.
//
//	GET  /_sim/state                      everything, without secrets
//	GET  /_sim/deliveries                 the latest notifications
//	GET  /_sim/counters
//	POST /_sim/users                      add a user: JSON or form → {"id"}
//	POST /_sim/users/{id}                 change fields: JSON or form
//	POST /_sim/users/{id}/{action}        suspend, activate, lock, unlock, expire, delete
//	POST /_sim/groups                     {"name"} → {"id"}
//	POST /_sim/groups/{id}/members        {"op": add|remove, "id": user or group}
//	POST /_sim/directories, applications  {"name"} → {"id"}
//	POST /_sim/associations               {"op": add|remove, "id": user or group, "target": directory or application}
//	POST /_sim/notify                     {"url", "token"} → {"id"}
//	POST /_sim/behaviour                  some fields of Behaviour, durations in nanoseconds
//	POST /_sim/fail                       a Fault
//	POST /_sim/mend                       remove all faults
//	POST /_sim/resolve                    close open alerts
//	POST /_sim/emit                       {"type", "fields"} any event
func (s *Simulator) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /_sim/state", func(w http.ResponseWriter, r *http.Request) { write(w, reply{status: http.StatusOK, body: s.State()}) })
	mux.HandleFunc("GET /_sim/deliveries", func(w http.ResponseWriter, r *http.Request) {
		write(w, reply{status: http.StatusOK, body: s.Deliveries()})
	})
	mux.HandleFunc("GET /_sim/counters", func(w http.ResponseWriter, r *http.Request) {
		write(w, reply{status: http.StatusOK, body: s.Counters()})
	})
	posts := map[string]func(*http.Request, Fields) (any, error){
		"/users": func(_ *http.Request, in Fields) (any, error) { return identified(s.CreateUser(in)) },
		"/users/{id}": func(r *http.Request, in Fields) (any, error) {
			return nil, s.UpdateUser(r.PathValue("id"), in)
		},
		"/users/{id}/{action}": s.controlUser,
		"/groups":              func(_ *http.Request, in Fields) (any, error) { return identified(s.CreateGroup(in.Text("name"))) },
		"/groups/{id}/members": s.controlMember,
		"/directories":         func(_ *http.Request, in Fields) (any, error) { return identified(s.CreateDirectory(in.Text("name"))) },
		"/applications":        func(_ *http.Request, in Fields) (any, error) { return identified(s.CreateApplication(in.Text("name"))) },
		"/associations":        s.controlAssociation,
		"/notify": func(_ *http.Request, in Fields) (any, error) {
			return identified(s.Notify(in.Text("url"), in.Text("token")))
		},
		"/behaviour": s.controlBehaviour,
		"/fail":      s.controlFault,
		"/mend": func(*http.Request, Fields) (any, error) {
			s.Mend()
			return nil, nil
		},
		"/resolve": func(*http.Request, Fields) (any, error) {
			s.ResolveAlerts()
			return nil, nil
		},
		"/emit": func(_ *http.Request, in Fields) (any, error) {
			fields, _ := in["fields"].(map[string]any)
			return nil, s.Emit(in.Text("type"), fields)
		},
	}
	for path, do := range posts {
		mux.HandleFunc("POST /_sim"+path, func(w http.ResponseWriter, r *http.Request) { controlled(w, r, do) })
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

func identified(id string, err error) (any, error) { return Fields{"id": id}, err }

// controlled reads JSON or a form, calls do, and answers with JSON or, for a form,
// redirects the browser to the page.
func controlled(w http.ResponseWriter, r *http.Request, do func(*http.Request, Fields) (any, error)) {
	in, isForm, err := input(w, r)
	var answer any
	if err == nil {
		answer, err = do(r, in)
	}
	var refused *Refusal
	switch {
	case errors.As(err, &refused) && isForm:
		http.Error(w, refused.Message, refused.Status)
	case err != nil:
		write(w, refusalReply(err, v1))
	case isForm:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case answer == nil:
		write(w, reply{status: http.StatusNoContent})
	default:
		write(w, reply{status: http.StatusOK, body: answer})
	}
}

func input(w http.ResponseWriter, r *http.Request) (in Fields, isForm bool, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	in = Fields{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if err := r.ParseForm(); err != nil {
			return nil, true, refuse(http.StatusBadRequest, "the form cannot be read")
		}
		for name := range r.PostForm {
			in[name] = r.PostForm.Get(name)
		}
		return in, true, nil
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil || len(raw) > 0 && json.Unmarshal(raw, &in) != nil {
		return nil, false, refuse(http.StatusBadRequest, "the body is not a JSON object")
	}
	return in, false, nil
}

func (s *Simulator) controlUser(r *http.Request, _ Fields) (any, error) {
	actions := map[string]func(string) error{"suspend": s.SuspendUser, "activate": s.ActivateUser, "lock": s.LockUser,
		"unlock": s.UnlockUser, "expire": s.ExpirePassword, "delete": s.DeleteUser}
	do, known := actions[r.PathValue("action")]
	if !known {
		return nil, refuse(http.StatusNotFound, "no such action")
	}
	return nil, do(r.PathValue("id"))
}

func (s *Simulator) controlMember(r *http.Request, in Fields) (any, error) {
	if in.Text("op") == "remove" {
		return nil, s.RemoveMember(r.PathValue("id"), in.Text("id"))
	}
	return nil, s.AddMember(r.PathValue("id"), in.Text("id"))
}

func (s *Simulator) controlAssociation(_ *http.Request, in Fields) (any, error) {
	if in.Text("op") == "remove" {
		return nil, s.Dissociate(in.Text("id"), in.Text("target"))
	}
	return nil, s.Associate(in.Text("id"), in.Text("target"))
}

// controlBehaviour changes the fields of Behaviour that the body names.
func (s *Simulator) controlBehaviour(_ *http.Request, in Fields) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.behaviour.clone()
	if err := into(&changed, in); err != nil {
		return nil, err
	}
	s.behaviour = changed
	return nil, nil
}

func (s *Simulator) controlFault(_ *http.Request, in Fields) (any, error) {
	var fault Fault
	if err := into(&fault, in); err != nil {
		return nil, err
	}
	if err := fault.check(); err != nil {
		return nil, err
	}
	s.FailNext(fault)
	return nil, nil
}

// into reads the fields of a body into a struct. It refuses unknown fields: their
// author believes that they have an effect.
func into(target any, in Fields) error {
	encoded, err := json.Marshal(in)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return refuse(http.StatusBadRequest, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
