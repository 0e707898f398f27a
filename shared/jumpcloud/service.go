package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"entrasync/shared/fault"
)

// service is a kind of object of JumpCloud's newer services. They answer
// {"channel":{…}} for one object and {"channels":[…],"count":n} for a page, and
// leave out what is empty, false or 0, as the JSON of protocol buffers does.
type service struct {
	path  string // below the root of version 2
	one   string // the field that holds one object
	many  string // the field that holds a page
	scope string // what the key must be allowed (JumpCloud API documentation, x-scopes)
}

var (
	channelService = service{"/notifications/channels", "channel", "channels", "notifications.channels"}
	healthService  = service{"/notifications/webhook/channels", "channel", "channels", "notifications.channels"}
	testService    = service{"/notifications/webhook/test", "", "", "notifications.channels"}
	ruleService    = service{"/healthmonitoring/rules", "rule", "rules", "healthmonitoring.rules"}
)

// readOnly is the fields of channels and rules that only JumpCloud writes.
var readOnly = []string{"objectId", "organizationObjectId", "createdAt", "createdBy", "createdByObjectId",
	"updatedAt", "updatedBy", "lastUpdatedAt", "lastUpdatedBy"}

// address is where the service is, or one of its objects.
func (c *Client) address(s service, id string) string {
	if id != "" {
		id = "/" + url.PathEscape(id)
	}
	return c.api + "/v2" + s.path + id
}

// ask sends a call to a newer service and reads the object it answers with.
// send is how: [Client.do], or [Client.once] for what must not be done twice.
//
// The description of these services does not mention x-org-id, without which a
// key for several organizations could not say which it means, and JumpCloud
// answers 403 to the header where a route does not take it. So it is sent, and a
// call that is refused is repeated without it, if the key is for our
// organization only and cannot reach another one.
func (c *Client) ask(ctx context.Context, s service, what call, send func(*Client, context.Context, call) (answer, error)) (object, error) {
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

// once sends the call a single time: repeating what creates something could
// create it twice, because a call without an answer may have worked.
func (c *Client) once(ctx context.Context, what call) (answer, error) {
	got, _, problem := c.attempt(ctx, what)
	if problem != nil {
		return answer{}, problem
	}
	return got, nil
}

// needing adds to a refusal of the key the scope that it needs.
func needing(scope string, err error) error {
	refusal := statuses[http.StatusForbidden].message
	problem := *fault.Of(err)
	if problem.Message == refusal {
		problem.Message += "; it needs the scope " + scope
	}
	return &problem
}

// listNamed reads all objects of a service, each once. No sort is asked for, as
// the fields that can be sorted by are not published; with more than a page of
// objects, one that is made or deleted meanwhile may hide another.
func (c *Client) listNamed(ctx context.Context, s service) ([]object, error) {
	var all []object
	seen := map[string]bool{}
	what := call{op: "jumpcloud.list " + s.many, url: c.address(s, "")}
	read := func(c *Client, ctx context.Context, what call) (page, error) { return c.namedList(ctx, s, what) }
	err := c.eachPage(ctx, what, url.Values{}, read, func(before int, p page) error {
		if len(p.elements) == 0 && p.total > before { // or what is there would be made a second time
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
	o, err := c.ask(ctx, s, what, (*Client).do)
	if err != nil {
		return page{}, err
	}
	var elements []json.RawMessage
	if raw := o[s.many]; len(raw) > 0 && json.Unmarshal(raw, &elements) != nil {
		return page{}, unexpected(what, "JumpCloud's list holds no "+s.many)
	}
	return page{elements, totalOf(o.text("count"))}, nil
}

// isEmptyList reports whether a field is missing, null or a list of nothing.
func isEmptyList(raw json.RawMessage) bool {
	var list []json.RawMessage
	return len(raw) == 0 || json.Unmarshal(raw, &list) == nil && len(list) == 0
}

// save creates an object (id "") or replaces one, and gives it back as it is
// then, with the whole answer. A replacement is whole, because JumpCloud empties
// what a PATCH leaves out (observed by JumpCloud's own command line for
// channels, assumed for rules).
func (c *Client) save(ctx context.Context, s service, id string, content map[string]any) (saved, whole object, err error) {
	what := call{op: "jumpcloud.change " + s.one, subject: id, method: http.MethodPatch, url: c.address(s, id)}
	send := (*Client).do
	if id == "" {
		what.op, what.method = "jumpcloud.create "+s.one, http.MethodPost
		send = (*Client).once
	}
	if whole, err = c.write(ctx, s, what, map[string]any{s.one: content}, send); err != nil {
		return nil, nil, err
	}
	saved = objectOf(whole[s.one])
	if got := saved.text("objectId"); got == "" || id != "" && got != id {
		return nil, nil, unexpected(what, "JumpCloud answered with something that is not the "+s.one+" that was written")
	}
	return saved, whole, nil
}

// write sends a call with a body.
func (c *Client) write(ctx context.Context, s service, what call, body any, send func(*Client, context.Context, call) (answer, error)) (object, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, &fault.Error{Op: what.op, Subject: what.subject, Kind: fault.Internal, Err: err}
	}
	what.body = encoded
	return c.ask(ctx, s, what, send)
}

// writable is the fields of an object that may be sent back.
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
