package entra

import (
	"context"
	"maps"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// bind puts members to add into a model, by their addresses.
func (c *Client) bind(body *models.Group, members []directory.EntraID) {
	if len(members) == 0 {
		return
	}
	addresses := make([]string, len(members))
	for i, id := range members {
		addresses[i] = c.address(string(id))
	}
	body.SetAdditionalData(map[string]any{"members@odata.bind": addresses})
}

// add makes accounts members, as many in a request as Graph accepts. Graph adds all or
// none of them. If it refuses they are added one by one, because Graph checks its limit
// of links before it checks which of them are members already (observed by
// integrators).
func (w *groupWork) add(ctx context.Context, members []directory.EntraID) {
	first, rest := split(members)
	if len(first) < 2 {
		w.addSingly(ctx, first, nil)
		return
	}
	body := models.NewGroup()
	w.client.bind(body, first)
	item, err := w.client.asItem(w.group().ToPatchRequestInformation(ctx, body, nil))
	item.binds = len(first)
	w.once(item, err, func(answer response) {
		switch {
		case answer.succeeded():
			w.add(ctx, rest)
		case w.mayBeOfMembers(answer):
			w.addSingly(ctx, first, rest)
		default:
			w.refused(answer)
		}
	})
}

// addSingly makes accounts members, one request each, and then adds the rest.
func (w *groupWork) addSingly(ctx context.Context, members, rest []directory.EntraID) {
	w.singly(ctx, members, membership{
		request: func(id directory.EntraID) (request, error) {
			address := w.client.address(string(id))
			body := models.NewReferenceCreate()
			body.SetOdataId(&address)
			return w.client.asItem(w.group().Members().Ref().ToPostRequestInformation(ctx, body, nil))
		},
		already: func(answer response) bool { return answer.says(alreadyMember) },
	}, func() {
		if len(rest) > 0 {
			w.add(ctx, rest)
		}
	})
}

// remove ends memberships, one request each: Graph has no other way. Every request must
// end in $ref; without it, it would delete the account.
func (w *groupWork) remove(ctx context.Context, members []directory.EntraID) {
	first, rest := split(members)
	w.singly(ctx, first, membership{
		request: func(id directory.EntraID) (request, error) {
			return w.client.asItem(w.group().Members().ByDirectoryObjectId(string(id)).Ref().ToDeleteRequestInformation(ctx, nil))
		},
		already: func(answer response) bool { return answer.absent() || answer.says(notMember) },
	}, func() { w.remove(ctx, rest) })
}

// membership says how one member is added or removed.
type membership struct {
	request func(directory.EntraID) (request, error)
	already func(response) bool // reports a refusal because there is nothing to do
}

// singles are members that are added or removed by one request each.
type singles struct {
	membership
	work  *groupWork
	all   int
	left  []directory.EntraID
	width int    // how many are sent together; halved after each round with clashes
	next  func() // called when none is left

	unknown   int // how many were answered with 404
	forbidden int // how many were refused because a right is missing
	denial    response
	refused   map[directory.EntraID]error
}

// singly adds or removes members one by one, at most [directory.MaxBind] of them, and
// calls next. The result lists those that Entra refuses.
func (w *groupWork) singly(ctx context.Context, members []directory.EntraID, how membership, next func()) {
	if len(members) == 0 {
		return
	}
	s := &singles{membership: how, work: w, all: len(members), left: members, width: directory.MaxBind, next: next, refused: map[directory.EntraID]error{}}
	s.send(ctx)
}

// send sets the next requests.
func (s *singles) send(ctx context.Context) {
	n := min(s.width, len(s.left))
	sent := s.left[:n]
	s.left = s.left[n:]
	items := make([]request, n)
	for i, id := range sent {
		var err error
		if items[i], err = s.request(id); err != nil {
			s.work.fail(fault.Wrap(err, fault.Internal, s.work.op))
			return
		}
		items[i].urgency = s.work.urgency
	}
	s.work.requests = items
	s.work.then = func(answers []response) { s.take(ctx, sent, answers) }
}

// take reads the answers about the members that were sent. Graph handles them at the
// same time, so some may clash: they are sent again, fewer at a time.
func (s *singles) take(ctx context.Context, sent []directory.EntraID, answers []response) {
	w := s.work
	var worst *fault.Error
	clashed := 0
	for i, answer := range answers {
		if answer.clashed() {
			clashed++
			s.left = append(s.left, sent[i])
			w.noteClash(answer)
		} else if f := s.count(sent[i], answer); f != nil && (worst == nil || f.RetryAfter > worst.RetryAfter) {
			worst = f
		}
	}
	if clashed > 0 {
		s.width = max(s.width/2, 1)
	}
	w.clashes++
	if clashed < len(sent) {
		w.clashes = 0 // there is progress
	}
	switch {
	case worst == nil && w.clashes > maxClashes:
		worst = w.clash
		fallthrough
	case worst != nil:
		s.keep()
		w.fail(worst)
	case len(s.left) > 0:
		s.send(ctx)
	default:
		s.end(ctx)
	}
}

// count records the answer about one member. It returns the fault if that concerns more
// than the member.
func (s *singles) count(id directory.EntraID, answer response) *fault.Error {
	if answer.absent() {
		s.unknown++
	}
	if answer.succeeded() || s.already(answer) {
		return nil
	}
	f := aboutMember(s.work.op, answer)
	if concernsAll(f) {
		return f
	}
	if f.Kind == fault.Forbidden && f.Reason != directory.QuotaExceeded {
		s.forbidden, s.denial = s.forbidden+1, answer
	}
	s.refused[id] = f
	return nil
}

// end calls next once every member was answered. If Graph knew none of them, the group
// may be the missing object; if it allowed none, Graph does not write members of groups
// of this kind.
func (s *singles) end(ctx context.Context) {
	w := s.work
	switch {
	case s.forbidden == s.all:
		w.refused(s.denial)
	case s.unknown == s.all && !w.there:
		w.confirm(ctx, func() { s.keep(); s.next() })
	default:
		s.keep()
		s.next()
	}
}

// keep puts the refusals into the result.
func (s *singles) keep() {
	if s.work.result.Refused == nil && len(s.refused) > 0 {
		s.work.result.Refused = map[directory.EntraID]error{}
	}
	maps.Copy(s.work.result.Refused, s.refused)
}

// confirm reads whether the group exists, and calls next if it does.
func (w *groupWork) confirm(ctx context.Context, next func()) {
	item, err := w.client.asItem(w.group().ToGetRequestInformation(ctx, &groups.GroupItemRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.GroupItemRequestBuilderGetQueryParameters{Select: []string{"id"}},
	}))
	w.once(item, err, func(answer response) {
		if !answer.succeeded() {
			w.fail(w.soon(readFault(w.op, answer)))
			return
		}
		w.there = true
		next()
	})
}
