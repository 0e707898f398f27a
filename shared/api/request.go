package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/deadline"
)

// RecordsLimit is the time limit for writing our own records, also when the time for the
// work of a request is over.
const RecordsLimit = 5 * time.Second

// Handle takes one request. It never returns an error: an error would count as a
// failure of the function and raise an alarm, and any stranger could cause it.
func (h Handler) Handle(ctx context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	r = escaped(r)
	ctx, stop := deadline.ForWork(ctx, deadline.Answer+RecordsLimit)
	defer stop()
	entry := &auditEntry{}
	response := h.answer(withAudit(ctx, entry), r)
	h.audit(ctx, entry, r, response.StatusCode)
	return response, nil
}

// answer serves a request through the adapter to net/http.
func (h Handler) answer(ctx context.Context, r events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	if err := readable(r); err != nil {
		return unreadable(err)
	}
	response, err := h.adapter.ProxyWithContext(ctx, r)
	if err != nil {
		return unreadable(errors.New("it is no HTTP request"))
	}
	if r.RequestContext.HTTP.Method == http.MethodHead {
		response.Body, response.IsBase64Encoded = "", false
	}
	return response
}

// escaped returns the request with path and query escaped for a URL. The HTTP API of
// AWS passes the path decoded (as measured by users of it): without escaping, a %, a
// question mark or a control character in it would be read as URL syntax, or refused.
func escaped(r events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPRequest {
	path := r.RawPath
	if path == "" {
		path = r.RequestContext.HTTP.Path
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.RawPath = (&url.URL{Path: path}).EscapedPath()
	var query strings.Builder
	for _, c := range []byte(r.RawQueryString) {
		if c <= ' ' || c == '#' || c >= 0x7f {
			fmt.Fprintf(&query, "%%%02X", c)
		} else {
			query.WriteByte(c)
		}
	}
	r.RawQueryString = query.String()
	return r
}

// readable refuses an event that the adapter cannot turn into a request.
func readable(r events.APIGatewayV2HTTPRequest) error {
	method := r.RequestContext.HTTP.Method
	if method == "" || strings.ContainsFunc(method, func(c rune) bool { return (c|0x20) < 'a' || (c|0x20) > 'z' }) {
		return errors.New("its method is none")
	}
	if r.IsBase64Encoded {
		if _, err := base64.StdEncoding.DecodeString(r.Body); err != nil {
			return errors.New("its body is marked as base64 and is not")
		}
	}
	return nil
}

// unreadable answers an event that is not a valid HTTP request.
func unreadable(why error) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusBadRequest, Headers: map[string]string{"Content-Type": problemType},
		Body: string(problem(http.StatusBadRequest, "the request cannot be read: "+why.Error()))}
}

// problemType is the media type of a problem document.
const problemType = "application/problem+json"

// problem returns a problem document as JSON text.
func problem(status int, message string) []byte {
	text, err := json.Marshal(huma.NewError(status, short(message, longestText)))
	if err != nil {
		return []byte("{}") // it holds nothing that cannot be encoded
	}
	return text
}
