package entratest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// maxBatch is the number of items that one $batch may hold (Microsoft Graph
// documentation, JSON batching).
const maxBatch = 20

// batchItem is one request of a batch while it is served.
type batchItem struct {
	id     string
	method string
	url    string
	header http.Header
	body   []byte
	parent int // index of the item it depends on; -1: none
	key    string
	done   *answer
	call   *call
}

// batch serves POST /$batch. Each item has a cost; the batch itself has none.
func (c *call) batch() (*answer, *graphError) {
	if len(c.rawBody) > maxBatchBytes {
		return nil, refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The batch is too large.")
	}
	items, failure := readBatch(c.body)
	if failure != nil {
		return nil, failure
	}
	for i := range items {
		c.runItem(items, i)
	}
	status := http.StatusOK
	responses := make([]any, 0, len(items))
	for _, item := range items {
		responses = append(responses, item.response())
		if item.done.status == http.StatusTooManyRequests && c.behaviour.BatchThrottle424 {
			status = http.StatusFailedDependency
		}
	}
	if !c.behaviour.BatchOrderKept {
		c.sim.random.shuffle(len(responses), func(i, k int) { responses[i], responses[k] = responses[k], responses[i] })
	}
	return &answer{status: status, body: map[string]any{"responses": responses}}, nil
}

// readBatch checks the rules for a complete batch.
func readBatch(body map[string]any) ([]*batchItem, *graphError) {
	requests, _ := body["requests"].([]any)
	if len(requests) == 0 || len(requests) > maxBatch {
		return nil, malformed("The batch must hold between 1 and %d requests, not %d.", maxBatch, len(requests))
	}
	var items []*batchItem
	ids := map[string]int{}
	var depends [][]string
	for i, raw := range requests {
		given, _ := raw.(map[string]any)
		item, dependsOn, failure := readItem(given)
		if failure != nil {
			return nil, failure
		}
		if _, twice := ids[strings.ToLower(item.id)]; twice {
			return nil, malformed("Request Id %s has to be unique in a batch.", item.id)
		}
		ids[strings.ToLower(item.id)] = i
		items, depends = append(items, item), append(depends, dependsOn)
	}
	return items, connect(items, depends, ids)
}

func readItem(given map[string]any) (*batchItem, []string, *graphError) {
	item := &batchItem{header: http.Header{}, parent: -1}
	item.id, _ = given["id"].(string)
	item.method, _ = given["method"].(string)
	item.method = strings.ToUpper(item.method)
	item.url, _ = given["url"].(string)
	if item.id == "" || item.method == "" || item.url == "" {
		return nil, nil, malformed("Every request of a batch needs 'id', 'method' and 'url'.")
	}
	headers, _ := given["headers"].(map[string]any)
	for name, value := range headers {
		if text, isText := value.(string); isText {
			item.header.Set(name, text)
		}
	}
	switch body := given["body"].(type) {
	case nil:
	case string: // a body that is not JSON comes in base64url
		decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(body, "="))
		if err != nil {
			return nil, nil, malformed("The body of request '%s' is neither a JSON object nor base64url.", item.id)
		}
		item.body = decoded
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, nil, malformed("The body of request '%s' is invalid.", item.id)
		}
		item.body = encoded
	}
	if item.incomplete() {
		return nil, nil, malformed("Write request id : %s does not contain Content-Type header or body.", item.id)
	}
	return item, textsOf(given["dependsOn"]), nil
}

// incomplete reports whether an item lacks its body or its content type. A POST, PATCH
// or PUT needs both, even if the call takes no body; any other item with a body needs
// the type (Microsoft Graph documentation, JSON batching; users of Graph observed the
// text of the refusal, and that it refuses the complete batch).
func (i *batchItem) incomplete() bool {
	writes := i.method == http.MethodPost || i.method == http.MethodPatch || i.method == http.MethodPut
	return (writes || i.body != nil) && (i.body == nil || i.header.Get("Content-Type") == "")
}

// connect checks dependsOn. Three forms are allowed: no item depends on another; every
// item but the first depends on the one before; all items that depend name the same
// item.
func connect(items []*batchItem, depends [][]string, ids map[string]int) *graphError {
	serial, same, dependants, first := true, true, 0, -1
	for i, names := range depends {
		serial = serial && (i == 0) == (len(names) == 0)
		if len(names) == 0 {
			continue
		}
		parent, known := ids[strings.ToLower(names[0])]
		if len(names) > 1 || !known || parent == i {
			return malformed("The dependsOn of request '%s' must name one other request of the batch.", items[i].id)
		}
		items[i].parent = parent
		serial = serial && parent == i-1
		if dependants == 0 {
			first = parent
		}
		same = same && parent == first
		dependants++
	}
	if dependants > 0 && !serial && (!same || items[first].parent >= 0) {
		return malformed("The dependsOn of a batch must be serial, or the same for all requests that have one.")
	}
	return nil
}

// runItem serves an item after the one that it depends on.
func (c *call) runItem(items []*batchItem, i int) {
	item := items[i]
	if item.done != nil {
		return
	}
	item.call = c.itemCall(item)
	if item.parent >= 0 {
		c.runItem(items, item.parent)
		if items[item.parent].done.status >= http.StatusBadRequest {
			item.done = item.call.refused(refuse(http.StatusFailedDependency, codeFailedDependency, "Failed Dependency"))
			return
		}
	}
	if c.behaviour.BatchConflicts && c.unaccepted == nil {
		item.key = item.call.target()
		item.call.clash = clashes(items, i)
	}
	item.done = item.call.run()
}

// clashes reports whether an item that ran before, at the same time for the client,
// writes the same object.
func clashes(items []*batchItem, i int) bool {
	before := map[int]bool{}
	for parent := items[i].parent; parent >= 0; parent = items[parent].parent {
		before[parent] = true
	}
	for k, other := range items {
		if k != i && !before[k] && other.done != nil && other.key != "" && other.key == items[i].key {
			return true
		}
	}
	return false
}

// itemCall makes the call of an item. It has the token of the batch, and the version in
// the URL of the batch.
func (c *call) itemCall(item *batchItem) *call {
	path, rawQuery, _ := strings.Cut(item.url, "?")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		path = "/%" // broken escaping: refused like any other broken path
	}
	out := &call{
		sim: c.sim, ctx: c.ctx, behaviour: c.behaviour, now: c.now, method: item.method, base: c.base, path: path,
		query: query, header: item.header, rawBody: item.body, item: true, reply: c.reply,
		requestID: c.sim.random.uuid(), clientRequestID: item.header.Get("client-request-id"),
		tenant: c.tenant, app: c.app, roles: c.roles, directoryRoles: c.directoryRoles, unaccepted: c.unaccepted,
	}
	if out.clientRequestID == "" {
		out.clientRequestID = out.requestID
	}
	if priority := c.header.Get("x-ms-throttle-priority"); priority != "" && out.header.Get("x-ms-throttle-priority") == "" {
		out.header.Set("x-ms-throttle-priority", priority)
	}
	if strings.HasPrefix(path, "/$batch") {
		out.path = "/%" // no nesting
	}
	return out
}

// target is the object that a write changes, by id; "" for reads and creates.
func (c *call) target() string {
	op, params, failure := resolve(c.method, c.path)
	if failure != nil || !op.write || len(params) == 0 {
		return ""
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	key := strings.ToLower(params[0])
	if id, isUPN := c.tenant.byUPN[key]; isUPN && strings.HasPrefix(op.template, "/users") {
		return strings.ToLower(id)
	}
	return key
}

// response is the entry of an item in the answer.
func (i *batchItem) response() map[string]any {
	header := http.Header{}
	header.Set("Cache-Control", "no-cache")
	for name, values := range i.done.header {
		header[name] = values
	}
	i.call.meter.describe(header)
	var body any
	if i.done.body != nil {
		body = i.done.body
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "application/json")
		}
		if raw, isRaw := body.(json.RawMessage); isRaw && !json.Valid(raw) {
			body = base64.RawURLEncoding.EncodeToString(bytes.TrimSpace(raw))
		}
	}
	world := i.call.behaviour.World
	return map[string]any{"id": world.writeID(i.id), "status": i.done.status, "headers": world.writeHeaders(header), "body": body}
}
