package directory

import (
	"strings"
	"testing"
)

// Each reason is in the list once, with its texts.
func TestReasonsAreExplained(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range Reasons() {
		if seen[r.Reason] {
			t.Errorf("got %s twice in the list, want once", r.Reason)
		}
		seen[r.Reason] = true
		for what, text := range map[string]string{"sentence": r.Sentence, "advice": r.Advice, "bearer": string(r.Of)} {
			if text == "" || strings.Contains(text, "|") || strings.HasSuffix(text, ".") {
				t.Errorf("got %q as the %s of %s, want a clause without a period", text, what, r.Reason)
			}
		}
		if got := Sentence(r.Reason); got != r.Sentence {
			t.Errorf("Sentence(%s) = %q, want %q", r.Reason, got, r.Sentence)
		}
	}
	if got := Sentence(""); got != "" {
		t.Errorf("got sentence %q without a reason, want none", got)
	}
}
