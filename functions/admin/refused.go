package admin

import (
	"context"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/repeated"
)

// cause is why a request was refused before anybody knew who asks: the word that the
// log says.
type cause string

// The closed list of causes.
const (
	unauthorized cause = "unauthorized"
	noOperation  cause = "no_operation"
	otherMethod  cause = "other_method"
	notHTTP      cause = "unreadable"
)

// causes are how the log tells of each. Only who tries tokens is worth a warning:
// whatever is in the internet is asked for paths that it does not have.
var causes = map[cause]struct {
	level   zerolog.Level
	message string
}{
	unauthorized: {zerolog.WarnLevel, "the API was asked without the right token"},
	noOperation:  {zerolog.InfoLevel, "the API was asked for a path that it does not have"},
	otherMethod:  {zerolog.InfoLevel, "the API was asked with a method that the path does not have"},
	notHTTP:      {zerolog.InfoLevel, "the API was sent what is no HTTP request"},
}

// refusedFor is why a request came to nothing that anybody may send, "" if it did
// not. An outage of ours is none.
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

// strangers tells the log of requests that anybody may send, so that nobody can fill
// it with them.
type strangers struct{ log repeated.Log[cause] }

// note tells of one request, or counts it.
func (s *strangers) note(ctx context.Context, why cause, request events.APIGatewayV2HTTPRequest, status int) {
	log, asked := *zerolog.Ctx(ctx), request.RequestContext.HTTP
	s.log.Note(why, func(count int) {
		log.WithLevel(causes[why].level).Str("cause", string(why)).Int("refused", count).
			Str("method", short(asked.Method, longestLogged)).Str("path", short(request.RawPath, longestLogged)).
			Int("status", status).Str("sourceIp", asked.SourceIP).Msg(causes[why].message)
	})
}
