// Package retryafter reads the header by which an outside system says how long to
// wait.
//
// RFC 9110 knows two forms, whole seconds and a date. Microsoft Graph and what
// stands in front of it send more: decimal seconds, and two numbers of which the
// larger one holds (msgraph-sdk-python 1159, msgraph-sdk-java-core 732). A form that
// is not understood makes the product ask again too soon, and refused requests use
// up the quota too, so there is one reader for all clients.
package retryafter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Longest is the longest wait that is taken from a header. Whoever asks for more is
// asked again after that.
const Longest = 24 * time.Hour

// Of is how long an answer asks to wait, 0 to [Longest]; of several times the
// longest. A date that is past asks for no wait. said is false if the header is
// missing or cannot be read.
func Of(header http.Header, now time.Time) (wait time.Duration, said bool) {
	for _, value := range header.Values("Retry-After") {
		each, understood := read(value, now)
		wait, said = max(wait, each), said || understood
	}
	return wait, said
}

// read reads one value of the header.
func read(value string, now time.Time) (wait time.Duration, understood bool) {
	if date, err := http.ParseTime(strings.TrimSpace(value)); err == nil { // it has a comma of its own
		return min(max(date.Sub(now), 0), Longest), true
	}
	for part := range strings.SplitSeq(value, ",") {
		seconds, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || !(seconds >= 0) { // also what is not a number
			continue
		}
		each := time.Duration(min(seconds, Longest.Seconds()) * float64(time.Second))
		wait, understood = max(wait, each), true
	}
	return wait, understood
}
