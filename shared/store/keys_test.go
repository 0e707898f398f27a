package store

import "testing"

// No two sorts of records have the same key part: in one partition a list of the one
// would show the other.
func TestKeyPartsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, part := range []string{
		organizationPart, directoryPart, userPart, connectionPart, linkPart, actionPart, tenantPart, entraPart, passwordPart, groupPart,
		memberPart, dirtyPart, withinPart, noticePart, leasePart, doubtPart, waitPart, strandedPart,
	} {
		if seen[part] {
			t.Errorf("two key parts are %q, want each once", part)
		}
		seen[part] = true
	}
}
