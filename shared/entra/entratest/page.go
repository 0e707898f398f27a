package entratest

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"net/http"
	"slices"
	"sync"
)

//go:embed page.html
var pageHTML string

var page = sync.OnceValues(func() (*template.Template, error) { return template.New("page").Parse(pageHTML) })

// The highest numbers on one page.
const pageUsers, pageGroups, pageRequests = 200, 200, 40

// servePage shows the directories and the last requests to a person.
func (s *Simulator) servePage(w http.ResponseWriter, _ *http.Request) {
	t, err := page()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	state := s.State()
	slices.Reverse(state.Requests)
	state.Requests = state.Requests[:min(len(state.Requests), pageRequests)]
	for i := range state.Tenants {
		state.Tenants[i].Users = state.Tenants[i].Users[:min(len(state.Tenants[i].Users), pageUsers)]
		state.Tenants[i].Groups = state.Tenants[i].Groups[:min(len(state.Tenants[i].Groups), pageGroups)]
	}
	var b bytes.Buffer
	if err := t.Execute(&b, state); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	_, _ = b.WriteTo(w) // a browser that went away is its own business
}
