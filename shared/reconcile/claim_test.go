package reconcile

import (
	"testing"
	"time"

	"entrasync/shared/directory"
)

// A value is known to be older than a claim if another event of the last minute said that it
// was replaced.
func TestAFormerValueIsNoLaterState(t *testing.T) {
	const ann directory.UserID = "64a1b2c3d4e5f60718293a4b"
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	altered := func(field, from, to string, at time.Time) directory.Claim {
		return directory.Claim{Kind: directory.Altered, User: ann, Field: field, At: at,
			From: directory.Digest(string(ann), field, from), To: directory.Digest(string(ann), field, to)}
	}
	claim := altered("lastname", "Moss", "Reed", at)
	for name, tc := range map[string]struct {
		other directory.Claim
		reads string
		want  directory.Shown
	}{
		"what the other event replaced":            {altered("lastname", "Lee", "Moss", at.Add(-time.Second)), "Lee", directory.Lags},
		"at the same time":                         {altered("lastname", "Lee", "Moss", at), "Lee", directory.Lags},
		"a minute before":                          {altered("lastname", "Lee", "Moss", at.Add(-longestLag)), "Lee", directory.Lags},
		"too long before":                          {altered("lastname", "Lee", "Moss", at.Add(-longestLag-time.Millisecond)), "Lee", directory.Another},
		"what a later event replaced":              {altered("lastname", "Stone", "Lee", at.Add(time.Second)), "Stone", directory.Another},
		"what another field had":                   {altered("firstname", "Lee", "Moss", at.Add(-time.Second)), "Lee", directory.Another},
		"what no event named":                      {altered("lastname", "Lee", "Moss", at.Add(-time.Second)), "Stone", directory.Another},
		"what is claimed, which was so before":     {altered("lastname", "Reed", "Moss", at.Add(-time.Second)), "Reed", directory.Shows},
		"what the claim itself says it was before": {altered("lastname", "Lee", "Moss", at.Add(-time.Second)), "Moss", directory.Lags},
	} {
		t.Run(name, func(t *testing.T) {
			known := claimed(nil).with([]directory.Claim{tc.other, claim}, at)
			shown := func(c directory.Claim) directory.Shown {
				return c.ShownBy(&directory.User{ID: ann, LastName: tc.reads})
			}
			if got := known.compare(claim, shown); got != tc.want {
				t.Errorf("a read of %s: %s, want %s", tc.reads, got, tc.want)
			}
		})
	}
}
