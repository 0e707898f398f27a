// Package redirect keeps what we prove ourselves with where it belongs.
//
// Go's HTTP client follows redirects by itself: after a 307 it sends the body again,
// client secret included, and headers of our own such as an API key after any of
// them, to whatever host the answer names. No system that entrasync calls answers with
// one when it is well, so none is ever followed; the answer is what the caller gets
// and has to explain. shared/house_test.go has every HTTP client say so.
package redirect

import "net/http"

// FollowNone is for http.Client.CheckRedirect: a redirect is given back as the answer.
func FollowNone(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
