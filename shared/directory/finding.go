package directory

import (
	"slices"
	"time"
)

// Finding is one thing about an account or a group that somebody else changed in Entra. Who
// it was Graph does not say.
type Finding struct {
	Attribute Attribute `json:"attribute"`
	// Expected is what entrasync wrote, and Found what Entra has. Of [Members] they are the
	// members that are missing and those that are too many.
	Expected Value `json:"expected"`
	Found    Value `json:"found"`
	// More is how many more members there are than Expected and Found name.
	More int       `json:"more,omitempty"`
	At   time.Time `json:"at"` // when it was first found
}

// The attributes of findings about an object that is gone: one that can be restored has a
// time of deletion, and one that cannot has no id any more.
const (
	DeletedAt Attribute = "deletedDateTime"
	ObjectID  Attribute = "id"
)

// Same reports whether two findings say the same, whenever they were made.
func (f Finding) Same(other Finding) bool {
	return f.Attribute == other.Attribute && f.Expected.Equal(other.Expected) && f.Found.Equal(other.Found) && f.More == other.More
}

// Change is the finding as a change: from what was expected to what was found.
func (f Finding) Change() Change {
	return Change{Attribute: f.Attribute, From: f.Expected, To: f.Found}
}

// Findings are what is known to differ, at most one for each attribute.
type Findings []Finding

// Of is the finding about an attribute; ok is false if there is none.
func (f Findings) Of(name Attribute) (found Finding, ok bool) {
	i := slices.IndexFunc(f, func(each Finding) bool { return each.Attribute == name })
	if i < 0 {
		return Finding{}, false
	}
	return f[i], true
}

// Gone reports whether the object was found to be gone.
func (f Findings) Gone() bool {
	return slices.ContainsFunc(f, func(each Finding) bool { return each.Attribute == DeletedAt || each.Attribute == ObjectID })
}

// Without are the findings about other attributes; nil if there are none.
func (f Findings) Without(names ...Attribute) Findings {
	var rest Findings
	for _, each := range f {
		if !slices.Contains(names, each.Attribute) {
			rest = append(rest, each)
		}
	}
	return rest
}

// Replaced are the findings of a new comparison in place of f. One that was known before
// keeps its time; news are the others.
func (f Findings) Replaced(by Findings) (all, news Findings) {
	for _, each := range by {
		if before, known := f.Of(each.Attribute); known && before.Same(each) {
			each.At = before.At
		} else {
			news = append(news, each)
		}
		all = append(all, each)
	}
	return all, news
}
