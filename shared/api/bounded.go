package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// The limits of a refusal. It must not grow with the request: on Lambda an answer over
// 6 MB fails (AWS Lambda quotas), and a body of 1 MiB can have half a million mistakes.
const (
	mostErrors   = 50   // fields with a mistake
	longestText  = 2000 // bytes of a sentence
	longestShown = 200  // bytes of the request that a sentence repeats
)

// short cuts a text to at most so many bytes and adds "…" if it was longer.
func short(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// repeat cuts a text of the request to the length that a refusal may repeat.
func repeat(text string) string { return short(text, longestShown) }

// bounded cuts a problem document to its first errors; its detail says how many more
// there are. The errors are sorted by their places, so that the same request gets the
// same answer.
func bounded(problem *huma.ErrorModel) *huma.ErrorModel {
	problem.Detail = short(problem.Detail, longestText)
	if more := len(problem.Errors) - mostErrors; more > 0 {
		slices.SortStableFunc(problem.Errors, func(a, b *huma.ErrorDetail) int {
			return cmp.Or(strings.Compare(a.Location, b.Location), strings.Compare(a.Message, b.Message))
		})
		problem.Errors = problem.Errors[:mostErrors]
		problem.Detail += fmt.Sprintf("; errors names the first %d, and there are %d more", mostErrors, more)
	}
	for _, detail := range problem.Errors {
		detail.Location = repeat(detail.Location)
	}
	return problem
}
