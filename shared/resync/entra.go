package resync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

const (
	// linkLife is how long Entra remembers up to where its changes were read (Graph, delta
	// query overview: seven days for directory objects).
	linkLife = 7 * 24 * time.Hour
	// mostBegins is how often a list of all is begun anew in one job.
	mostBegins = 5
	// linksPage is how many links are compared with a complete list at once.
	linksPage = 500
)

// entraStage is what is read of Entra.
type entraStage string

// The stages. Without a link that works, all is read, and then what changed meanwhile.
const (
	listing   entraStage = "list"
	following entraStage = "changes"
	comparing entraStage = "missing"
	presence  entraStage = "members"
)

// entraPlace is where the reading of Entra goes on.
type entraPlace struct {
	Stage entraStage `json:"stage,omitempty"` // "": not begun
	From  string     `json:"from,omitempty"`  // the page
	// At is when the link was given or the list was begun.
	At time.Time `json:"at,omitzero"`
	// Whole says that all was read, Parts how many parts of what it showed are stored, and
	// Begins how often it was begun.
	Whole  bool                `json:"whole,omitempty"`
	Parts  int                 `json:"parts,omitempty"`
	Begins int                 `json:"begins,omitempty"`
	Cursor string              `json:"cursor,omitempty"` // of our links
	Long   []directory.GroupID `json:"long,omitempty"`   // as those of membersPlace
	// For is the fingerprint of the attributes that belong to the link.
	For string `json:"for,omitempty"`
}

// freshLinks are links that Entra gave before a list of all was begun.
type freshLinks struct {
	At       time.Time `json:"at,omitzero"` // zero: they were not asked for
	Accounts string    `json:"accounts,omitempty"`
	Groups   string    `json:"groups,omitempty"`
	For      string    `json:"for,omitempty"` // the fingerprint of the attributes
}

// entraPage is what a page of either kind says.
type entraPage struct {
	items      int
	there      []directory.EntraID
	next, link string
	found      reconcile.DriftFound
}

// tracked is how one kind of object is read.
type tracked struct {
	of store.Tracked
	// list and changes read a page and have it judged.
	list, changes func(ctx context.Context, from string) (entraPage, error)
	// count counts the objects.
	count func(ctx context.Context) (int, error)
	// fresh is the link that was given before the list was begun.
	fresh string
	// known is a page of what our links say. What was written so late that the list may not
	// show it yet is among them: the task compares it later.
	known func(ctx context.Context, cursor string) (objects []knownObject, next string, err error)
	// missing has those judged that the list did not show.
	missing func(ctx context.Context, objects []knownObject) (reconcile.DriftFound, error)
}

// knownObject is a user or group with the id of its account or group in Entra.
type knownObject struct {
	user  directory.UserID
	group directory.GroupID
	id    directory.EntraID
}

// exported are the attributes that a directory may write, apart from whether it does for
// everybody.
func exported(s directory.Settings) []directory.Attribute {
	d := directory.Desire(&directory.User{State: directory.Activated}, directory.Connected{Here: true}, s)
	names := map[directory.Attribute]bool{directory.UserPrincipalName: true, directory.MailNickname: true, directory.AccountEnabled: true}
	for name := range d.Attributes {
		names[name] = true
	}
	for _, p := range d.Problems {
		names[p.Attribute] = true
	}
	if s.ExportsManager() {
		names[directory.Manager] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// fingerprint is a hash of attributes.
func fingerprint(attributes []directory.Attribute) string {
	sum := sha256.New()
	for _, name := range attributes {
		fmt.Fprintf(sum, "%s\n", name)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// reading reads pages with a function, and has each judged. whole says that the pages are of a
// list of all.
func reading[C interface {
	There() (directory.EntraID, bool)
}](whole bool, read func(ctx context.Context, from string) (directory.ChangePage[C], error), judge func(ctx context.Context, page []C, whole bool) (reconcile.DriftFound, error)) func(context.Context, string) (entraPage, error) {
	return func(ctx context.Context, from string) (entraPage, error) {
		p, err := read(ctx, from)
		if err != nil {
			return entraPage{}, err
		}
		page := entraPage{items: len(p.Items), next: p.Next, link: p.Link}
		for _, each := range p.Items {
			if id, there := each.There(); there {
				page.there = append(page.there, id)
			}
		}
		page.found, err = judge(ctx, p.Items, whole)
		return page, err
	}
}

// accounts is how accounts are read.
func (r *run) accounts() tracked {
	attributes := exported(r.dir.Settings)
	judge := func(ctx context.Context, page []directory.AccountChange, whole bool) (reconcile.DriftFound, error) {
		if err := r.keepBlockers(ctx, page, whole); err != nil {
			return reconcile.DriftFound{}, err
		}
		return r.Drift.Accounts(ctx, r.dir, page, whole)
	}
	return tracked{
		of: store.TrackedAccounts, count: r.entra.CountAccounts, fresh: r.place.Fresh.Accounts,
		list: reading(true, func(ctx context.Context, from string) (directory.AccountChanges, error) {
			return r.entra.AccountPage(ctx, from, attributes)
		}, judge),
		changes: reading(false, func(ctx context.Context, from string) (directory.AccountChanges, error) {
			return r.entra.AccountChanges(ctx, from, attributes)
		}, judge),
		known: func(ctx context.Context, cursor string) ([]knownObject, string, error) {
			page, err := r.Store.Links(ctx, r.dir.ID, linksPage, cursor)
			var objects []knownObject
			for _, l := range page.Items {
				if id := l.Account(); id != "" {
					objects = append(objects, knownObject{user: l.User, id: id})
				}
			}
			return objects, page.Cursor, err
		},
		missing: func(ctx context.Context, objects []knownObject) (reconcile.DriftFound, error) {
			users := make([]directory.UserID, len(objects))
			for i, o := range objects {
				users[i] = o.user
			}
			return r.Drift.MissingAccounts(ctx, r.dir, users)
		},
	}
}

// groups is how groups are read.
func (r *run) groups() tracked {
	judge := func(ctx context.Context, page []directory.GroupChange, whole bool) (reconcile.DriftFound, error) {
		return r.Drift.Groups(ctx, r.dir, page, whole)
	}
	return tracked{
		of: store.TrackedGroups, count: r.entra.CountGroups, fresh: r.place.Fresh.Groups,
		list: reading(true, r.entra.GroupPage, judge), changes: reading(false, r.entra.GroupChanges, judge),
		known: func(ctx context.Context, cursor string) ([]knownObject, string, error) {
			page, err := r.Store.GroupLinksThat(ctx, r.dir.ID, "", "", linksPage, cursor)
			var objects []knownObject
			for _, l := range page.Items {
				if l.EntraID != "" && !l.Freed {
					objects = append(objects, knownObject{group: l.Group, id: l.EntraID})
				}
			}
			return objects, page.Cursor, err
		},
		missing: func(ctx context.Context, objects []knownObject) (reconcile.DriftFound, error) {
			groups := make([]directory.GroupID, len(objects))
			for i, o := range objects {
				groups[i] = o.group
			}
			return r.Drift.MissingGroups(ctx, r.dir, groups)
		},
	}
}

// stepGroups compares the groups of Entra, unless the directory manages none. The link of the
// last comparison stays as it is: once the directory manages groups again, what somebody
// changed since then is found.
func (r *run) stepGroups(ctx context.Context) (ended bool, err error) {
	if !r.dir.Settings.ManageGroups {
		return true, r.Store.ForgetShown(ctx, r.job.ID, store.TrackedGroups) // it may have managed them a moment ago
	}
	return r.stepEntra(ctx, r.groups())
}

// stepEntra reads the next page of one kind of object.
func (r *run) stepEntra(ctx context.Context, t tracked) (ended bool, err error) {
	switch r.place.Entra.Stage {
	case "":
		return false, r.beginEntra(ctx, t)
	case listing:
		err = r.readList(ctx, t)
	case following:
		ended, err = r.readChanges(ctx, t)
	case presence:
		return r.comparePresent(ctx)
	default:
		return r.compareLinks(ctx, t)
	}
	if fault.Of(err) != nil && fault.Of(err).Reason == directory.ChangesForgotten {
		return false, r.beginAnew(ctx, t)
	}
	return ended, err
}

// beginEntra begins with the link of the last resync, or with a list of all. Before anything
// is compared, it has read who is excluded: somebody may have joined or left the group without
// an event.
func (r *run) beginEntra(ctx context.Context, t tracked) error {
	if task, excludes := reconcile.ExcludeTask(r.dir, r.cause()); excludes && t.of == store.TrackedAccounts {
		if err := reconcile.Enqueue(ctx, r.Groups, task); err != nil {
			return err
		}
	}
	link, err := r.Store.ChangesLink(ctx, r.dir.ID, t.of)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	now := time.Now().UTC()
	usable := err == nil && link.Link != "" && now.Sub(link.At) < linkLife && link.Tenant == r.dir.TenantObject &&
		(t.of != store.TrackedAccounts || link.Attributes == fingerprint(exported(r.dir.Settings)))
	if usable {
		r.place.Entra = entraPlace{Stage: following, From: link.Link, At: now, For: link.Attributes}
		return r.beginKind(ctx, t, false)
	}
	return r.beginList(ctx, t, now)
}

// beginList begins a list of all. The links from which later changes are read are asked for
// before, so that nothing is missed between the two. A tenant without them is listed each time.
func (r *run) beginList(ctx context.Context, t tracked, now time.Time) error {
	attributes := exported(r.dir.Settings)
	if r.place.Fresh.At.IsZero() {
		accounts, groups, err := r.latest(ctx, attributes)
		if err != nil && fault.Of(err).Reason != directory.ChangesUnsupported {
			return err
		}
		if err != nil {
			zerolog.Ctx(ctx).Info().Err(err).Str("directory", string(r.dir.ID)).Msg("a resync lists everything, because the tenant does not say what changed")
		}
		r.place.Fresh = freshLinks{At: now, Accounts: accounts, Groups: groups, For: fingerprint(attributes)}
	}
	r.place.Entra = entraPlace{Stage: listing, At: r.place.Fresh.At, Begins: r.place.Entra.Begins + 1, For: r.place.Fresh.For}
	r.job.Done, r.job.Total = 0, r.total(ctx, t)
	return r.beginKind(ctx, t, true)
}

// latest asks for the links from which changes after now are read: of groups only if the
// directory manages them, because it may have no right to read them.
func (r *run) latest(ctx context.Context, attributes []directory.Attribute) (accounts, groups string, err error) {
	accounts, err = r.entra.LatestAccounts(ctx, attributes)
	if err == nil && r.dir.Settings.ManageGroups {
		groups, err = r.entra.LatestGroups(ctx)
	}
	return accounts, groups, err
}

// total is how many objects a list of all will show; 0 if Entra does not say it: nothing but
// the progress needs it.
func (r *run) total(ctx context.Context, t tracked) int {
	n, err := t.count(ctx)
	if err != nil {
		zerolog.Ctx(ctx).Info().Err(err).Str("directory", string(r.dir.ID)).Str("of", string(t.of)).Msg("a resync does not know how much it will read")
		return 0
	}
	return n
}

// beginKind begins to keep what is shown of one kind of object.
func (r *run) beginKind(ctx context.Context, t tracked, whole bool) error {
	if t.of != store.TrackedAccounts {
		return nil
	}
	return r.beginBlockers(ctx, whole)
}

// beginAnew begins a list of all because Entra has forgotten where the last one, or the
// changes, ended.
func (r *run) beginAnew(ctx context.Context, t tracked) error {
	if r.place.Entra.Begins >= mostBegins {
		return &fault.Error{Op: "resync.begin anew", Kind: fault.Transient, Reason: directory.ChangesForgotten, Message: "Entra forgets again and again how far its lists were read: it is tried again"}
	}
	zerolog.Ctx(ctx).Info().Str("job", r.job.ID).Str("directory", string(r.dir.ID)).Str("of", string(t.of)).Msg("a resync lists everything, because Entra has forgotten how far its changes were read")
	if r.place.Entra.Stage == following && r.place.Entra.Whole { // the fresh link itself
		r.place.Fresh = freshLinks{}
	}
	r.shown = nil
	if err := r.Store.ForgetChangesLink(ctx, r.dir.ID, t.of); err != nil {
		return err
	}
	return r.beginList(ctx, t, time.Now().UTC())
}

// readList reads a page of a list of all.
func (r *run) readList(ctx context.Context, t tracked) error {
	began := time.Now().UTC()
	page, err := t.list(ctx, r.place.Entra.From)
	if err != nil {
		return err
	}
	if err := r.keepShown(ctx, t, page.there); err != nil {
		return err
	}
	if err := r.countDrift(ctx, page.found, began); err != nil {
		return err
	}
	r.job.Done += page.items
	if r.place.Entra.From = page.next; page.next != "" {
		return nil
	}
	r.place.Entra.Whole = true
	if r.place.Entra.Stage, r.place.Entra.From = following, t.fresh; t.fresh == "" {
		r.place.Entra.Stage = comparing
	}
	return nil
}

// readChanges reads a page of changes. After the last one the next resync reads on from there.
func (r *run) readChanges(ctx context.Context, t tracked) (ended bool, err error) {
	began := time.Now().UTC()
	page, err := t.changes(ctx, r.place.Entra.From)
	if err != nil {
		return false, err
	}
	if r.place.Entra.Whole {
		if err := r.keepShown(ctx, t, page.there); err != nil {
			return false, err
		}
	}
	if err := r.countDrift(ctx, page.found, began); err != nil {
		return false, err
	}
	r.job.Done += page.items
	if page.next != "" {
		r.place.Entra.From = page.next
		return false, nil
	}
	link := store.ChangesLink{Directory: r.dir.ID, Of: t.of, Tenant: r.dir.TenantObject, Link: page.link, At: began, Attributes: r.place.Entra.For}
	if err := r.Store.PutChangesLink(ctx, link); err != nil {
		return false, err
	}
	if !r.place.Entra.Whole {
		return true, nil
	}
	r.place.Entra.Stage, r.place.Entra.From = comparing, ""
	return false, nil
}

// compareLinks compares a page of our links with what a complete list showed.
func (r *run) compareLinks(ctx context.Context, t tracked) (ended bool, err error) {
	if r.shown == nil {
		if r.shown, err = readShown(ctx, r.Store, r.job.ID, t.of); err != nil {
			return false, err
		}
	}
	began := time.Now().UTC()
	objects, next, err := t.known(ctx, r.place.Entra.Cursor)
	if err != nil {
		return false, err
	}
	objects = slices.DeleteFunc(objects, func(o knownObject) bool { return r.shown.has(hashOf(o.id)) })
	if len(objects) > 0 {
		found, err := t.missing(ctx, objects)
		if err != nil {
			return false, err
		}
		if err := r.countDrift(ctx, found, began); err != nil {
			return false, err
		}
	}
	if r.place.Entra.Cursor = next; next != "" {
		return false, nil
	}
	if err := r.Store.ForgetShown(ctx, r.job.ID, t.of); err != nil || t.of == store.TrackedAccounts {
		return true, err
	}
	r.place.Entra.Stage = presence
	return false, nil
}

// keepShown stores what a page showed.
func (r *run) keepShown(ctx context.Context, t tracked, there []directory.EntraID) error {
	if len(there) == 0 {
		return nil
	}
	if err := r.Store.PutShown(ctx, r.job.ID, t.of, r.place.Entra.Parts, partOf(hashesOf(there))); err != nil {
		return err
	}
	r.place.Entra.Parts++
	return nil
}

// sameID is how an id of Entra is compared: Graph may write it in either case.
func sameID(id directory.EntraID) string { return strings.ToLower(string(id)) }
