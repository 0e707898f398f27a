package entratest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// countSegment ends the path of a request for the number of objects.
const countSegment = "/$count"

// countOf is the operation that counts the objects that another one lists. It is not in
// the description.
func countOf(list *operation) *operation {
	return &operation{
		template: list.template + countSegment, method: http.MethodGet, roles: list.roles, units: list.units,
		query:  []string{"$filter", "$search"},
		handle: func(c *call) (*answer, *graphError) { return c.countOnly(list.handle) },
	}
}

// countOnly answers with the number of objects as text. It is always an advanced query
// (Microsoft Graph documentation, advanced queries on directory objects).
func (c *call) countOnly(list func(*call) (*answer, *graphError)) (*answer, *graphError) {
	if !c.eventual() {
		return nil, badRequest(textCountNeedsHeader)
	}
	a, failure := list(c)
	if failure != nil {
		return nil, failure
	}
	body, _ := a.body.(map[string]any)
	n, _ := body["@odata.count"].(int)
	return (&answer{status: http.StatusOK, body: json.RawMessage(strconv.Itoa(n))}).set("Content-Type", "text/plain"), nil
}

// eventual reports whether the request accepts results of an index that lags.
func (c *call) eventual() bool {
	return strings.EqualFold(c.header.Get("ConsistencyLevel"), "eventual")
}
