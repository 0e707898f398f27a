package jumpcloudtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// mistaken is a right answer changed by the mistake of the fault.
func (f *Fault) mistaken(right reply) (reply, error) {
	if f.Answer == "" {
		return right, nil
	}
	l, err := readList(right)
	if err != nil {
		return reply{}, err
	}
	count := max(1, f.Count)
	few := min(count, len(l.elements))
	switch f.Answer {
	case EmptyList:
		l.elements, l.total = nil, 0
		l.header.Del(l.counted)
	case EmptyTotal:
		l.elements, l.total = nil, 0
	case EmptyPage:
		l.elements = nil
	case ShortPage:
		l.elements = l.elements[:len(l.elements)-few]
	case FewerOf:
		l.elements = l.elements[:len(l.elements)-few]
		l.total -= few
	case Nulls:
		clear(l.elements[:few])
	case Strangers:
		l.elements = append(l.strangers(count), l.elements...)
		l.total += count
	}
	return l.reply(), nil
}

// totalHeader has the total of a bare list, resultHeader the number of events on a page
// of the feed.
const (
	totalHeader  = "X-Total-Count"
	resultHeader = "X-Result-Count"
)

// listReply is the answer to a list request, split into its parts.
type listReply struct {
	status   int
	header   http.Header
	wrapped  map[string]any // the object around the list; nil if it is bare
	in       string         // the field of the object with the list
	counted  string         // the field or the header with the total, "" for none
	elements []any
	total    int
}

// wrapping are the fields of objects that have a list.
var wrapping = []string{"results", "channels", "rules", "domains", "users"}

// readList splits a bare list or an object with one.
func readList(right reply) (*listReply, error) {
	l := &listReply{status: right.status, header: right.header.Clone()}
	if l.header == nil {
		l.header = http.Header{}
	}
	var content any
	encoded, err := json.Marshal(right.body)
	if err == nil {
		err = json.Unmarshal(encoded, &content)
	}
	if err != nil {
		return nil, err
	}
	switch shape := content.(type) {
	case []any:
		l.elements = shape
		for _, name := range []string{totalHeader, resultHeader} {
			if total, err := strconv.Atoi(l.header.Get(name)); err == nil {
				l.counted, l.total = name, total
			}
		}
		return l, nil
	case map[string]any:
		l.wrapped = shape
		for name, value := range shape {
			switch value := value.(type) {
			case []any:
				if slices.Contains(wrapping, name) {
					l.in, l.elements = name, value
				}
			case float64:
				if name == "totalCount" || name == "count" {
					l.counted, l.total = name, int(value)
				}
			}
		}
	}
	if l.in == "" {
		return nil, fmt.Errorf("jumpcloudtest: a fault is about a list, and the answer is none")
	}
	return l, nil
}

// reply builds the answer again.
func (l *listReply) reply() reply {
	if l.elements == nil {
		l.elements = []any{}
	}
	if l.wrapped == nil {
		if l.header.Get(l.counted) != "" {
			l.header.Set(l.counted, strconv.Itoa(l.total))
		}
		return reply{l.status, l.header, l.elements}
	}
	l.wrapped[l.in] = l.elements
	if l.counted != "" {
		l.wrapped[l.counted] = l.total
	}
	return reply{l.status, l.header, l.wrapped}
}

// strangers are elements like those of the list, with ids that do not exist.
func (l *listReply) strangers(count int) []any {
	var all []any
	for i := range count {
		like := map[string]any{"id": "", "type": string(kindUser)}
		if len(l.elements) > 0 {
			if first, is := l.elements[0].(map[string]any); is {
				like = copyOf(first)
			}
		}
		rename(like, fmt.Sprintf("%024x", i+1))
		all = append(all, like)
	}
	return all
}

// rename gives an element of a list another id, in all its fields.
func rename(element map[string]any, id string) {
	for _, field := range []string{"_id", "id", "objectId"} {
		if _, has := element[field]; has {
			element[field] = id
		}
	}
	if to, is := element["to"].(map[string]any); is {
		rename(to, id)
	}
}
