package admin

import (
	"time"

	"entrasync/shared/directory"
)

// driftView is one thing that somebody else changed in Entra.
type driftView struct {
	Attribute directory.Attribute `json:"attribute" doc:"The property in Microsoft Graph; members of a group; deletedDateTime or id of an object that is gone"`
	Expected  any                 `json:"expected" doc:"What entrasync wrote; of members, those that are missing"`
	Found     any                 `json:"found" doc:"What Entra has; of members, those that are too many"`
	More      int                 `json:"more,omitempty" doc:"How many more members there are than are named"`
	At        time.Time           `json:"at" doc:"When it was first found"`
}

// viewOfDrift shows findings.
func viewOfDrift(findings directory.Findings) []driftView {
	var views []driftView
	for _, f := range findings {
		views = append(views, driftView{Attribute: f.Attribute, Expected: valueIn(f.Attribute, f.Expected), Found: valueIn(f.Attribute, f.Found), More: f.More, At: f.At})
	}
	return views
}

// valueIn converts a value of a finding; null is nothing.
func valueIn(name directory.Attribute, value directory.Value) any {
	if len(value) == 0 {
		return nil
	}
	return shownAs(name, value)
}
