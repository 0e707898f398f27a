package admin

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// routed serves what the API has operations for. What is no operation is answered,
// like everything else that is refused, with a problem document: a path that is
// none, also one that would be one if it were tidied up, with 404, and a method
// that a path does not have with 405 (RFC 9110, 15.5.6).
func routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, asked := repeat(r.Method), repeat(r.URL.Path)
		none := "there is no operation " + method + " " + asked + ": /openapi.json lists them all"
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
			writeProblem(w, http.StatusMethodNotAllowed, asked+" cannot be asked with "+method+", only with "+strings.Join(allowed, ", "))
			return
		}
		writeProblem(w, http.StatusNotFound, none)
	})
}

// tidy reports whether a path is as it is meant: of any other one the multiplexer
// would redirect to what it takes it for.
func tidy(p string) bool {
	cleaned := path.Clean(p)
	return p == cleaned || p == cleaned+"/"
}

// methodsOf are the methods that the path of a request has.
func methodsOf(mux *http.ServeMux, r *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		asked := r.Clone(r.Context())
		asked.Method = method
		if _, pattern := mux.Handler(asked); pattern != "" {
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
