package jumpcloudtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// mistaken is a right answer with the mistake of the fault in it.
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

// Where a bare list has its total, and a page of the feed the number of its
// events.
const (
	totalHeader  = "X-Total-Count"
	resultHeader = "X-Result-Count"
)

// listReply is the answer to a list request, taken apart.
type listReply struct {
	status   int
	header   http.Header
	wrapped  map[string]any // what is around the list; nil if it is bare
	in       string         // the field of it that holds the list
	counted  string         // the field or the header that holds the total, "" for none
	elements []any
	total    int
}

// wrapping are the fields that hold a list with something around it.
var wrapping = []string{"results", "channels", "rules", "domains", "users"}

// readList takes apart a bare list or an object with one.
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

// reply puts the answer together again.
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

// strangers are elements like those of the list with ids that nothing has.
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

// rename gives an element of a list another id, wherever its own one stands.
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
