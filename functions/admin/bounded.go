package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// What a refusal holds at most. It must not grow with what is refused: a function
// whose answer is over 6 MB fails on Lambda (AWS Lambda quotas), and 1 MiB can hold
// half a million mistakes.
const (
	mostErrors   = 50   // fields at fault
	longestText  = 2000 // of a sentence, in bytes
	longestShown = 200  // of what a sentence repeats of the request, in bytes
)

// short is a text of at most so many bytes and a mark of what is left out.
func short(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// repeat is what a refusal repeats of a request.
func repeat(text string) string { return short(text, longestShown) }

// bounded is a problem document with the first of its errors, in the order of
// their places so that the same request has the same answer; its detail says how
// many more there are.
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
