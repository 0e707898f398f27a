package entratest

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// call is one request to Graph: a request of its own or an item of a batch.
type call struct {
	sim       *Simulator
	ctx       context.Context
	behaviour Behaviour
	now       time.Time

	method   string
	base     string // scheme, host and version: what links in answers begin with
	path     string // escaped, below the version
	query    url.Values
	rawQuery string
	header   http.Header
	rawBody  []byte
	body     map[string]any // nil: no body
	item     bool           // of a batch
	clash    bool           // with another write of the batch

	requestID, clientRequestID string

	op     *operation
	params []string

	tenant         *tenant
	app            *App
	roles          map[string]bool
	directoryRoles []string
	unaccepted     *graphError // why the token is not accepted, if only the items are refused for it
	meter          meterResult
	reply          *lostReply // set when a fault loses the reply
}

// lostReply makes the outer request drop its connection.
type lostReply struct{ lost bool }

// answer is what a call answers.
type answer struct {
	status int
	body   any // nil: none
	header http.Header
}

func (a *answer) set(name, value string) *answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(name, value)
	return a
}

func noContent() *answer { return &answer{status: http.StatusNoContent} }

func ok(body any) *answer { return &answer{status: http.StatusOK, body: body} }

// run takes a call through every step of the service: known path, token, faults on
// demand, quota, permission, description, rules.
func (c *call) run() *answer {
	op, params, failure := resolve(c.method, c.path)
	template := c.method + " (unknown)"
	if op != nil {
		c.op, c.params = op, params
		template = c.method + " " + op.template
	}
	a := c.stations(failure)
	c.sim.counters.count(template, c.meter, a.status, c.item)
	return a
}

func (c *call) stations(unknown *graphError) *answer {
	if failure := c.authenticate(); failure != nil && !c.refusedByItem(failure) {
		return c.refused(failure)
	}
	if f := c.sim.faults.take(c.method, "/v1.0"+c.path); f != nil {
		return c.faulty(f, unknown)
	}
	return c.afterFaults(unknown)
}

// afterFaults are the remaining steps; a fault that loses the reply runs them, too.
func (c *call) afterFaults(unknown *graphError) *answer {
	bodyFailure := c.decodeBody()
	if failure := c.meterCall(); failure != nil {
		return c.refused(failure)
	}
	for _, failure := range []*graphError{unknown, bodyFailure} {
		if failure != nil {
			return c.refused(failure)
		}
	}
	if c.clash {
		return c.refused(concurrencyViolation())
	}
	if failure := c.checkRequest(); failure != nil {
		return c.refused(failure)
	}
	a, failure := c.op.handle(c)
	if failure != nil {
		return c.refused(failure)
	}
	return a
}

// refused turns an error into an answer.
func (c *call) refused(e *graphError) *answer {
	header := e.header
	if header == nil {
		header = http.Header{}
	}
	return &answer{status: e.status, body: e.body(c.now, c.requestID, c.clientRequestID), header: header}
}

// checkRequest checks a request against the permissions of the app and the description.
func (c *call) checkRequest() *graphError {
	if !c.mayAny(c.op.roles...) {
		return forbidden()
	}
	if failure := c.checkQuery(); failure != nil {
		return failure
	}
	return c.checkBody()
}

// checkBody checks that a required body is there, that its values have the right types,
// and that every part of it has a meaning.
func (c *call) checkBody() *graphError {
	d, err := described()
	if err != nil {
		return internalError(err)
	}
	schema := d.bodies[c.op.key()]
	switch {
	case c.body == nil && (c.op.bodyOptional || schema == nil && c.op.body == nil):
		return nil
	case c.body == nil:
		return malformed("Empty Payload. JSON content expected.")
	case c.op.object != "":
		return d.checkObject(c.op.object, c.body)
	}
	for _, name := range slices.Sorted(maps.Keys(c.body)) {
		described := schema != nil && schema.Properties[name] != nil || slices.Contains(c.op.body, name)
		if !described && !strings.HasPrefix(name, "@odata.") {
			return badRequest("Invalid property '%s'.", name)
		}
	}
	if schema == nil {
		return nil
	}
	if err := schema.VisitJSON(c.body); err != nil {
		return malformed("Invalid request body: %s", firstLine(err))
	}
	return nil
}

// firstLine keeps the reason of a schema error and drops the dump of the schema, which
// would repeat the values.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
