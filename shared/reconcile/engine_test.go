package reconcile

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/local/bolttable"
	"entrasync/shared/local/localtest"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/queue"
	"entrasync/shared/store"
)

// A third kind of work: it renames things that have links like those of groups. It adds
// only what is special to it.

var things = noun{subject: "thing", attempts: "thing", failed: "thing_attempts_failed", ended: "things_settled"}

type thing struct {
	work
	link   directory.GroupLink
	wanted string
}

func (t *thing) standing() *directory.Standing   { return &t.link.Standing }
func (t *thing) name() string                    { return t.wanted }
func (t *thing) recording() store.Recording      { link := t.link; return store.Recording{Group: &link} }
func (t *thing) isKnown() bool                   { return true }
func (t *thing) waiting() (store.Waiting, error) { return store.Waiting{}, nil }
func (t *thing) beginning(a *plan.Action)        { a.EntraID = t.link.EntraID }
func (t *thing) parking(fault.Kind) *plan.Action {
	return nil
}
func (t *thing) recordAfterConflict(context.Context, Parts, directory.Directory, []plan.Action) {}
func (t *thing) shows(directory.Claim, directory.Settings) directory.Shown                      { return directory.Another }
func (t *thing) sendClaimRecheck(context.Context, Lanes, time.Time) error                       { return nil }
func (t *thing) sendAbsenceRecheck(context.Context, Lanes, directory.Settings, int, time.Time) error {
	return nil
}
func (t *thing) sendComparison(context.Context, Lanes, time.Time) error { return nil }
func (t *thing) logged(e *zerolog.Event) *zerolog.Event                 { return e }

type thingBatch struct {
	linkEngine[*thing]
	refusals map[string]error // of names
}

var thingStages = []stage[*thingBatch, *thing]{
	{"decide", each((*thingBatch).decide), false},
	{"write", (*thingBatch).send, false},
	{"conclude", (*thingBatch).end, false},
	{"record failures", (*thingBatch).recordFailures, true},
	{"publish", (*thingBatch).publish, true},
}

func (b *thingBatch) decide(ctx context.Context, t *thing) {
	if t.wanted == "" {
		b.fail(ctx, t, fault.New(fault.Invalid, "test", "a thing needs a name"))
		return
	}
	if t.link.Applied != t.wanted {
		t.todo = []plan.Action{{Type: plan.Update, Changes: []directory.Change{{Attribute: directory.DisplayName, To: directory.Text(t.wanted)}}}}
	}
}

func (b *thingBatch) send(ctx context.Context, things []*thing) {
	b.write(ctx, things, func(context.Context, []*thing) {}, func(ctx context.Context, things []*thing, actions []plan.Action) {
		for i, t := range things {
			action := actions[i]
			action.CompletedAt = time.Now().UTC()
			t.link.OpenActions = slices.DeleteFunc(t.link.OpenActions, func(id string) bool { return id == action.ID })
			if err := b.refusals[t.wanted]; err != nil {
				action.Status, action.Error = plan.Failed, &plan.Failure{Kind: string(fault.KindOf(err))}
				b.note(ctx, t, action)
				b.fail(ctx, t, err)
				continue
			}
			action.Status, t.link.Applied = plan.Succeeded, t.wanted
			b.note(ctx, t, action)
		}
	})
}

func (b *thingBatch) end(ctx context.Context, things []*thing) {
	b.conclude(ctx, things, func(_ context.Context, t *thing) { t.link.Status = directory.Synced }, func(context.Context, *thing) {})
}

// published keeps what is published.
type published struct{ actions []plan.Action }

func (p *published) Publish(_ context.Context, actions ...plan.Action) error {
	p.actions = append(p.actions, actions...)
	return nil
}

// A kind of work that defines only its stages gets what all kinds have: attempts end, are
// retried or are parked, and actions are recorded, counted and published.
func TestAThirdKindOfWork(t *testing.T) {
	table, err := bolttable.Open(filepath.Join(localtest.Folder(t), "table.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	const organization = directory.OrganizationID("5f0c1e2d3a4b5c6d7e8f9012")
	id := directory.NewID(organization, "main")
	metrics, publisher, log := &metric.Memory{}, &published{}, &strings.Builder{}
	ctx := zerolog.New(log).WithContext(t.Context())
	b := &thingBatch{refusals: map[string]error{"slow": fault.New(fault.Transient, "entra.update", "Graph is away"), "broken": errors.New("a defect")}}
	b.Parts = Parts{Store: store.New(table), Metrics: metrics, Publisher: publisher}
	b.dir = directory.Directory{ID: id, Organization: organization}
	for _, each := range []struct {
		id, wanted string
		last       bool
	}{{"t1", "right", false}, {"t2", "", false}, {"t3", "slow", false}, {"t4", "broken", true}, {"t5", "slow", true}} {
		b.objects = append(b.objects, &thing{
			work:   work{attempted: attempted{noun: things, directory: id, id: each.id, number: 1, last: each.last}},
			link:   directory.NewGroupLink(id, directory.GroupID(each.id)),
			wanted: each.wanted,
		})
	}
	goThrough(ctx, b, b.objects, thingStages)
	for i, want := range []struct {
		status  directory.LinkStatus
		reason  directory.Reason
		outcome Outcome
	}{
		{directory.Synced, "", Outcome{}},
		{directory.Parked, directory.RefusedReason, Outcome{}},
		{directory.Pending, directory.Unavailable, Outcome{Retry: true}},
		{directory.Parked, directory.InternalReason, Outcome{}},
		{directory.Pending, directory.Unavailable, Outcome{Retry: true, Afresh: true}},
	} {
		thing := b.objects[i]
		known, err := b.Store.Group(t.Context(), organization, thing.link.Group)
		link, found := known.Link(id)
		if err != nil || !found || link.Status != want.status || link.Reason != want.reason || len(link.OpenActions) > 0 {
			t.Errorf("%s: got %s (%s), %v open, %v; want %s (%s)", thing.id, link.Status, link.Reason, link.OpenActions, err, want.status, want.reason)
		}
		if got := b.outcomes()[i]; got.Retry != want.outcome.Retry || got.Afresh != want.outcome.Afresh {
			t.Errorf("%s: got outcome %+v, want %+v", thing.id, got, want.outcome)
		}
	}
	if got := len(publisher.actions); got != 4 {
		t.Errorf("got %d published actions, want 4", got)
	}
	actions, err := b.Store.Actions(t.Context(), id, 0, "")
	if err != nil || len(actions.Items) != 4 || slices.ContainsFunc(actions.Items, func(a plan.Action) bool { return a.Status == plan.Started || a.Subject.Kind != "thing" }) {
		t.Errorf("got recorded actions %+v, %v; want four that ended", actions.Items, err)
	}
	counts := metrics.Counts()
	if got := counts[metric.Key("things_settled", "status", "synced", "reason", "")]; got != 1 {
		t.Errorf("got %d things that are in sync, want 1: %v", got, counts)
	}
	if !strings.Contains(log.String(), `"thing":"t3","stage":"write"`) {
		t.Errorf("got log %s, want a line of the thing t3 with the stage write", log)
	}
}

// noClients and noQueue are there, and are never used.
type (
	noClients struct{ Clients }
	noQueue   struct{ queue.Sender }
)

// A constructor refuses to work without any of its parts, and names the part.
func TestMissingParts(t *testing.T) {
	seed := func(context.Context) (string, error) { return "", nil }
	for name, remove := range map[string]func(*Parts){
		"":                 func(*Parts) {},
		"Store":            func(p *Parts) { p.Store = nil },
		"Clients":          func(p *Parts) { p.Clients = nil },
		"Metrics":          func(p *Parts) { p.Metrics = nil },
		"Lanes.UsersLive":  func(p *Parts) { p.Lanes.UsersLive = nil },
		"Lanes.UsersBulk":  func(p *Parts) { p.Lanes.UsersBulk = nil },
		"Lanes.GroupsLive": func(p *Parts) { p.Lanes.GroupsLive = nil },
		"Lanes.GroupsBulk": func(p *Parts) { p.Lanes.GroupsBulk = nil },
	} {
		parts := Parts{Store: store.New(nil), Clients: noClients{}, Metrics: &metric.Memory{}, Lanes: Lanes{noQueue{}, noQueue{}, noQueue{}, noQueue{}}}
		remove(&parts)
		_, ofUsers := NewUsers(parts)
		_, ofGroups := NewGroups(parts)
		_, ofPasswords := NewPasswords(parts, seed)
		for of, err := range map[string]error{"users": ofUsers, "groups": ofGroups, "passwords": ofPasswords} {
			if got := missingIn(err); got != name {
				t.Errorf("%s without %q: %v", of, name, err)
			}
		}
	}
	parts := Parts{Store: store.New(nil), Clients: noClients{}, Metrics: &metric.Memory{}, Lanes: Lanes{noQueue{}, noQueue{}, noQueue{}, noQueue{}}}
	if _, err := NewPasswords(parts, nil); missingIn(err) != "PasswordSeed" {
		t.Errorf("passwords without a seed: %v, want a fault that names PasswordSeed", err)
	}
}

// missingIn is the part that an error says is missing; "" for no error.
func missingIn(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Subject
}
