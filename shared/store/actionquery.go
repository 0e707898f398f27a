package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// How much of the table one page may read, so that a filter that matches nothing ends
// in time: the number of reads, and the most actions of one read. The first read is as
// large as the page. Each further read is twice as large, because few actions match.
const (
	actionReads    = 12
	actionsPerRead = 250
)

// completedWithin is how long after its start an action is usually completed. It is
// much longer than any invocation runs.
const completedWithin = time.Hour

// actionsPerPage is how many actions make a page when the caller does not say.
const actionsPerPage = 100

// ActionQuery asks for completed actions, the latest start first. An empty field does
// not filter. Without an organization and a directory, the organizations follow one
// another, each in this order.
type ActionQuery struct {
	Organization directory.OrganizationID
	Directory    directory.ID
	User         directory.UserID
	Type         plan.EventType
	// Since and Until limit the time of completion, both inclusive. Since may miss an
	// action that was completed more than an hour after its start, because a process
	// died or Entra did not answer all that time.
	Since, Until time.Time
	Limit        int // 0: 100
	Cursor       string
}

// actionPlace is the position where a page ended.
type actionPlace struct {
	Query        []byte                   `json:"q"` // the fingerprint of the query
	Organization directory.OrganizationID `json:"o,omitempty"`
	Page         string                   `json:"p,omitempty"` // the cursor of the table's page
	After        string                   `json:"a,omitempty"` // the id of the last action seen
}

// CompletedActions reads one page of completed actions. It reads a limited part of the
// table, so a page may be short, or empty, and still have a cursor. A cursor of another
// query (Limit aside) is refused with a fault of kind Invalid.
func (s *Store) CompletedActions(ctx context.Context, q ActionQuery) (List[plan.Action], error) {
	place, err := q.place()
	if err != nil {
		return List[plan.Action]{}, err
	}
	if q.Limit == 0 {
		q.Limit = actionsPerPage
	}
	walk := &actionWalk{store: s, query: q, place: place, reads: actionReads, size: q.Limit, found: []plan.Action{}}
	if err := walk.run(ctx); err != nil {
		return List[plan.Action]{}, err
	}
	list := List[plan.Action]{Items: walk.found}
	if !walk.ended {
		list.Cursor, err = walk.place.cursor()
	}
	return list, err
}

// fingerprint is a hash of the query without limit and cursor.
func (q ActionQuery) fingerprint() []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q",
		q.Organization, q.Directory, q.User, q.Type, q.Since.UTC().Format(time.RFC3339Nano), q.Until.UTC().Format(time.RFC3339Nano)))
	return sum[:fingerprintBytes]
}

// place returns the position where the page begins.
func (q ActionQuery) place() (actionPlace, error) {
	start := actionPlace{Query: q.fingerprint(), Organization: q.Organization}
	if q.Cursor == "" {
		return start, nil
	}
	var place actionPlace
	raw, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err == nil {
		err = json.Unmarshal(raw, &place)
	}
	if err != nil || !slices.Equal(place.Query, start.Query) || (q.Organization != "" && place.Organization != q.Organization) {
		return place, invalid("store.actions", "cursor", "the cursor does not belong to this query; start again without one")
	}
	return place, nil
}

// cursor encodes the place as text.
func (p actionPlace) cursor() (string, error) {
	raw, err := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(raw), err
}

// matches reports whether the query asks for the action.
func (q ActionQuery) matches(a plan.Action) bool {
	at := a.EventTime()
	return a.Completed() && a.EventType() != "" &&
		(q.Type == "" || q.Type == a.EventType()) &&
		(q.User == "" || (a.Subject.Kind == "user" && a.Subject.ID == string(q.User))) &&
		(q.Directory == "" || q.Directory == a.Directory) &&
		(q.Since.IsZero() || !at.Before(q.Since)) &&
		(q.Until.IsZero() || !at.After(q.Until))
}

// tooOld reports whether the query can match neither the action nor any that began
// before it.
func (q ActionQuery) tooOld(a plan.Action) bool {
	return !q.Since.IsZero() && a.At.Before(q.Since.Add(-completedWithin))
}

// table returns the query of the table for the actions of the directory or, without
// one, of an organization.
func (q ActionQuery) table(organization directory.OrganizationID) Query {
	if q.Directory != "" {
		return Query{PK: join(actionPart, string(q.Directory)), Index: true, Backward: true}
	}
	return Query{PK: join(organizationPart, string(organization), actionPart), Backward: true}
}

// actionWalk reads one page.
type actionWalk struct {
	store *Store
	query ActionQuery
	place actionPlace
	reads int // how many reads of the table are left
	size  int // how many actions the next read returns
	found []plan.Action
	ended bool // nothing follows
	// organizations are all of them, in order of their ids, if the query names none.
	organizations []directory.OrganizationID
}

// run reads until the page is full, no reads are left, or nothing follows.
func (w *actionWalk) run(ctx context.Context) (err error) {
	everywhere := w.query.Organization == "" && w.query.Directory == ""
	if everywhere {
		if w.organizations, err = w.store.organizationIDs(ctx); err != nil {
			return err
		}
		if w.place.Organization == "" {
			w.nextOrganization()
		}
	}
	for ; w.reads > 0 && len(w.found) < w.query.Limit && !w.ended; w.reads-- {
		over, err := w.read(ctx)
		switch {
		case err != nil:
			return err
		case over && everywhere:
			w.nextOrganization()
		case over:
			w.ended = true
		}
	}
	return nil
}

// read reads one page of the table, or the part of it that fills the page of actions.
// It reports whether all actions of the organization or the directory were read.
func (w *actionWalk) read(ctx context.Context) (over bool, err error) {
	q := w.query.table(w.place.Organization)
	q.Cursor, q.Limit = w.place.Page, min(w.size, actionsPerRead)
	w.size *= 2
	page, err := list[plan.Action](ctx, w.store, q)
	if err != nil {
		return false, err
	}
	for i, a := range page.Items {
		if w.place.After != "" && a.ID >= w.place.After {
			continue // seen already
		}
		if w.query.tooOld(a) {
			return true, nil
		}
		w.place.After = a.ID
		if !w.query.matches(a) {
			continue
		}
		w.found = append(w.found, a)
		if len(w.found) == w.query.Limit && i+1 < len(page.Items) {
			return false, nil
		}
	}
	w.place.Page = page.Cursor
	return page.Cursor == "", nil
}

// nextOrganization goes to the organization that follows, in order of their ids.
func (w *actionWalk) nextOrganization() {
	next := slices.IndexFunc(w.organizations, func(id directory.OrganizationID) bool { return id > w.place.Organization })
	if w.ended = next < 0; !w.ended {
		w.place.Organization, w.place.Page, w.place.After = w.organizations[next], "", ""
	}
}
