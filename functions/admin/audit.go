package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
)

// Caller is who asks, as far as the proof of the request tells.
type Caller struct {
	Token string // the name of the bearer token; "" for a caller with a JWT
	// Subject, Client and Email are the claims sub, client_id and email of the
	// JWT that the gateway has checked; "" for those that it has not.
	Subject, Client, Email string
}

// name is the caller in one word, for people.
func (c Caller) name() string {
	for _, name := range []string{c.Token, c.Email, c.Subject, c.Client} {
		if name != "" {
			return name
		}
	}
	return "nobody known"
}

// auditEntry is what is logged of one request that asks for a change.
type auditEntry struct {
	known        bool // who asks
	caller       Caller
	operation    string // "" if the request named none
	changes      bool   // whether the operation changes anything
	organization directory.OrganizationID
	directory    directory.ID
	user, group  string
}

// auditKey marks the entry in a context.
type auditKey struct{}

// withAudit gives a request its entry.
func withAudit(ctx context.Context, entry *auditEntry) context.Context {
	return context.WithValue(ctx, auditKey{}, entry)
}

// auditOf is the entry of the request.
func auditOf(ctx context.Context) *auditEntry {
	if entry, has := ctx.Value(auditKey{}).(*auditEntry); has {
		return entry
	}
	return &auditEntry{} // of nobody
}

// noteOperation notes which operation is asked for, and about what.
func noteOperation(ctx huma.Context, next func(huma.Context)) {
	entry, op := auditOf(ctx.Context()), ctx.Operation()
	entry.changes = op.Method != http.MethodGet
	entry.operation, entry.user, entry.group = op.OperationID, ctx.Param("userId"), ctx.Param("groupId")
	switch id := ctx.Param("id"); {
	case id == "":
	case strings.HasPrefix(op.Path, organizationsPath):
		entry.organization = directory.OrganizationID(id)
	default:
		entry.directory = directory.ID(id)
	}
	next(ctx)
}

// longestLogged bounds what is logged of a path or an id, in bytes.
const longestLogged = 300

// tell logs what the log is told of a request: a change that was asked for by
// somebody who is known, done or refused; and of what anybody may send only how
// often it came.
func (h Handler) tell(ctx context.Context, e *auditEntry, r events.APIGatewayV2HTTPRequest, status int) {
	if e.known {
		if e.changes {
			e.log(ctx, r, status)
		}
	} else if why := e.refusedFor(status); why != "" {
		h.strangers.note(ctx, why, r, status)
	}
}

// log writes one line about a request that asked for a change, whether it was done
// or refused. Neither the proof nor the body is in it.
func (e *auditEntry) log(ctx context.Context, r events.APIGatewayV2HTTPRequest, status int) {
	level := zerolog.InfoLevel
	if status >= http.StatusBadRequest {
		level = zerolog.WarnLevel
	}
	if e.organization == "" {
		e.organization = e.directory.Organization()
	}
	line := zerolog.Ctx(ctx).WithLevel(level).Str("operation", e.operation).Str("method", strings.ToUpper(r.RequestContext.HTTP.Method)).
		Str("path", short(r.RawPath, longestLogged)).Int("status", status).
		Str("who", e.caller.name()).Str("sourceIp", r.RequestContext.HTTP.SourceIP)
	for _, field := range [][2]string{
		{"organization", string(e.organization)}, {"directory", string(e.directory)}, {"user", e.user}, {"group", e.group},
		{"sub", e.caller.Subject}, {"client_id", e.caller.Client}, {"email", e.caller.Email},
	} {
		if field[1] != "" {
			line = line.Str(field[0], short(field[1], longestLogged))
		}
	}
	line.Msg("change requested")
}
