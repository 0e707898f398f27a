package api_test

import (
	"context"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/api"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// The token is the bearer token, and nothing else is. One that was replaced is read again
// before a request is refused.
func TestTokenAuth(t *testing.T) {
	c := byToken()
	c.Auth = api.TokenAuth(func(ctx context.Context) (string, error) {
		if secret.WantsFresh(ctx) {
			return "canary-replaced", nil
		}
		return token, nil
	})
	handler := serve(t, c)
	for header, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, "Basic " + token: 401, token: 401,
		"Bearer " + token: 200, "bearer " + token: 200, "Bearer canary-replaced": 200,
	} {
		r := event("GET", "/v1/directories")
		r.Headers["authorization"] = header
		response := answered(t, handler, r)
		if response.StatusCode != want || want == 401 && response.Headers["Www-Authenticate"] != `Bearer realm="entrasync"` {
			t.Errorf("%q: %d %v, want %d", header, response.StatusCode, response.Headers, want)
		}
		r = event("GET", "/healthz")
		r.Headers["authorization"] = header
		if response := answered(t, handler, r); response.StatusCode != 200 {
			t.Errorf("%q at what everybody may request: %d, want 200", header, response.StatusCode)
		}
	}
}

// No token accepts no empty one, and a token that cannot be read refuses nobody for good.
func TestTokenThatIsNotThere(t *testing.T) {
	for want, read := range map[int]func(context.Context) (string, error){
		401: func(context.Context) (string, error) { return "", nil },
		503: func(context.Context) (string, error) { return "", fault.New(fault.Transient, "test", "canary") },
	} {
		c := byToken()
		c.Auth = api.TokenAuth(read)
		r := event("GET", "/v1/directories")
		r.Headers["authorization"] = "Bearer "
		if response := answered(t, serve(t, c), r); response.StatusCode != want {
			t.Errorf("%d, want %d", response.StatusCode, want)
		}
	}
}

func TestGatewayAuth(t *testing.T) {
	byJWT := byToken()
	byJWT.Auth = api.GatewayAuth
	handler := serve(t, byJWT)
	r := events.APIGatewayV2HTTPRequest{RawPath: "/v1/directories", Headers: map[string]string{"authorization": "Bearer " + token, "host": "localhost"}}
	r.RequestContext.HTTP.Method = "GET"
	r.RequestContext.HTTP.Path = r.RawPath
	for _, tc := range []struct {
		authorizer *events.APIGatewayV2HTTPRequestContextAuthorizerDescription
		want       int
	}{
		{nil, 401},
		{&events.APIGatewayV2HTTPRequestContextAuthorizerDescription{}, 401},
		{&events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: map[string]string{"sub": "admin"}}}, 200},
	} {
		r.RequestContext.Authorizer = tc.authorizer
		if response, err := handler.Handle(t.Context(), r); err != nil || response.StatusCode != tc.want {
			t.Errorf("%+v: %d %v, want %d", tc.authorizer, response.StatusCode, err, tc.want)
		}
	}
}
