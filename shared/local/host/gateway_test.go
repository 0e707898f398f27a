package host_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"entrasync/shared/local/host"
)

// eventFor is the event for a request.
func eventFor(t *testing.T, r *http.Request) events.APIGatewayV2HTTPRequest {
	t.Helper()
	var got events.APIGatewayV2HTTPRequest
	w := httptest.NewRecorder()
	host.New(zerolog.Nop()).HTTP(host.Function{Name: "test", Timeout: time.Second, Handler: func(_ context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		got = r
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusOK}, nil
	}}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("got status %d, want 200", w.Code)
	}
	return got
}

// The path that AWS makes of each path was captured there; see gateway.go.
func TestThePathIsHandedOverAsAWSDoes(t *testing.T) {
	for sent, want := range map[string]string{
		"/capture/plain":                               "/capture/plain",
		"/capture/space%20value":                       "/capture/space value",
		"/capture/question%3Fvalue":                    "/capture/question",
		"/capture/hash%23value":                        "/capture/hash#value",
		"/capture/slash%2Fvalue":                       "/capture/slash/value",
		"/capture/unicode-%CE%BB-%E4%B8%96%E7%95%8C":   "/capture/unicode-λ-世界",
		"/capture/literal%252Fvalue":                   "/capture/literal/value",
		"/capture/literal%253Fvalue":                   "/capture/literal?value",
		"/capture/literal%2525value":                   "/capture/literal%value",
		"/capture/plus+value":                          "/capture/plus+value",
		"/thing/":                                      "/thing/",
		"//v1//organizations":                          "//v1//organizations",
		"/v1/../v1/organizations":                      "/v1/../v1/organizations",
		"/%25":                                         "/%",
		"/percent%25done":                              "/percent%done",
		"/webhooks/jumpcloud/5f0c1e2d3a4b5c6d7e8f9012": "/webhooks/jumpcloud/5f0c1e2d3a4b5c6d7e8f9012",
	} {
		r := httptest.NewRequest(http.MethodGet, sent+"?marker=a%3Fb%25c%23d+e", nil)
		got := eventFor(t, r)
		if got.RawPath != want || got.RequestContext.HTTP.Path != want || got.RawQueryString != "marker=a%3Fb%25c%23d+e" || got.QueryStringParameters["marker"] != "a?b%c#d e" {
			t.Errorf("%s: rawPath %q, path %q, rawQueryString %q, parameters %v; want %q", sent, got.RawPath, got.RequestContext.HTTP.Path, got.RawQueryString, got.QueryStringParameters, want)
		}
	}
}

// A captured request becomes its captured event, except for the fields that only AWS knows.
func TestTheEventIsThatOfAnHTTPAPI(t *testing.T) {
	body := `{"message":"hello from the public internet","unicode":"lambda-λ"}`
	r := httptest.NewRequest(http.MethodPost, "/capture/space%20value?repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb&literalPlus=a+b&encodedPlus=a%2Bb&empty=", strings.NewReader(body))
	r.Host = "sjzepsqsu5.execute-api.us-west-2.amazonaws.com"
	r.Header = http.Header{
		"Accept": {"*/*"}, "Content-Length": {"66"}, "Content-Type": {"application/json"}, "User-Agent": {"curl/8.7.1"}, "X-Voker-Probe": {"first", "second"},
		"Cookie": {"session=abc123; theme=dark"}, "Connection": {"keep-alive"}, "Keep-Alive": {"5"},
	}
	want := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: "/capture/space value",
		RawQueryString: "repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa%2Fb&literalPlus=a+b&encodedPlus=a%2Bb&empty=",
		Cookies:        []string{"session=abc123", "theme=dark"},
		Headers: map[string]string{"accept": "*/*", "content-length": "66", "content-type": "application/json",
			"host": "sjzepsqsu5.execute-api.us-west-2.amazonaws.com", "user-agent": "curl/8.7.1", "x-voker-probe": "first,second"},
		QueryStringParameters: map[string]string{"empty": "", "encodedPlus": "a+b", "literalPlus": "a b", "redirect": "https://example.com/a/b", "repeat": "one,two"},
		Body:                  body,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "$default", Stage: "$default", AccountID: "000000000000", APIID: "local", DomainName: "sjzepsqsu5.execute-api.us-west-2.amazonaws.com",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: "POST", Path: "/capture/space value", Protocol: "HTTP/1.1", SourceIP: "192.0.2.1", UserAgent: "curl/8.7.1"},
		},
	}
	got := eventFor(t, r)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(events.APIGatewayV2HTTPRequestContext{}, "RequestID", "Time", "TimeEpoch")); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
	if _, err := time.Parse("02/Jan/2006:15:04:05 -0700", got.RequestContext.Time); err != nil || got.RequestContext.RequestID == "" {
		t.Errorf("got time %q, id %q, want a time in the form of AWS and an id", got.RequestContext.Time, got.RequestContext.RequestID)
	}
	bare := eventFor(t, httptest.NewRequest(http.MethodGet, "/", nil))
	if bare.Cookies != nil || bare.QueryStringParameters != nil || bare.Body != "" || bare.IsBase64Encoded {
		t.Errorf("an empty request: got %+v, want no cookies, parameters and body", bare)
	}
}

// Which content types arrive as text was measured on AWS; see gateway.go.
func TestWhichBodiesAreText(t *testing.T) {
	const body = "hello world"
	for contentType, text := range map[string]bool{
		"text/plain": true, "text/plain; charset=utf-8": true, "TEXT/PLAIN; CHARSET=UTF-8": true, "text/html": true, "text/csv": true, "text/xml": true,
		"application/json": true, "application/json; charset=utf-8": true, "APPLICATION/JSON; CHARSET=UTF-8": true, "application/xml": true,
		"application/javascript": true, "application/graphql": true,
		"": false, "text/plain; charset=iso-8859-1": false, "application/x-www-form-urlencoded": false, "application/octet-stream": false,
		"application/x-protobuf": false, "application/zip": false, "application/pdf": false, "multipart/form-data; boundary=test": false,
		"image/png": false, "audio/mpeg": false, "weird/unknown": false, "nonsense": false,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		want, got := body, eventFor(t, r)
		if !text {
			want = base64.StdEncoding.EncodeToString([]byte(body))
		}
		if got.Body != want || got.IsBase64Encoded == text {
			t.Errorf("%q: got %q, base64 %v, want %q, base64 %v", contentType, got.Body, got.IsBase64Encoded, want, !text)
		}
	}
	for _, contentType := range []string{"application/json", "application/pdf"} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(""))
		r.Header.Set("Content-Type", contentType)
		if got := eventFor(t, r); got.Body != "" || got.IsBase64Encoded {
			t.Errorf("no body of type %q: got %q, base64 %v, want no body and false", contentType, got.Body, got.IsBase64Encoded)
		}
	}
}
