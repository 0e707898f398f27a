package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"entrasync/shared/fault"
)

// service is a kind of object of JumpCloud's newer services. They answer
// {"channel":{…}} for one object and {"channels":[…],"count":n} for a page, and leave
// out empty fields, false and 0, like the JSON of protocol buffers.
type service struct {
	path  string // below the root of version 2
	one   string // the field with one object
	many  string // the field with a page
	scope string // the scope that the key needs (JumpCloud API documentation, x-scopes)
}

var (
	channelService = service{"/notifications/channels", "channel", "channels", "notifications.channels"}
	healthService  = service{"/notifications/webhook/channels", "channel", "channels", "notifications.channels"}
	testService    = service{"/notifications/webhook/test", "", "", "notifications.channels"}
	ruleService    = service{"/healthmonitoring/rules", "rule", "rules", "healthmonitoring.rules"}
)

// readOnly are the fields of channels and rules that only JumpCloud writes.
var readOnly = []string{"objectId", "organizationObjectId", "createdAt", "createdBy", "createdByObjectId",
	"updatedAt", "updatedBy", "lastUpdatedAt", "lastUpdatedBy"}

// address is the URL of the service, or of one of its objects.
func (c *Client) address(s service, id string) string {
	if id != "" {
		id = "/" + url.PathEscape(id)
	}
	return c.api + "/v2" + s.path + id
}

// exchange sends a call to a newer service and reads the object in the answer. send is
// [Client.do], or [Client.once] for a call that must not be repeated.
//
// The description of these services does not mention x-org-id, but a key for several
// organizations needs it, and JumpCloud answers 403 where a route does not accept it.
// So it is sent, and a refused call is repeated without it, if the key is for our
// organization only and cannot change another one.
func (c *Client) exchange(ctx context.Context, s service, what call, send func(*Client, context.Context, call) (answer, error)) (object, error) {
	got, err := send(c, ctx, what)
	if fault.Is(err, fault.Forbidden) && c.organization != "" {
		alone := *c
		alone.organization = ""
		if only, unknown := alone.Organization(ctx); unknown == nil && only.ID == c.organization {
			got, err = send(&alone, ctx, what)
		}
	}
	if err != nil {
		return nil, needing(s.scope, err)
	}
	var o object
	if err := decode(what, got.body, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, unexpected(what, "JumpCloud answered null")
	}
	return o, nil
}

// once sends the call once: repeating a call that creates something could create it
// twice, because a call without an answer may have succeeded.
func (c *Client) once(ctx context.Context, what call) (answer, error) {
	got, _, problem := c.attempt(ctx, what)
	if problem != nil {
		return answer{}, problem
	}
	return got, nil
}

// needing adds the scope that the key needs to a refusal of the key.
func needing(scope string, err error) error {
	problem := *fault.Of(err)
	if problem.Message == statuses[http.StatusForbidden].message || problem.Message == refusedRight {
		problem.Message += "; it needs the scope " + scope
	}
	return &problem
}

// listNamed reads all objects of a service, each once. It requests no sort, because the
// sortable fields are not published; with more than a page of objects, one may be
// missing if another is created or deleted meanwhile.
func (c *Client) listNamed(ctx context.Context, s service) ([]object, error) {
	var all []object
	seen := map[string]bool{}
	what := call{op: "jumpcloud.list " + s.many, url: c.address(s, "")}
	read := func(c *Client, ctx context.Context, what call) (page, error) { return c.namedList(ctx, s, what) }
	err := c.eachPage(ctx, what, url.Values{}, read, func(before int, p page) error {
		if len(p.elements) == 0 && p.total > before { // or the existing object would be created a second time
			return unexpected(what, "JumpCloud's list holds no "+s.many)
		}
		for _, raw := range p.elements {
			each := objectOf(raw)
			if id := each.text("objectId"); id != "" && !seen[id] {
				seen[id] = true
				all = append(all, each)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// namedList reads a page of a list of a service.
func (c *Client) namedList(ctx context.Context, s service, what call) (page, error) {
	o, err := c.exchange(ctx, s, what, (*Client).do)
	if err != nil {
		return page{}, err
	}
	var elements []json.RawMessage
	if raw := o[s.many]; len(raw) > 0 && json.Unmarshal(raw, &elements) != nil {
		return page{}, unexpected(what, "JumpCloud's list holds no "+s.many)
	}
	return page{elements, totalOf(o.text("count"))}, nil
}

// isEmptyList reports whether a field is missing, null or an empty list.
func isEmptyList(raw json.RawMessage) bool {
	var list []json.RawMessage
	return len(raw) == 0 || json.Unmarshal(raw, &list) == nil && len(list) == 0
}

// save creates an object (id "") or replaces one, and returns it as JumpCloud saved it,
// with the complete answer. A replacement has all fields, because JumpCloud clears the
// fields that a PATCH leaves out (observed by JumpCloud's own command line for
// channels, assumed for rules).
func (c *Client) save(ctx context.Context, s service, id string, content map[string]any) (saved, reply object, err error) {
	what := call{op: "jumpcloud.change " + s.one, subject: id, method: http.MethodPatch, url: c.address(s, id)}
	send := (*Client).do
	if id == "" {
		what.op, what.method = "jumpcloud.create "+s.one, http.MethodPost
		send = (*Client).once
	}
	if reply, err = c.write(ctx, s, what, map[string]any{s.one: content}, send); err != nil {
		return nil, nil, err
	}
	saved = objectOf(reply[s.one])
	if got := saved.text("objectId"); got == "" || id != "" && got != id {
		return nil, nil, unexpected(what, "JumpCloud answered with something that is not the "+s.one+" that was written")
	}
	return saved, reply, nil
}

// write sends a call with a body.
func (c *Client) write(ctx context.Context, s service, what call, body any, send func(*Client, context.Context, call) (answer, error)) (object, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, &fault.Error{Op: what.op, Subject: what.subject, Kind: fault.Internal, Err: err}
	}
	what.body = encoded
	return c.exchange(ctx, s, what, send)
}

// writable are the fields of an object that may be sent back.
func writable(o object) map[string]any {
	fields := map[string]any{}
	for name, value := range o {
		fields[name] = value
	}
	for _, name := range readOnly {
		delete(fields, name)
	}
	return fields
}

func idsOf(objects []object) []string {
	var ids []string
	for _, o := range objects {
		ids = append(ids, o.text("objectId"))
	}
	return ids
}
