package plan

import "time"

// An absence in JumpCloud, of a user, a group or an edge between them, takes access away.
// One wrong answer must not do that. So an absence that no event states is believed only
// when a second read, made differently and some seconds later, agrees. If it concerns more
// than a few people at once, a third read must agree a minute after that.
const (
	SecondRead = 5 * time.Second
	ThirdRead  = time.Minute
	FewPeople  = 3
	// AbsenceLife is how long a read counts: if an absence is not shown again for so
	// long, the next read counts as the first one.
	AbsenceLife = 10 * time.Minute
)

// Absence says which reads have shown an absence so far. The zero value: none has.
type Absence struct {
	Since  time.Time `json:"since"`           // of the first read
	Second time.Time `json:"second,omitzero"` // of the second read, made differently, that agreed; zero until then
}

// WantsSecond reports whether a read at now must be followed by a second one, which is
// made differently.
func (a Absence) WantsSecond(now time.Time) bool {
	return !a.Since.IsZero() && a.Second.IsZero() && now.Sub(a.Since) >= SecondRead && now.Sub(a.Since) < AbsenceLife
}

// Shown is the absence after another read has shown it. It also returns whether the
// absence is then believed, and if not when to read again. people is how many people are
// in doubt at the time.
func (a Absence) Shown(now time.Time, people int) (after Absence, believed bool, again time.Time) {
	switch {
	case a.WantsSecond(now):
		a.Second = now
		return a, people <= FewPeople, now.Add(ThirdRead)
	case a.Since.IsZero() || now.Sub(a.Since) >= AbsenceLife:
		return Absence{Since: now}, false, now.Add(SecondRead)
	case a.Second.IsZero():
		return a, false, a.Since.Add(SecondRead)
	case now.Sub(a.Second) < ThirdRead:
		return a, false, a.Second.Add(ThirdRead)
	default:
		return a, true, time.Time{}
	}
}
