package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"entrasync/shared/directory"
)

// Caller is who sent the request, as far as its credential says.
type Caller struct {
	Token string // the name of the bearer token; "" for a caller with a JWT
	// Subject, Client and Email are the claims sub, client_id and email of the JWT that
	// the gateway has checked; "" for claims that the JWT does not have.
	Subject, Client, Email string
}

// CallerOf returns who sent the request of a context.
func CallerOf(ctx context.Context) Caller { return auditOf(ctx).caller }

// Name returns one name of the caller, for people.
func (c Caller) Name() string {
	for _, name := range []string{c.Token, c.Email, c.Subject, c.Client} {
		if name != "" {
			return name
		}
	}
	return "nobody known"
}

// auditEntry is what is logged about one request for a change.
type auditEntry struct {
	known     bool // whether the caller is known
	caller    Caller
	operation string // "" if the request named none
	changes   bool   // whether the operation changes anything
	concern   Concern
}

// Concern is what a request concerns, for the log: what its path names, and what the
// operation adds.
type Concern struct {
	Organization directory.OrganizationID // "" for that of the directory
	Directory    directory.ID
	User, Group  string
}

// Concerns returns what the request of a context concerns. An operation writes to it what
// the path does not name, such as the id of what it creates.
func Concerns(ctx context.Context) *Concern { return &auditOf(ctx).concern }

// auditKey marks the entry in a context.
type auditKey struct{}

// withAudit adds the entry of a request to its context.
func withAudit(ctx context.Context, entry *auditEntry) context.Context {
	return context.WithValue(ctx, auditKey{}, entry)
}

// auditOf returns the entry of the request.
func auditOf(ctx context.Context) *auditEntry {
	if entry, has := ctx.Value(auditKey{}).(*auditEntry); has {
		return entry
	}
	return &auditEntry{} // of nobody
}

// noteOperation writes the operation and the ids of the path into the entry.
func noteOperation(ctx huma.Context, next func(huma.Context)) {
	entry, op := auditOf(ctx.Context()), ctx.Operation()
	entry.changes = op.Method != http.MethodGet
	entry.operation, entry.concern.User, entry.concern.Group = op.OperationID, ctx.Param("userId"), ctx.Param("groupId")
	switch id := ctx.Param("id"); {
	case id == "":
	case strings.HasPrefix(op.Path, OrganizationsPath):
		entry.concern.Organization = directory.OrganizationID(id)
	default:
		entry.concern.Directory = directory.ID(id)
	}
	next(ctx)
}

// longestLogged is the maximum length of a path or an id in the log, in bytes.
const longestLogged = 300

// audit logs a request for a change by a known caller, whether it was done or refused.
// Refused requests of unknown callers are only counted, see [strangers].
func (h Handler) audit(ctx context.Context, e *auditEntry, r events.APIGatewayV2HTTPRequest, status int) {
	if e.known {
		if e.changes {
			e.log(ctx, r, status)
		}
	} else if why := e.refusedFor(status); why != "" {
		h.strangers.note(ctx, why, r, status)
	}
}

// log writes one line about a request for a change, whether it was done or refused. It
// has neither the credential nor the body.
func (e *auditEntry) log(ctx context.Context, r events.APIGatewayV2HTTPRequest, status int) {
	level := zerolog.InfoLevel
	if status >= http.StatusBadRequest {
		level = zerolog.WarnLevel
	}
	about := e.concern
	if about.Organization == "" {
		about.Organization = about.Directory.Organization()
	}
	line := zerolog.Ctx(ctx).WithLevel(level).Str("operation", e.operation).Str("method", strings.ToUpper(r.RequestContext.HTTP.Method)).
		Str("path", short(r.RawPath, longestLogged)).Int("status", status).
		Str("who", e.caller.Name()).Str("sourceIp", r.RequestContext.HTTP.SourceIP)
	for _, field := range [][2]string{
		{"organization", string(about.Organization)}, {"directory", string(about.Directory)}, {"user", about.User}, {"group", about.Group},
		{"sub", e.caller.Subject}, {"client_id", e.caller.Client}, {"email", e.caller.Email},
	} {
		if field[1] != "" {
			line = line.Str(field[0], short(field[1], longestLogged))
		}
	}
	line.Msg("change requested")
}
