package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// strandedView is a message that was received too often and is set aside.
type strandedView struct {
	ID         string        `json:"id"`
	Lane       store.Lane    `json:"queue" enum:"changes,users-live,users-bulk,groups-live,groups-bulk" doc:"The queue that it comes from, and that it is sent back to"`
	About      []subjectView `json:"about" doc:"The users and groups that it is about"`
	Cause      *causeView    `json:"cause,omitempty" doc:"What it was sent for; missing when it cannot be read"`
	Receives   int           `json:"receives" doc:"How often it was received before it was set aside"`
	SentAt     time.Time     `json:"sentAt"`
	StrandedAt time.Time     `json:"strandedAt" doc:"When it was set aside; it is kept for 14 days"`
	CanRetry   bool          `json:"canRetry" doc:"Whether it can be sent back"`
	Message    string        `json:"message" doc:"What it means, with what to do"`
}

// subjectView is a user or a group.
type subjectView struct {
	Kind string `json:"kind" enum:"user,group"`
	ID   string `json:"id"`
}

// causeView is what a message was sent for.
type causeView struct {
	Type string     `json:"type" doc:"A type of event of JumpCloud, or the request of an administrator"`
	ID   string     `json:"id,omitempty" doc:"The id of the event"`
	At   *time.Time `json:"at,omitempty"`
}

// viewOfStranded shows a stranded message, without its body.
func viewOfStranded(m store.Stranded) strandedView {
	view := strandedView{ID: m.ID, Lane: m.Lane, About: []subjectView{}, Receives: m.Receives, SentAt: m.SentAt, StrandedAt: m.At, CanRetry: whyNoRetry(m) == "", Message: whyNoRetry(m)}
	for _, s := range m.About {
		view.About = append(view.About, subjectView{s.Kind, s.ID})
	}
	if m.Cause.Type != "" {
		view.Cause = &causeView{m.Cause.Type, m.Cause.ID, known(m.Cause.At)}
	}
	switch {
	case view.Message != "":
	case m.Unreadable != "":
		view.Message = "the message cannot be read (" + m.Unreadable + "): report it; sent back it fails again, unless entrasync is of another version by then"
	default:
		view.Message = "entrasync did not finish it, and its change may not be in Entra: read the log for why, then send it back"
	}
	return view
}

// whyNoRetry says why a message cannot be sent back; "" if it can.
func whyNoRetry(m store.Stranded) string {
	switch {
	case m.Password:
		return "it had a password, which is not kept: set the password again"
	case len(m.Body) == 0:
		return "it is too large to be kept: send it back from the dead letters of its queue"
	default:
		return ""
	}
}

// The parameters of the operations: with the id of a directory or an organization, or
// without one.
type (
	strandedQuery struct {
		ID string `path:"id" doc:"The directory or the organization"`
		api.Paging
	}
	strandedPath struct {
		ID       string `path:"id" doc:"The directory or the organization"`
		Stranded string `path:"strandedId" doc:"The message that was set aside"`
	}
	strayQuery struct{ api.Paging }
	strayPath  struct {
		Stranded string `path:"strandedId" doc:"The message that was set aside"`
	}
)

// stranded registers the operations on messages that were received too often.
func (a API) stranded(on huma.API) {
	const list, retry = "/stranded", "/stranded/{strandedId}/retry"
	const directories, organizations, everywhere = "/v1/directories/{id}", api.OrganizationsPath + "/{id}", "/v1"
	huma.Register(on, api.Operation("listStranded", http.MethodGet, directories+list, "The tasks that entrasync did not finish in any of its tries", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *strandedQuery) (*api.Answer[api.Page[strandedView]], error) {
			dir, err := a.shownDirectory(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return a.listStranded(ctx, dir.Organization, dir.ID, in.Paging)
		})
	huma.Register(on, api.Operation("retryStranded", http.MethodPost, directories+retry, "Send a task that was not finished back to its queue", http.StatusAccepted, http.StatusNotFound, http.StatusConflict),
		func(ctx context.Context, in *strandedPath) (*api.Answer[strandedView], error) {
			dir, err := a.directory(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return a.retryStranded(ctx, dir.Organization, dir.ID, in.Stranded)
		})
	huma.Register(on, api.Operation("listStrandedEvents", http.MethodGet, organizations+list, "The events of JumpCloud that entrasync did not finish in any of its tries", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *strandedQuery) (*api.Answer[api.Page[strandedView]], error) {
			id := directory.OrganizationID(in.ID)
			if err := a.Store.HasOrganization(ctx, id); err != nil {
				return nil, api.Refuse(err, "path.id", in.ID)
			}
			return a.listStranded(ctx, id, "", in.Paging)
		})
	huma.Register(on, api.Operation("retryStrandedEvent", http.MethodPost, organizations+retry, "Send an event that was not finished back to its queue", http.StatusAccepted, http.StatusNotFound, http.StatusConflict),
		func(ctx context.Context, in *strandedPath) (*api.Answer[strandedView], error) {
			id := directory.OrganizationID(in.ID)
			if err := a.Store.HasOrganization(ctx, id); err != nil {
				return nil, api.Refuse(err, "path.id", in.ID)
			}
			return a.retryStranded(ctx, id, "", in.Stranded)
		})
	huma.Register(on, api.Operation("listStrandedUnreadable", http.MethodGet, everywhere+list, "The messages that entrasync cannot read", http.StatusOK),
		func(ctx context.Context, in *strayQuery) (*api.Answer[api.Page[strandedView]], error) {
			return a.listStranded(ctx, "", "", in.Paging)
		})
	huma.Register(on, api.Operation("retryStrandedUnreadable", http.MethodPost, everywhere+retry, "Send a message that could not be read back to its queue", http.StatusAccepted, http.StatusNotFound, http.StatusConflict),
		func(ctx context.Context, in *strayPath) (*api.Answer[strandedView], error) {
			return a.retryStranded(ctx, "", "", in.Stranded)
		})
}

// listStranded lists the stranded messages of a directory, of an organization, or of neither.
func (a API) listStranded(ctx context.Context, organization directory.OrganizationID, id directory.ID, in api.Paging) (*api.Answer[api.Page[strandedView]], error) {
	list, err := a.Store.StrandedMessages(ctx, organization, id, in.Limit, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	shown := api.Page[strandedView]{Items: make([]strandedView, 0, len(list.Items)), Cursor: list.Cursor}
	for _, m := range list.Items {
		shown.Items = append(shown.Items, viewOfStranded(m))
	}
	return &api.Answer[api.Page[strandedView]]{Body: shown}, nil
}

// retryStranded sends a message back to its lane and removes its record. The record is
// removed last: a request that failed can be repeated, and a message that is processed
// twice does no harm.
func (a API) retryStranded(ctx context.Context, organization directory.OrganizationID, id directory.ID, message string) (*api.Answer[strandedView], error) {
	m, err := a.Store.StrandedMessage(ctx, organization, id, message)
	if err != nil {
		return nil, api.Refuse(err, "path.strandedId", message)
	}
	noteSubjects(ctx, m.About)
	if why := whyNoRetry(m); why != "" {
		return nil, api.Refuse(fault.New(fault.Conflict, "admin.retry stranded", "it cannot be sent back: "+why), "path.strandedId", message)
	}
	if err := a.sendBack(ctx, m); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if err := a.Store.RemoveStranded(ctx, m); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &api.Answer[strandedView]{Body: viewOfStranded(m)}, nil
}

// sendBack sends a message to its lane, and makes the links pending that it had parked. An
// event may have parked links for which fanout sends no task: each gets a task here.
func (a API) sendBack(ctx context.Context, m store.Stranded) error {
	sent := queue.Message{Body: m.Body, GroupID: m.Group, DedupID: uuid.NewString()}
	if err := a.laneOf(m.Lane).Send(ctx, sent); err != nil {
		return err
	}
	for _, subject := range m.About {
		directories := []directory.ID{m.Directory}
		if m.Directory == "" {
			var err error
			if directories, err = a.strandedIn(ctx, m.Organization, subject); err != nil {
				return err
			}
		}
		for _, id := range directories {
			if m.Directory == "" {
				if err := a.sendTask(ctx, id, subject); err != nil {
					return err
				}
			}
			if err := a.Store.ChangeStanding(ctx, id, subject, unstranded); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
	}
	return nil
}

// unstranded is a link that waits for a message that was sent back, unless a worker
// concluded it meanwhile.
func unstranded(s directory.Standing) directory.Standing {
	if s.Reason == directory.Stranded {
		s.Status, s.Reason, s.Message = directory.Pending, "", ""
	}
	return s
}

// strandedIn returns the directories in which the link of a user or a group is stranded.
func (a API) strandedIn(ctx context.Context, organization directory.OrganizationID, subject plan.Subject) (ids []directory.ID, err error) {
	add := func(s directory.Standing) {
		if s.Reason == directory.Stranded {
			ids = append(ids, s.Directory)
		}
	}
	if subject.Kind == plan.OfUser {
		user, err := a.Store.User(ctx, organization, directory.UserID(subject.ID))
		for _, link := range user.Links {
			add(link.Standing)
		}
		return ids, err
	}
	group, err := a.Store.Group(ctx, organization, directory.GroupID(subject.ID))
	for _, link := range group.Links {
		add(link.Standing)
	}
	return ids, err
}

// sendTask sends the task that checks a user or a group in a directory.
func (a API) sendTask(ctx context.Context, id directory.ID, subject plan.Subject) error {
	if subject.Kind == plan.OfUser {
		return reconcile.Enqueue(ctx, a.Lanes.UsersLive, reconcile.Task{Directory: id, User: directory.UserID(subject.ID), Cause: request(retried), Memberships: true})
	}
	return reconcile.Enqueue(ctx, a.Lanes.GroupsLive, reconcile.GroupTask{Directory: id, Group: directory.GroupID(subject.ID), Cause: request(retried)})
}

// laneOf is the queue of a lane.
func (a API) laneOf(lane store.Lane) queue.Sender {
	switch lane {
	case store.UsersLive:
		return a.Lanes.UsersLive
	case store.UsersBulk:
		return a.Lanes.UsersBulk
	case store.GroupsLive:
		return a.Lanes.GroupsLive
	case store.GroupsBulk:
		return a.Lanes.GroupsBulk
	default:
		return a.Changes
	}
}

// noteSubjects writes the user and the group of a message into the entry of the audit log.
func noteSubjects(ctx context.Context, subjects []plan.Subject) {
	concern := api.Concerns(ctx)
	for _, s := range subjects {
		if s.Kind == plan.OfUser {
			concern.User = s.ID
		} else {
			concern.Group = s.ID
		}
	}
}
