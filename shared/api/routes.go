package api

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// routed serves the operations of the API and answers every other request with a
// problem document: an unknown path with 404, also one that is known only after
// cleaning, and a method that the path does not have with 405 (RFC 9110, 15.5.6).
func routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, target := repeat(r.Method), repeat(r.URL.Path)
		none := "there is no operation " + method + " " + target + ": /openapi.json lists them all"
		if !tidy(r.URL.Path) {
			writeProblem(w, http.StatusNotFound, none)
			return
		}
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		if allowed := methodsOf(mux, r); len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeProblem(w, http.StatusMethodNotAllowed, target+" cannot be asked with "+method+", only with "+strings.Join(allowed, ", "))
			return
		}
		writeProblem(w, http.StatusNotFound, none)
	})
}

// tidy reports whether a path is clean. The multiplexer would redirect any other path
// to its clean form.
func tidy(p string) bool {
	cleaned := path.Clean(p)
	return p == cleaned || p == cleaned+"/"
}

// methodsOf returns the methods that the path of a request has.
func methodsOf(mux *http.ServeMux, r *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := mux.Handler(probe); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return slices.Clip(allowed)
}

// writeProblem answers with a problem document.
func writeProblem(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(status)
	_, _ = w.Write(problem(status, message)) // the caller may have gone away
}
