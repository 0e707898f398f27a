package entra

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// deletedGroups is the request for all deleted groups of the tenant. It has no filter
// on the unique name, because it is not documented that Graph takes one there. It is
// sent only when a group of ours was deleted.
func (c *Client) deletedGroups() (request, error) {
	info := abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		abstractions.GET, "{+baseurl}/directory/deletedItems/graph.group{?%24select,%24top}", map[string]string{"baseurl": c.baseURL})
	top := pageSize
	info.AddQueryParameters(struct {
		Select []string `uriparametername:"%24select"`
		Top    *int32   `uriparametername:"%24top"`
	}{[]string{"id", "displayName", "uniqueName", "deletedDateTime"}, &top})
	return c.item("", info)
}

// seekDeleted searches the deleted groups, page by page, for the one that keeps a
// unique name, and ends the action with the result. If there is none, the name belongs
// to a group that an earlier attempt created and that the replica does not show yet.
func (w *groupWork) seekDeleted(g newGroup, page request, err error) {
	w.once(page, err, func(answer response) {
		if answer.err != nil || answer.Status != http.StatusOK {
			w.fail(unlisted(w.op, answer))
			return
		}
		var parsed struct {
			Value []struct {
				ID              string    `json:"id"`
				DisplayName     string    `json:"displayName"`
				UniqueName      string    `json:"uniqueName"`
				DeletedDateTime time.Time `json:"deletedDateTime"`
			} `json:"value"`
		}
		next, err := w.client.nextPage(answer.Body)
		if err == nil {
			err = json.Unmarshal(answer.Body, &parsed)
		}
		if err != nil {
			w.fail(&fault.Error{Op: w.op, Kind: fault.Transient, Message: "Graph's answer cannot be read", Err: err})
			return
		}
		for _, each := range parsed.Value {
			if strings.EqualFold(each.UniqueName, g.unique) {
				w.keptFrom(directory.DeletedGroup{ID: directory.EntraID(each.ID), Name: each.DisplayName, At: each.DeletedDateTime})
				return
			}
		}
		if next != "" {
			w.seekDeleted(g, request{Method: http.MethodGet, URL: next}, nil)
			return
		}
		f := because(fault.Transient, directory.Unavailable, string(directory.UniqueName), "Entra says that the group is there already, and does not show it yet: it is tried again by itself")
		f.Op = w.op
		w.fail(f)
	})
}

// keptFrom ends the action because a deleted group keeps the unique name.
func (w *groupWork) keptFrom(deleted directory.DeletedGroup) {
	obstacle := deleted.Obstacle()
	f := because(fault.Conflict, obstacle.Reason, string(directory.UniqueName), obstacle.Message)
	f.Op = w.op
	w.fail(f)
	w.result.Deleted = &deleted
}

// unlisted is [readFault] for the list of deleted groups, which exists as long as the
// tenant does.
func unlisted(op string, answer response) *fault.Error {
	f := readFault(op, answer)
	if f.Kind == fault.NotFound {
		f.Kind, f.Reason = fault.Transient, directory.Unavailable
		f.Message = "Entra does not show its deleted groups: it is tried again by itself"
	}
	return f
}

// restore restores the deleted group.
func (w *groupWork) restore() {
	item, err := w.client.item("", w.client.restoration(w.result.ID))
	w.once(item, err, func(answer response) {
		if !answer.succeeded() {
			w.refused(answer)
		}
	})
}
