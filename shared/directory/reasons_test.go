package directory

import (
	"strings"
	"testing"
)

// Each reason stands in the list once, with something to read.
func TestReasonsAreExplained(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range Reasons() {
		if seen[r.Reason] {
			t.Errorf("%s stands in the list twice, want once", r.Reason)
		}
		seen[r.Reason] = true
		for what, text := range map[string]string{"sentence": r.Sentence, "advice": r.Advice, "bearer": string(r.Of)} {
			if text == "" || strings.Contains(text, "|") || strings.HasSuffix(text, ".") {
				t.Errorf("the %s of %s is %q, want a clause without a period", what, r.Reason, text)
			}
		}
		if got := Sentence(r.Reason); got != r.Sentence {
			t.Errorf("Sentence(%s) = %q, want %q", r.Reason, got, r.Sentence)
		}
	}
	if got := Sentence(""); got != "" {
		t.Errorf("the sentence of no reason is %q, want none", got)
	}
}
