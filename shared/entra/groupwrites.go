package entra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/groupswithuniquename"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// Graph refuses writes to one group at the same time with 409. It is assumed how often
// to send one again without any progress, and how long to wait when Graph does not say.
const (
	maxClashes = 4
	clashWait  = 500 * time.Millisecond
)

// ApplyToGroups sends actions, each of which must be for another group, and the
// requests that follow from the answers, in rounds of $batch requests. It costs one
// write unit for each group that is created, renamed or deleted and for each member
// that is removed, and about one for three members that are added.
//
// An error of a result is about the group, or about all groups, as when Graph
// throttles. It is then unknown how much of the action was done, and the complete
// action can be sent again. The result has the id of a created group as soon as it is
// known, even with an error.
func (c *Client) ApplyToGroups(ctx context.Context, actions []plan.Action) []reconcile.GroupResult {
	works := make([]*groupWork, len(actions))
	errands := make([]*errand, len(actions))
	for i, action := range actions {
		w := &groupWork{client: c, op: "entra." + string(action.Type), result: reconcile.GroupResult{ID: action.EntraID}}
		w.late = func() { w.result.Err = w.clash }
		w.begin(ctx, action)
		works[i], errands[i] = w, &w.errand
	}
	c.run(ctx, errands)
	results := make([]reconcile.GroupResult, len(actions))
	for i, w := range works {
		results[i] = w.result
		results[i].Err = c.tokens.forbidden(actions[i].Cause, w.result.Err)
	}
	return results
}

// groupWork is an action on a group that is being done.
type groupWork struct {
	errand
	client  *Client
	op      string
	result  reconcile.GroupResult
	made    bool // by this action: a replica that does not show the group only lags
	there   bool // Graph confirmed that the group exists
	urgency urgency
	clashes int          // in a row
	clash   *fault.Error // the last one
}

// begin sets the first request of an action; none when there is nothing to write, as
// for a group that is taken over and has the right name.
func (w *groupWork) begin(ctx context.Context, action plan.Action) {
	add, remove := memberChange(action)
	name, renamed := action.Value(directory.DisplayName)
	w.urgency = urgencyOf(action)
	switch {
	case action.Type == plan.CreateGroup:
		unique, _ := action.Value(directory.UniqueName)
		w.create(ctx, newGroup{name: name.String(), unique: unique.String()}, add)
	case action.EntraID == "":
		w.fail(fault.New(fault.Internal, w.op, "no group is named"))
	case action.Type == plan.AddMembers:
		w.add(ctx, add)
	case action.Type == plan.RemoveMembers:
		w.remove(ctx, remove)
	case action.Type == plan.DeleteGroup:
		w.delete(ctx)
	case action.Type == plan.RestoreGroup:
		w.restore()
	case action.Type != plan.RenameGroup && action.Type != plan.TakeOverGroup:
		w.fail(fault.New(fault.Internal, w.op, "this is no action on a group"))
	case renamed:
		w.rename(ctx, name.String())
	}
}

// memberChange are the members that an action adds and removes, each once.
func memberChange(action plan.Action) (add, remove []directory.EntraID) {
	for _, c := range action.Changes {
		if c.Attribute == directory.Members {
			return ids(c.To), ids(c.From)
		}
	}
	return nil, nil
}

// ids are the object ids in a value, each once.
func ids(value directory.Value) (list []directory.EntraID) {
	seen := map[directory.EntraID]bool{"": true}
	for _, text := range value {
		if id := directory.EntraID(text); !seen[id] {
			seen[id] = true
			list = append(list, id)
		}
	}
	return list
}

// fail ends the action with an error.
func (w *groupWork) fail(err error) {
	w.requests, w.wait, w.result.Err = nil, 0, err
}

// refused ends the action with Graph's refusal.
func (w *groupWork) refused(answer response) {
	w.fail(w.soon(aboutGroup(w.op, answer)))
}

// soon makes a missing group transient if we created it just now: a replica lags.
func (w *groupWork) soon(f *fault.Error) *fault.Error {
	if !w.made || f.Kind != fault.NotFound {
		return f
	}
	f = because(fault.Transient, directory.Unavailable, "", "the group was created a moment ago and is not known everywhere in Entra yet: it is tried again by itself")
	f.Op = w.op
	return f
}

// once sends one request, and again while it clashes with another write. Then it passes
// the answer to then.
func (w *groupWork) once(item request, err error, then func(response)) {
	if err != nil {
		w.fail(fault.Wrap(err, fault.Internal, w.op))
		return
	}
	item.urgency = w.urgency
	w.requests = []request{item}
	w.then = func(answers []response) {
		w.clashes++
		switch {
		case !answers[0].clashed():
			w.clashes = 0
			then(answers[0])
		case w.clashes > maxClashes:
			w.refused(answers[0])
		default:
			w.noteClash(answers[0])
			w.requests = []request{item}
		}
	}
}

// noteClash records a clash with another write, and how long to wait.
func (w *groupWork) noteClash(answer response) {
	f := aboutGroup(w.op, answer)
	if w.wait == 0 || f.RetryAfter > w.clash.RetryAfter {
		w.clash = f
	}
	w.wait = max(w.wait, f.RetryAfter, clashWait)
}

// group builds requests for the group.
func (w *groupWork) group() *groups.GroupItemRequestBuilder {
	return w.client.groups.ByGroupId(string(w.result.ID))
}

// rename gives the group a display name.
func (w *groupWork) rename(ctx context.Context, name string) {
	body := models.NewGroup()
	body.SetDisplayName(&name)
	item, err := w.client.asItem(w.group().ToPatchRequestInformation(ctx, body, nil))
	w.once(item, err, func(answer response) {
		if !answer.succeeded() {
			w.refused(answer)
		}
	})
}

// delete deletes the group. A group that is gone counts as deleted.
func (w *groupWork) delete(ctx context.Context) {
	item, err := w.client.asItem(w.group().ToDeleteRequestInformation(ctx, nil))
	w.once(item, err, func(answer response) {
		if !answer.succeeded() && !answer.absent() {
			w.refused(answer)
		}
	})
}

// newGroup is a group that is to be created.
type newGroup struct{ name, unique string }

// create creates a group with its first members, or finds the one that an earlier
// attempt created, and then adds the other members. If Graph refuses because of a
// member, the group is created without members, and they are added one by one.
func (w *groupWork) create(ctx context.Context, g newGroup, members []directory.EntraID) {
	if g.name == "" || g.unique == "" {
		w.fail(fault.New(fault.Internal, w.op, "a group needs a display name and a unique name"))
		return
	}
	first, rest := split(members)
	w.upsert(ctx, g, first, func(answer response) {
		if len(first) == 0 || !w.mayBeOfMembers(answer) {
			w.identify(ctx, g, answer, func() { w.add(ctx, rest) })
			return
		}
		w.upsert(ctx, g, nil, func(answer response) {
			w.identify(ctx, g, answer, func() { w.addSingly(ctx, first, rest) })
		})
	})
}

// split takes off as many members as one request may add. Appending to first does not
// change rest.
func split(members []directory.EntraID) (first, rest []directory.EntraID) {
	n := min(len(members), directory.MaxBind)
	return members[:n:n], members[n:]
}

// mayBeOfMembers reports whether Graph may have refused a request because of the
// members in it: some or all of them cannot be added, and Graph does not say which.
func (w *groupWork) mayBeOfMembers(answer response) bool {
	if answer.err != nil || !slices.Contains([]int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound}, answer.Status) {
		return false
	}
	f := aboutGroup(w.op, answer)
	return f.Subject == "" && !concernsAll(f)
}

// upsert sends the request that creates a group, or updates it if one with its unique
// name exists (Microsoft Graph documentation, upsert group). Only the URL has the
// unique name, because it is read-only once the group exists.
func (w *groupWork) upsert(ctx context.Context, g newGroup, members []directory.EntraID, then func(response)) {
	no, yes, nickname := false, true, mailNickname(g.name, g.unique)
	body := models.NewGroup()
	body.SetDisplayName(&g.name)
	body.SetMailEnabled(&no)
	body.SetSecurityEnabled(&yes)
	body.SetMailNickname(&nickname)
	body.SetGroupTypes([]string{})
	w.client.bind(body, members)
	item, err := w.client.asItem(w.client.byUniqueName(g.unique).ToPatchRequestInformation(ctx, body, nil))
	item.binds = len(members)
	if err == nil {
		item.Headers[prefer] = ifMissing
	}
	w.once(item, err, then)
}

// byUniqueName builds requests for a group by its unique name. The SDK does not double
// the quotes in it.
func (c *Client) byUniqueName(unique string) *groupswithuniquename.GroupsWithUniqueNameRequestBuilder {
	unique = doubled(unique)
	return groupswithuniquename.NewGroupsWithUniqueNameRequestBuilderInternal(map[string]string{"baseurl": c.baseURL}, c.adapter, &unique)
}

// identify reads the id of the group from the answer to an upsert. If the answer has
// none, because the group existed, it reads the group. Then it calls next.
func (w *groupWork) identify(ctx context.Context, g newGroup, answer response, next func()) {
	if !answer.succeeded() {
		w.notMade(g, answer)
		return
	}
	if w.found(answer, next) {
		return
	}
	w.made, w.result.Existed = true, true
	item, err := w.client.asItem(w.client.byUniqueName(g.unique).ToGetRequestInformation(ctx, &groupswithuniquename.GroupsWithUniqueNameRequestBuilderGetRequestConfiguration{
		QueryParameters: &groupswithuniquename.GroupsWithUniqueNameRequestBuilderGetQueryParameters{Select: []string{"id"}},
	}))
	w.once(item, err, func(answer response) {
		switch {
		case !answer.succeeded():
			w.refused(answer)
		case !w.found(answer, next):
			w.fail(fault.New(fault.Transient, w.op, "Graph did not return the id of the group: it is tried again by itself"))
		}
	})
}

// found takes the id from an answer that has one, and calls next.
func (w *groupWork) found(answer response, next func()) bool {
	var group struct {
		ID directory.EntraID `json:"id"`
	}
	if json.Unmarshal(answer.Body, &group) != nil || group.ID == "" {
		return false
	}
	w.result.ID, w.made = group.ID, true
	next()
	return true
}

// notMade ends the action because no group was created, or finds out why.
func (w *groupWork) notMade(g newGroup, answer response) {
	w.refused(answer)
	f := fault.Of(w.result.Err)
	switch {
	case f.Reason == directory.GroupUnusable: // there is no group yet that could be the cause
		f.Kind, f.Reason = fault.Unauthorized, directory.PermissionMissing
		f.Message = "Entra does not allow the application to create groups: give it the permissions that the README lists, with admin consent"
	case f.Kind == fault.Conflict && f.Subject == string(directory.UniqueName):
		// Only we use such a name: it is the group that an earlier attempt created.
		item, err := w.client.deletedGroups()
		w.seekDeleted(g, item, err)
		return
	}
	w.result.Err = f
}

// maxNickname is the longest mail nickname of a group, in characters (Microsoft
// Graph documentation, create group).
const maxNickname = 64

// mailNickname is the mail nickname of a new group, which Graph requires even of groups
// without mail: the characters of the name that Graph allows, and a hash of the unique
// name, so that no two groups get the same.
func mailNickname(name, unique string) string {
	sum := sha256.Sum256([]byte(unique))
	end := "-" + hex.EncodeToString(sum[:6])
	kept := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, name)
	if kept == "" {
		kept = "group"
	}
	return kept[:min(len(kept), maxNickname-len(end))] + end
}
