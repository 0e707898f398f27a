package runtimeapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// api is the Lambda Runtime API, version 2018-06-01, of one process.
func (i *instance) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", i.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", i.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", i.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", i.initFailure)
	return mux
}

// next answers with the next event. The call says that the process is done with the one
// before.
func (i *instance) next(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.nexts++
	first := i.nexts == 1
	if first {
		i.init = time.Since(i.started)
	}
	previous := i.current
	i.current = nil
	i.mu.Unlock()
	if previous != nil {
		previous.limit.Stop()
		i.decide(previous, result{err: &FunctionError{Function: i.function.config.Name, Type: NoErrorGiven, Message: "the process requested the next event without an answer to this one"}})
	}
	if first {
		close(i.ready)
	} else {
		i.function.release(i)
	}
	var v *invocation
	select {
	case v = <-i.offer:
	case <-r.Context().Done():
		return
	}
	i.mu.Lock()
	i.current = v
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", v.id)
	w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(v.deadline.UnixMilli(), 10))
	w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", i.function.ARN())
	w.Header().Set("Lambda-Runtime-Trace-Id", v.trace)
	_, _ = w.Write(v.payload) // a process that went away is noticed by its end
}

// response takes the answer to an event.
func (i *instance) response(w http.ResponseWriter, r *http.Request) {
	v := i.named(w, r)
	if v == nil {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayloadBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		i.decide(v, result{err: &FunctionError{Function: i.function.config.Name, Type: "Function.ResponseSizeTooLarge", Message: "the answer is over 6 MB"}})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the answer is over 6 MB")
		return
	case err != nil:
		return // the process went away in the middle of its answer
	case r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		said, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err != nil {
			said = nil
		}
		i.decide(v, result{err: reported(i.function.config.Name, said)})
	default:
		i.decide(v, result{answer: body})
	}
	accept(w)
}

// failure takes an error report about an event.
func (i *instance) failure(w http.ResponseWriter, r *http.Request) {
	v := i.named(w, r)
	if v == nil {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayloadBytes))
	if err != nil {
		return
	}
	i.decide(v, result{err: reported(i.function.config.Name, body)})
	accept(w)
}

// initFailure takes an error report of a process that cannot become ready.
func (i *instance) initFailure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayloadBytes))
	if err != nil {
		return
	}
	i.mu.Lock()
	i.initError = reported(i.function.config.Name, body)
	i.mu.Unlock()
	accept(w)
}

// named is the event that a request names. It refuses any other than the current one.
func (i *instance) named(w http.ResponseWriter, r *http.Request) *invocation {
	i.mu.Lock()
	v := i.current
	i.mu.Unlock()
	if v == nil || v.id != r.PathValue("id") {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "this is not the event that was given out")
		return nil
	}
	return v
}

// accept is the answer to a report that was taken.
func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

// refuse is the answer to a report that was not taken.
func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": message})
}
