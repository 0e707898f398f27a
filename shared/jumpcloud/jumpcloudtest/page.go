package jumpcloudtest

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"slices"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// editable are the fields that can be changed on the page.
var editable = []string{"firstname", "lastname", "displayname", "username", "email", "alternateEmail", "jobTitle", "department", "location", "company", "employeeIdentifier"}

// page shows the users with the possible actions, and the latest notifications.
func (s *Simulator) page(w http.ResponseWriter, _ *http.Request) {
	deliveries := s.Deliveries()
	slices.Reverse(deliveries)
	var page bytes.Buffer
	err := pageTemplate.Execute(&page, map[string]any{
		"Organization": s.object(kindOrganization, s.organization).Text("displayName"),
		"Users":        s.Users(), "Groups": s.Groups(), "Fields": editable,
		"Deliveries": cut(deliveries, 0, 20), "Counters": s.Counters(),
	})
	if err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w)
}
