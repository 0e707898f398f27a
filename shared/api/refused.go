package api

import (
	"context"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/repeated"
)

// cause is why a request of an unknown caller was refused. The log has it as a field.
type cause string

// The closed list of causes.
const (
	unauthorized cause = "unauthorized"
	noOperation  cause = "no_operation"
	otherMethod  cause = "other_method"
	notHTTP      cause = "unreadable"
)

// causes are the log level and the message of each cause. Only a missing or wrong token
// is a warning: any server on the internet gets requests for paths that it does not
// have.
var causes = map[cause]struct {
	level   zerolog.Level
	message string
}{
	unauthorized: {zerolog.WarnLevel, "the API was asked without the right token"},
	noOperation:  {zerolog.InfoLevel, "the API was asked for a path that it does not have"},
	otherMethod:  {zerolog.InfoLevel, "the API was asked with a method that the path does not have"},
	notHTTP:      {zerolog.InfoLevel, "the API was sent what is no HTTP request"},
}

// refusedFor returns why a request of an unknown caller was refused, "" if it was not.
// An outage of ours is not a refusal.
func (e *auditEntry) refusedFor(status int) cause {
	switch {
	case status == http.StatusUnauthorized:
		return unauthorized
	case e.operation != "":
		return ""
	case status == http.StatusNotFound:
		return noOperation
	case status == http.StatusMethodNotAllowed:
		return otherMethod
	case status == http.StatusBadRequest:
		return notHTTP
	}
	return ""
}

// strangers logs refused requests of unknown callers: the first of a cause at once,
// then their number once a minute. So nobody can fill the log with them.
type strangers struct{ log repeated.Log[cause] }

// note logs one request, or counts it.
func (s *strangers) note(ctx context.Context, why cause, request events.APIGatewayV2HTTPRequest, status int) {
	log, details := *zerolog.Ctx(ctx), request.RequestContext.HTTP
	s.log.Note(why, func(count int) {
		log.WithLevel(causes[why].level).Str("cause", string(why)).Int("refused", count).
			Str("method", short(details.Method, longestLogged)).Str("path", short(request.RawPath, longestLogged)).
			Int("status", status).Str("sourceIp", details.SourceIP).Msg(causes[why].message)
	})
}
