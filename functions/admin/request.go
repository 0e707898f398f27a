package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"
)

// Handle takes one request. It always answers: an error would be a failure of the
// function, which raises an alarm, and anybody can send anything.
func (h Handler) Handle(ctx context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	r = escaped(r)
	entry := &auditEntry{}
	response := h.answer(withAudit(ctx, entry), r)
	h.tell(ctx, entry, r, response.StatusCode)
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

// escaped is the request with a path and a query that can stand in a URL. The HTTP
// API of AWS hands the path over decoded (as measured by users of it): a %, a
// question mark or a control character in it would otherwise be taken for a part
// of the URL's grammar, or not be taken at all.
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

// readable refuses what the adapter cannot make a request of.
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

// unreadable answers what is no request.
func unreadable(why error) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusBadRequest, Headers: map[string]string{"Content-Type": problemType},
		Body: string(problem(http.StatusBadRequest, "the request cannot be read: "+why.Error()))}
}

// problemType is the media type of a problem document.
const problemType = "application/problem+json"

// problem is a problem document as text.
func problem(status int, message string) []byte {
	text, err := json.Marshal(huma.NewError(status, short(message, longestText)))
	if err != nil {
		return []byte("{}") // it holds nothing that cannot be encoded
	}
	return text
}
