package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// Auth decides by the Authorization header whether a request may use the API, and
// returns the caller. A refusal is a fault of kind Unauthorized; any other fault means
// that Auth could not decide.
type Auth func(ctx context.Context, authorization string) (Caller, error)

// adminToken is the name of the only bearer token.
const adminToken = "admin token"

// TokenAuth accepts requests with the bearer token, compared in constant time. It reads
// the token for each request, so that the token can be replaced.
func TokenAuth(token func(context.Context) (string, error)) Auth {
	return func(ctx context.Context, authorization string) (Caller, error) {
		for _, reading := range []context.Context{ctx, secret.Fresh(ctx)} { // it may have been replaced since it was read
			want, err := token(reading)
			if err != nil {
				return Caller{}, fault.Wrap(err, fault.Transient, "api.auth")
			}
			if carries(authorization, want) {
				return Caller{Token: adminToken}, nil
			}
		}
		return Caller{}, fault.New(fault.Unauthorized, "api.auth", "the API's bearer token is missing or wrong")
	}
}

// carries reports whether an Authorization header has the wanted bearer token.
func carries(authorization, want string) bool {
	scheme, presented, _ := strings.Cut(authorization, " ")
	got, wanted := sha256.Sum256([]byte(strings.TrimSpace(presented))), sha256.Sum256([]byte(want))
	return want != "" && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], wanted[:]) == 1
}

// GatewayAuth accepts requests that the JWT authoriser of the HTTP API has checked. The
// gateway passes no others; GatewayAuth still checks that the claims are there, so that
// a route without its authoriser is not open to everybody.
func GatewayAuth(ctx context.Context, _ string) (Caller, error) {
	request, known := core.GetAPIGatewayV2ContextFromContext(ctx)
	if !known || request.Authorizer == nil || request.Authorizer.JWT == nil || len(request.Authorizer.JWT.Claims) == 0 {
		return Caller{}, fault.New(fault.Unauthorized, "api.auth", "the request carries no token that the API gateway has checked")
	}
	claims := request.Authorizer.JWT.Claims
	return Caller{Subject: claims["sub"], Client: claims["client_id"], Email: claims["email"]}, nil
}

// authorize calls Auth for every operation that needs it.
func (a Auth) authorize(on huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if len(ctx.Operation().Security) == 0 {
			next(ctx)
			return
		}
		caller, err := a(ctx.Context(), ctx.Header("Authorization"))
		if err == nil {
			entry := auditOf(ctx.Context())
			entry.known, entry.caller = true, caller
			next(ctx)
			return
		}
		status, message := http.StatusUnauthorized, fault.Of(err).Message
		if !fault.Is(err, fault.Unauthorized) {
			zerolog.Ctx(ctx.Context()).Error().Err(err).Msg("a request could not be authorized")
			status, message = http.StatusServiceUnavailable, "try again"
		} else {
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="entrasync"`)
		}
		_ = huma.WriteErr(on, ctx, status, message)
	}
}
