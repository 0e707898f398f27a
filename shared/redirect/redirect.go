// Package redirect keeps credentials from being sent to another host.
//
// Go's HTTP client follows redirects by itself, to whatever host the response names.
// After a 307 it sends the body again, client secret included; after any redirect it
// sends custom headers again, such as an API key. No system that entrasync calls
// redirects in normal operation, so no redirect is ever followed: the caller gets the
// redirect as the response and has to explain it. shared/house_test.go checks that every
// HTTP client uses this package.
package redirect

import "net/http"

// FollowNone is for http.Client.CheckRedirect: it returns a redirect as the response.
func FollowNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
