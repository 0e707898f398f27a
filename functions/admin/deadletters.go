package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"entrasync/shared/api"
	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// deadLetterView is a message that was received too often and is set aside.
type deadLetterView struct {
	ID           string                   `json:"id"`
	Organization directory.OrganizationID `json:"organizationId,omitempty" doc:"Missing when the message cannot be read"`
	Directory    directory.ID             `json:"directoryId,omitempty" doc:"Missing for an event of JumpCloud, which belongs to no directory"`
	Lane         store.Lane               `json:"queue" enum:"changes,users-live,users-bulk,groups-live,groups-bulk" doc:"The queue that it comes from, and that it is sent back to"`
	About        []subjectView            `json:"about" doc:"The users and groups that it is about"`
	Cause        *causeView               `json:"cause,omitempty" doc:"What it was sent for; missing when it cannot be read"`
	Receives     int                      `json:"receives" doc:"How often it was received before it was set aside"`
	SentAt       time.Time                `json:"sentAt"`
	StrandedAt   time.Time                `json:"strandedAt" doc:"When it was set aside; it is kept for 14 days"`
	CanRedrive   bool                     `json:"canRedrive" doc:"Whether it can be sent back"`
	Message      string                   `json:"message" doc:"Why it is here, with what to do"`
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

// viewOfDeadLetter shows a message that was set aside, without its body.
func viewOfDeadLetter(m store.Stranded) deadLetterView {
	view := deadLetterView{ID: m.ID, Organization: m.Organization, Directory: m.Directory, Lane: m.Lane, About: []subjectView{}, Receives: m.Receives,
		SentAt: m.SentAt, StrandedAt: m.At, CanRedrive: whyNotRedriven(m) == "", Message: whyNotRedriven(m)}
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
		view.Message = "entrasync did not finish it in any of its tries, and its change may not be in Entra: read the log for why, then send it back"
	}
	return view
}

// whyNotRedriven says why a message cannot be sent back; "" if it can.
func whyNotRedriven(m store.Stranded) string {
	switch {
	case m.Password:
		return "it had a password, which is not kept: set the password again"
	case len(m.Body) == 0:
		return "it is too large to be kept: send it back from the dead letters of its queue"
	default:
		return ""
	}
}

// deadLettersQuery are the filters of the list.
type deadLettersQuery struct {
	Organization string     `query:"organization" doc:"Only what belongs to this organization"`
	Directory    string     `query:"directory" doc:"Only what belongs to this directory"`
	Lane         store.Lane `query:"queue" enum:"changes,users-live,users-bulk,groups-live,groups-bulk" doc:"Only what comes from this queue"`
	api.Paging
}

// maxRedriven is how many dead letters a request may name.
const maxRedriven = 100

// redriveBody says which dead letters are to be sent back: those that it names, those that match
// its filters, or all.
type redriveBody struct {
	IDs          []string   `json:"ids,omitempty" maxItems:"100" doc:"These"`
	Organization string     `json:"organization,omitempty" doc:"Those that belong to this organization"`
	Directory    string     `json:"directory,omitempty" doc:"Those that belong to this directory"`
	Lane         store.Lane `json:"queue,omitempty" enum:"changes,users-live,users-bulk,groups-live,groups-bulk" doc:"Those that come from this queue"`
	All          bool       `json:"all,omitempty" doc:"All: without ids and filters this must be said"`
}

// filter is the filter that a body has.
func (b redriveBody) filter() store.StrandedFilter {
	return store.StrandedFilter{Organization: directory.OrganizationID(b.Organization), Directory: directory.ID(b.Directory), Lane: b.Lane}
}

// check returns the fault of a body that does not say clearly what it means.
func (b redriveBody) check() error {
	said := 0
	for _, is := range []bool{len(b.IDs) > 0, b.filter() != store.StrandedFilter{}, b.All} {
		if is {
			said++
		}
	}
	if said == 1 {
		return nil
	}
	return fault.New(fault.Invalid, "admin.redrive", `say which dead letters to send back: ids, or an organization, a directory or a queue, or {"all": true}`)
}

// redriveView is the answer to a request to send dead letters back.
type redriveView struct {
	Redriven int           `json:"redriven" doc:"How many were sent back to their queues"`
	Refused  []refusedView `json:"refused" doc:"Those that cannot be sent back, at most 100, each with what to do instead"`
	Complete bool          `json:"complete" doc:"Whether there was time for all; if not, repeat the request"`
}

// refusedView is a dead letter that cannot be sent back.
type refusedView struct {
	ID      string `json:"id"`
	Message string `json:"message" doc:"Why, with what to do"`
}

// deadLetters registers the operations on messages that were received too often.
func (a API) deadLetters(on huma.API) {
	const path = "/v1/dead-letters"
	list := api.Operation("listDeadLetters", http.MethodGet, path, "What entrasync did not finish in any of its tries, because it stopped each time", http.StatusOK)
	list.Description = "The last ones first: tasks of users and groups, events of JumpCloud, and messages that cannot be read. Those of the queues resync and imports are not here, because the schedule finds their work again: the jobs and the imports say how it goes. A page may be short, or even empty, and still have a cursor. A cursor belongs to its filters."
	huma.Register(on, list, a.listDeadLetters)
	redrive := api.Operation("redriveDeadLetters", http.MethodPost, path+"/redrive", "Send dead letters back to their queues", http.StatusAccepted)
	redrive.Description = "The users and groups that they are about are pending then. To send one back twice does no harm."
	huma.Register(on, redrive, a.redriveDeadLetters)
}

// listDeadLetters lists the messages that were set aside.
func (a API) listDeadLetters(ctx context.Context, in *deadLettersQuery) (*api.Answer[api.Page[deadLetterView]], error) {
	f := store.StrandedFilter{Organization: directory.OrganizationID(in.Organization), Directory: directory.ID(in.Directory), Lane: in.Lane}
	list, err := a.Store.StrandedMessages(ctx, f, in.Limit, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	shown := api.Page[deadLetterView]{Items: make([]deadLetterView, 0, len(list.Items)), Cursor: list.Cursor}
	for _, m := range list.Items {
		shown.Items = append(shown.Items, viewOfDeadLetter(m))
	}
	return &api.Answer[api.Page[deadLetterView]]{Body: shown}, nil
}

const (
	// redriveLimit is how long sending one message back may take (assumed).
	redriveLimit = 2 * time.Second
	// redrivePage is how many messages are read at once.
	redrivePage = 50
)

// redriveDeadLetters sends messages back to their lanes.
func (a API) redriveDeadLetters(ctx context.Context, in *struct{ Body redriveBody }) (*api.Answer[redriveView], error) {
	if err := in.Body.check(); err != nil {
		return nil, api.Refuse(err, "body", nil)
	}
	done := redriveView{Refused: []refusedView{}}
	var err error
	if len(in.Body.IDs) > 0 {
		err = a.redriveNamed(ctx, in.Body.IDs, &done)
	} else {
		err = a.redriveThat(ctx, in.Body.filter(), &done)
	}
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &api.Answer[redriveView]{Body: done}, nil
}

// redriveNamed sends back the messages with the ids.
func (a API) redriveNamed(ctx context.Context, ids []string, done *redriveView) error {
	for _, id := range ids {
		if !deadline.Allows(ctx, redriveLimit) {
			return nil
		}
		m, err := a.Store.FindStranded(ctx, id)
		switch {
		case fault.Is(err, fault.NotFound):
			done.refuse(id, "there is no dead letter of this id, or not any more")
		case err != nil:
			return err
		default:
			if len(ids) == 1 {
				noteSubjects(ctx, m.About)
			}
			if err := a.redrive(ctx, m, done); err != nil {
				return err
			}
		}
	}
	done.Complete = true
	return nil
}

// redriveThat sends back the messages that a list has.
func (a API) redriveThat(ctx context.Context, f store.StrandedFilter, done *redriveView) error {
	for cursor := ""; ; {
		page, err := a.Store.StrandedMessages(ctx, f, redrivePage, cursor)
		if err != nil {
			return err
		}
		for _, m := range page.Items {
			if !deadline.Allows(ctx, redriveLimit) {
				return nil
			}
			if err := a.redrive(ctx, m, done); err != nil {
				return err
			}
		}
		if cursor = page.Cursor; cursor == "" {
			done.Complete = true
			return nil
		}
	}
}

// redrive sends one message back and removes its record. The record is removed last: a request
// that failed can be repeated, and a message that is processed twice does no harm.
func (a API) redrive(ctx context.Context, m store.Stranded, done *redriveView) error {
	if why := whyNotRedriven(m); why != "" {
		done.refuse(m.ID, why)
		return nil
	}
	if err := a.sendBack(ctx, m); err != nil {
		return err
	}
	done.Redriven++
	return a.Store.RemoveStranded(ctx, m)
}

// refuse notes a message that cannot be sent back.
func (v *redriveView) refuse(id, why string) {
	if len(v.Refused) < maxRedriven {
		v.Refused = append(v.Refused, refusedView{id, why})
	}
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
