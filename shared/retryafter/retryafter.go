// Package retryafter reads the header Retry-After, in which an outside system says how
// long to wait.
//
// RFC 9110 has two forms, an integer of seconds and a date. Microsoft Graph and the
// proxies in front of it send more forms: seconds with decimals, and two numbers, of
// which the larger one is meant (msgraph-sdk-python 1159, msgraph-sdk-java-core 732).
// If a form is not understood, the product sends its next request too soon, and refused
// requests use up the quota too. So there is one reader for all clients.
package retryafter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Longest is the longest wait that is taken from a header. If a header asks for more, the
// next request is sent after this time.
const Longest = 24 * time.Hour

// Of is how long a response asks to wait, from 0 to [Longest]; of several times it is the
// longest. A date in the past asks for no wait. said is false if the header is missing
// or cannot be read.
func Of(header http.Header, now time.Time) (wait time.Duration, said bool) {
	for _, value := range header.Values("Retry-After") {
		each, understood := read(value, now)
		wait, said = max(wait, each), said || understood
	}
	return wait, said
}

// read reads one value of the header.
func read(value string, now time.Time) (wait time.Duration, understood bool) {
	if date, err := http.ParseTime(strings.TrimSpace(value)); err == nil { // first, because a date contains a comma
		return min(max(date.Sub(now), 0), Longest), true
	}
	for part := range strings.SplitSeq(value, ",") {
		seconds, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || !(seconds >= 0) { // the negation is also true for NaN
			continue
		}
		each := time.Duration(min(seconds, Longest.Seconds()) * float64(time.Second))
		wait, understood = max(wait, each), true
	}
	return wait, understood
}
