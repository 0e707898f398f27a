package jumpcloud

import (
	"context"
	"net/http"

	"entrasync/shared/fault"
)

// family is where the API has the objects of one type: one object, and their list.
type family struct {
	name      string // for the person who must act
	one, list string // paths below the root of version 1
	read      reader // reads that list
}

// families by the type that the graph gives them (JumpCloud API documentation). There
// is no list of Microsoft 365 directories alone.
var families = map[string]family{
	typeUser:        {"user", "/systemusers/", "/systemusers", (*Client).wrappedList},
	typeUserGroup:   {"user group", "/v2/usergroups/", "/v2/usergroups", (*Client).bareList},
	typeOffice365:   {"Microsoft 365 directory", "/v2/office365s/", "/v2/directories", (*Client).bareList},
	typeApplication: {"application", "/v2/applications/", "/applications", (*Client).wrappedList},
}

// unlessThere returns an error. A NotFound for a list of an object's members or
// associations means that the object does not exist only if JumpCloud also says so for
// the object itself.
func (c *Client) unlessThere(ctx context.Context, err error, kind, id string) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	problem := fault.Of(err)
	what := call{op: problem.Op, subject: id, method: http.MethodGet, url: c.api + families[kind].one + id}
	_, err = c.do(ctx, what)
	if err == nil {
		return &fault.Error{Op: problem.Op, Kind: fault.Transient, Subject: id, Err: problem.Err,
			Message: "JumpCloud has the " + families[kind].name + " and answers that it does not: check its address and what is in between"}
	}
	return c.ifListed(ctx, err, kind, id)
}

// ifListed returns an error. A NotFound for an object is believed only if the list of
// objects of its type can be read: a wrong address, or a proxy in between, answers 404
// to everything.
func (c *Client) ifListed(ctx context.Context, err error, kind, id string) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	problem, its := *fault.Of(err), families[kind]
	what := call{op: problem.Op, subject: id, method: http.MethodGet, url: c.api + its.list + "?limit=1"}
	if _, cause := its.read(c, ctx, what); cause != nil {
		return &fault.Error{Op: problem.Op, Kind: fault.Transient, Subject: id, Err: cause, RetryAfter: fault.Of(cause).RetryAfter,
			Message: "JumpCloud answers that the " + its.name + " does not exist, and the list it would be in cannot be read either: check its address and what is in between"}
	}
	problem.Subject, problem.Message = id, "JumpCloud has no "+its.name+" "+id
	return &problem
}

// impossibleID is the fault for an id that no object can have.
func impossibleID(op, kind, id string) error {
	return &fault.Error{Op: op, Kind: fault.NotFound, Subject: id, Message: "not the id of a JumpCloud " + families[kind].name}
}
