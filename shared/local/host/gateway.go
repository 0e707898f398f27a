package host

import (
	"encoding/base64"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
)

// How API Gateway passes a request to a function, for an HTTP API with payload format 2.0.
// Where the developer guide ("Create AWS Lambda proxy integrations for HTTP APIs") says
// nothing, the source is an event that somebody captured:
//
//   - github.com/hotsock/voker, vokerhttp/testdata/ingress-paths.json and
//     apigwv2-request.json, captured in July 2026
//   - github.com/floci-io/floci, issue 2172 and pull request 2203, and
//     github.com/ministackorg/ministack, pull request 766: which bodies are text

// requestOf is an HTTP request in the form of API Gateway, without the body. The headers
// that the gateway adds (x-forwarded-for, x-amzn-trace-id …) are only there if a proxy in
// front of this process set them.
func requestOf(r *http.Request) events.APIGatewayV2HTTPRequest {
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	path, now := Path(r), time.Now().UTC()
	return events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: r.URL.RawQuery,
		Cookies: cookiesOf(r), Headers: headersOf(r), QueryStringParameters: parametersOf(r.URL),
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			AccountID: "000000000000", APIID: "local", RouteKey: "$default", Stage: "$default",
			RequestID: uuid.NewString(), DomainName: r.Host, Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: path, Protocol: r.Proto, SourceIP: source, UserAgent: r.UserAgent(),
			},
		},
	}
}

// Path is the path of a request as an HTTP API passes it on (rawPath): decoded, cut at a
// question mark in the result, and decoded once more. So /a%2Fb and /a%252Fb both become
// /a/b, /a%3Fb becomes /a, and /a%253Fb becomes /a?b. Double slashes and a slash at the
// end stay. All of this is in the captured events.
//
// In one captured event, a path with an impossible second decoding (/percent%25done) was
// refused with 400. Others saw such a path arrive as /percent%done, so Path returns that: a
// function must handle it anyway, because /percent%2525done arrives like that too.
func Path(r *http.Request) string {
	path, _, _ := strings.Cut(r.URL.Path, "?")
	if again, err := url.PathUnescape(path); err == nil {
		return again
	}
	return path
}

// ofTheConnection are the headers that the gateway does not pass on (RFC 9110, 7.6.1).
var ofTheConnection = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// headersOf returns the headers by their names in lower case. Several values of a header
// are joined by commas. Cookies are left out, because they have their own field.
func headersOf(r *http.Request) map[string]string {
	headers := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		if name = strings.ToLower(name); name != "cookie" && !ofTheConnection[name] {
			headers[name] = strings.Join(values, ",")
		}
	}
	return headers
}

// cookiesOf returns the cookies, one by one; nil if there are none.
func cookiesOf(r *http.Request) []string {
	var cookies []string
	for _, line := range r.Header.Values("Cookie") {
		for cookie := range strings.SplitSeq(line, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				cookies = append(cookies, cookie)
			}
		}
	}
	return cookies
}

// parametersOf returns the parameters of the query, decoded, several values of one joined
// by commas; nil if there are none. The query string itself (rawQueryString) stays as it
// was sent.
func parametersOf(u *url.URL) map[string]string {
	var parameters map[string]string
	for name, values := range u.Query() {
		if parameters == nil {
			parameters = map[string]string{}
		}
		parameters[name] = strings.Join(values, ",")
	}
	return parameters
}

// setBody sets the body of the event: unchanged if it is text or empty, else as base64.
func setBody(event *events.APIGatewayV2HTTPRequest, body string) {
	if body == "" || (isText(event.Headers["content-type"]) && utf8.ValidString(body)) {
		event.Body = body
		return
	}
	event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
}

// textTypes are the types, besides text/*, whose bodies arrive as text.
var textTypes = map[string]bool{
	"application/json": true, "application/xml": true, "application/javascript": true, "application/graphql": true,
}

// isText reports whether a body of a content type arrives as text. In the measurements
// these types arrived as text without parameters or with the character set UTF-8. All
// others arrived as base64, also application/problem+json, forms and a missing type. A
// JSON type with another parameter was not measured.
func isText(contentType string) bool {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || (!textTypes[kind] && !strings.HasPrefix(kind, "text/")) {
		return false
	}
	return len(parameters) == 0 || (len(parameters) == 1 && strings.EqualFold(parameters["charset"], "utf-8"))
}
