package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/crowd"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// tenantPattern is the form of a tenant's name: a GUID or a domain, but not a name for
// all tenants such as "common".
var tenantPattern = regexp.MustCompile(`^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|([A-Za-z0-9][A-Za-z0-9-]{0,62}\.)+[A-Za-z0-9-]{1,63})$`)

// directoryView is a directory as the API shows it.
type directoryView struct {
	directory.Directory
	Settings settingsView `json:"settings"`
	// Health is not in the answers to changes.
	Health *healthView `json:"health,omitempty" doc:"How the directory is; in lists without counts, throttling, credentials and the latest webhook"`
	// Credentials are read for one directory only.
	Credentials []directory.CredentialState `json:"credentials,omitempty" doc:"When the credentials for Entra and JumpCloud end, and what to do; only where one directory is read"`
	// Exclusion is not in lists.
	Exclusion *exclusionView `json:"exclusion,omitempty" doc:"What is known of the group that the setting exclude names; missing without one, and in lists"`
	// Warnings are only in the answer to a request that sets exclude.
	Warnings []warning `json:"warnings,omitempty" doc:"Ids and sign-in names in the setting exclude that protect nobody, because JumpCloud has no such user or Entra no such account; only in the answer to a request that sets exclude. They are stored all the same"`
	// Authorization is in the answers about one directory only.
	Authorization *grantsView `json:"authorization,omitempty" doc:"What the settings need in the tenant, and what the tenant allowed the application when it was last asked; missing until it was, and in lists"`
	// Effects are only in the answer to a request that changes settings.
	Effects *effectsView `json:"effects,omitempty" doc:"Whom the settings concern that the request changes; only in its answer, and missing if they concern nobody in any directory, such as those of the guard"`
	// Unguarded is there when the guard is off.
	Unguarded string `json:"unguarded,omitempty" doc:"What it means that the guard is off (guard.maxCount is null), and what waits in holds that is done now because of that; missing when it is on"`
	// Waiting is read for one directory only.
	Waiting *int `json:"waiting,omitempty" doc:"How many users and groups have changes that wait while the directory is suspended, counted up to 1,000; only for one directory"`
}

// viewOfDirectory shows a directory.
func viewOfDirectory(dir directory.Directory) directoryView {
	view := directoryView{Directory: dir.Shown(), Settings: settingsView(dir.Settings)}
	if dir.Settings.Guard.Off() {
		view.Unguarded = "the guard of this directory is off: one mistake in JumpCloud, such as a group that is emptied or a wrong setting, may disable everybody at once, and nobody is asked. Set guard.maxCount, or guard to null for the defaults, to turn it on"
	}
	return view
}

// oneDirectory is the answer that shows one directory.
func (a API) oneDirectory(ctx context.Context, dir directory.Directory) (*api.Answer[directoryView], error) {
	view := viewOfDirectory(dir)
	var err error
	if view.Exclusion, err = a.exclusion(ctx, dir); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if view.Waiting, err = a.countWaiting(ctx, dir); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if view.Unguarded != "" {
		open, err := a.Store.OpenHolds(ctx, dir.ID)
		if err != nil {
			return nil, api.Refuse(err, "", nil)
		}
		view.Unguarded += letThrough(open[dir.ID])
	}
	view.Credentials, view.Authorization = a.credentialsOf(ctx, dir), grantsOf(dir)
	return &api.Answer[directoryView]{Body: view}, nil
}

// letThrough says what becomes of that which waits in open holds where the guard is off; "" if
// nothing does.
func letThrough(open []store.Hold) (says string) {
	for _, h := range open {
		if h.Count > 0 {
			says += fmt.Sprintf(". What waits in the hold on %s %s is done now, although nobody has approved it: %d actions", h.Kind, h.ID, h.Count)
		}
	}
	return says
}

// directories registers the operations on directories.
func (a API) directories(on huma.API) {
	const path = "/v1/directories"
	huma.Register(on, api.Operation("createDirectory", http.MethodPost, path, "Connect an Entra tenant to an organization", http.StatusCreated, http.StatusConflict, http.StatusBadGateway), a.createDirectory)
	huma.Register(on, api.Operation("listDirectories", http.MethodGet, path, "All directories", http.StatusOK),
		func(ctx context.Context, in *api.Paging) (*api.Answer[api.Page[directoryView]], error) {
			list, err := a.Store.Directories(ctx, in.Limit, in.Cursor)
			if err != nil {
				return nil, api.Refuse(err, "query.cursor", in.Cursor)
			}
			healths, err := a.healthOf(ctx, list.Items)
			if err != nil {
				return nil, api.Refuse(err, "", nil)
			}
			views := make([]directoryView, len(list.Items))
			for i, dir := range list.Items {
				views[i] = viewOfDirectory(dir)
				if dir.Status.InUse() {
					views[i].Health = healths[dir.ID]
				}
			}
			return &api.Answer[api.Page[directoryView]]{Body: api.Page[directoryView]{Items: views, Cursor: list.Cursor}}, nil
		})
	huma.Register(on, api.Operation("getDirectory", http.MethodGet, path+"/{id}", "One directory", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *struct {
			ID string `path:"id" doc:"The directory"`
		}) (*api.Answer[directoryView], error) {
			dir, err := a.Store.AnyDirectory(ctx, directory.ID(in.ID))
			if err != nil {
				return nil, api.Refuse(err, "path.id", in.ID)
			}
			answer, err := a.oneDirectory(ctx, dir)
			if err != nil || !dir.Status.InUse() {
				return answer, err
			}
			if answer.Body.Health, err = a.health(ctx, dir, answer.Body.Credentials); err != nil {
				return nil, api.Refuse(err, "", nil)
			}
			return answer, nil
		})
	huma.Register(on, orPlanned[directoryView](on, api.Operation("updateDirectory", http.MethodPatch, path+"/{id}", "Change name, settings or the name of the tenant, as a JSON Merge Patch; what the settings change is written at once", http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusBadGateway)),
		func(ctx context.Context, in *directoryChange) (*outcome, error) {
			if !in.DryRun {
				answer, err := a.updateDirectory(ctx, in)
				return done(answer, err, http.StatusOK)
			}
			return a.plan(ctx, directory.ID(in.ID), "change settings", func(ctx context.Context, planned API) error {
				_, err := planned.updateDirectory(ctx, in)
				return err
			})
		})
}

// directory reads the directory that a path names.
func (a API) directory(ctx context.Context, id string) (directory.Directory, error) {
	dir, err := a.Store.Directory(ctx, directory.ID(id))
	if err != nil {
		return dir, api.Refuse(err, "path.id", id)
	}
	return dir, nil
}

// shownDirectory reads the directory that a path names, for a list of its records. The
// list works even when the record of the directory itself is damaged.
func (a API) shownDirectory(ctx context.Context, id string) (directory.Directory, error) {
	dir, err := a.Store.ShownDirectory(ctx, directory.ID(id))
	if err != nil {
		return dir, api.Refuse(err, "path.id", id)
	}
	return dir, nil
}

// newDirectory is the body that creates a directory.
type newDirectory struct {
	Name         string        `json:"name" minLength:"1" maxLength:"200"`
	Organization string        `json:"organizationId" doc:"The JumpCloud organization"`
	Tenant       string        `json:"tenantId" maxLength:"253" doc:"The Entra tenant: its GUID or one of its domains, not a name that stands for all tenants"`
	Settings     settingsPatch `json:"settings,omitempty" doc:"Settings that differ from the defaults"`
	Force        bool          `json:"force,omitempty" doc:"Take domains that the tenant has not verified, or cannot be asked about: users with such a sign-in name are parked as domain_not_verified until it has"`
}

// createDirectory stores a new directory. It is active at once if our credentials work
// for the tenant.
func (a API) createDirectory(ctx context.Context, in *struct {
	Body    newDirectory
	RawBody []byte
}) (*api.Answer[directoryView], error) {
	if err := api.MustRemoveNothing(in.RawBody); err != nil {
		return nil, err
	}
	if wrong := api.NotAnOrganization(in.Body.Organization); wrong != "" {
		return nil, api.Refuse(fault.New(fault.Invalid, "admin.create directory", wrong), "body.organizationId", nil)
	}
	organization := directory.OrganizationID(in.Body.Organization)
	o, err := a.Store.Organization(ctx, organization)
	if err != nil {
		return nil, api.Refuse(unprocessable(err), "body.organizationId", in.Body.Organization)
	}
	if err := served(o, "body.organizationId"); err != nil {
		return nil, err
	}
	if !tenantPattern.MatchString(in.Body.Tenant) {
		return nil, api.Refuse(fault.New(fault.Invalid, "admin.create directory", tenantSays), "body.tenantId", nil)
	}
	settings, err := mergeSettings(directory.DefaultSettings(), in.Body.Settings)
	if err != nil {
		return nil, api.Refuse(err, "body."+fault.Of(err).Subject, nil)
	}
	dir := directory.Directory{
		ID:           directory.NewID(organization, strings.ToLower(rand.Text()[:10])),
		Organization: organization,
		Name:         in.Body.Name,
		Tenant:       directory.TenantID(in.Body.Tenant),
		Settings:     settings,
		CreatedAt:    time.Now().UTC(),
	}
	api.Concerns(ctx).Directory = dir.ID
	dir, refusal := a.describe(ctx, dir, time.Time{})
	if err := mustExist(refusal); err != nil {
		return nil, api.Refuse(err, "body.tenantId", nil)
	}
	if err := mustBeVerified(dir, in.Body.Settings, in.Body.Force, refusal); err != nil {
		return nil, api.Refuse(err, "body."+fault.Of(err).Subject, nil)
	}
	if err := a.mustHaveExcluded(ctx, organization, "", settings.Exclude.Group); err != nil {
		return nil, api.Refuse(err, "body."+fault.Of(err).Subject, nil)
	}
	dir = unauthorized(dir)
	var kept directory.Directory
	var rollout *store.Rollout // of what the connection source and the excluded group already have
	if source := settings.ConnectionSource.Type != directory.NoSource; source || settings.Exclude.Group != "" {
		begun := store.Rollout{}.Begin(dir.ID, bulkRequest(reconcile.SettingsCause), source)
		begun.ExcludedNow = settings.Exclude.Group
		rollout = &begun
	}
	err = store.Contended(ctx, func() error {
		var err error
		kept, err = a.Store.KeepDirectory(ctx, directory.Directory{}, dir, rollout)
		return err
	})
	if err != nil {
		return nil, refuseTenant(err)
	}
	if kept.IsSuspended() {
		a.sendProbe(ctx, reconcile.Probe(kept.ID, kept.Probes.NextAt))
	}
	if rollout != nil {
		if err := a.rollOut(ctx, kept.ID); err != nil {
			reads := "its connection source is read"
			if !rollout.Source {
				reads = "the group that exclude names is read"
			}
			return nil, api.Refuse(&fault.Error{Op: "admin.create directory", Kind: fault.KindOf(err), Err: err,
				Message: "the directory " + string(kept.ID) + " is kept; " + reads + " within some minutes"}, "", nil)
		}
	}
	return a.changedDirectory(ctx, kept, in.Body.Settings)
}

// changedDirectory is the answer to a request that sets some settings.
func (a API) changedDirectory(ctx context.Context, dir directory.Directory, set settingsPatch) (*api.Answer[directoryView], error) {
	answer, err := a.oneDirectory(ctx, dir)
	if _, names := set[excludeSetting]; names && err == nil {
		answer.Body.Warnings = a.warnings(ctx, dir)
	}
	return answer, err
}

// rollOut sends the tasks that apply the settings of a directory. What it does not send,
// because there is no time or because it fails, the sweep sends.
func (a API) rollOut(ctx context.Context, id directory.ID) error {
	if a.planning { // the plan sends them
		return nil
	}
	_, _, err := a.rollout().Send(ctx, id, store.Selection{}, 0)
	return err
}

// rollout sends tasks for many.
func (a API) rollout() reconcile.Rollout {
	return reconcile.Rollout{Store: a.Store, Users: a.Lanes.UsersBulk, Groups: a.Lanes.GroupsBulk}
}

// unprocessable turns a NotFound about something that the body names into a fault of
// the body, so that the answer is not 404.
func unprocessable(err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return &fault.Error{Op: "admin", Kind: fault.Invalid, Message: fault.Of(err).Message}
}

// directoryPatch is a JSON Merge Patch of a directory. Neither name, tenant nor settings can be
// removed: a directory always has a name, and defaults are restored one by one.
type directoryPatch struct {
	Name     *string       `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Tenant   *string       `json:"tenantId,omitempty" maxLength:"253" doc:"Another name of the same tenant: its GUID or one of its domains. Another tenant is refused, unless the directory's own has never let the application in: accounts, groups and links are in it"`
	Settings settingsPatch `json:"settings,omitempty" doc:"The settings to change; a null brings a default back"`
	Force    bool          `json:"force,omitempty" doc:"Take domains that the tenant has not verified, or cannot be asked about: users with such a sign-in name are parked as domain_not_verified until it has"`
}

// directoryChange is the request to change a directory.
type directoryChange struct {
	ID      string `path:"id" doc:"The directory"`
	DryRun  bool   `query:"dryRun" doc:"true writes nothing and answers with what would be done"`
	Body    directoryPatch
	RawBody []byte
}

// updateDirectory changes a directory and reads the tenant again; if the directory is
// suspended, a probe looks whether that is over. It then sends a task
// for every user and every connected group of the directory, and tasks to read its
// connection source if the patch has that setting.
func (a API) updateDirectory(ctx context.Context, in *directoryChange) (*api.Answer[directoryView], error) {
	if err := api.MustRemoveNothing(in.RawBody); err != nil {
		return nil, err
	}
	var c settingsChange
	began := time.Now()
	err := store.Contended(ctx, func() error { return a.patchDirectory(ctx, in, began, &c) })
	switch {
	case fault.Is(err, fault.Changed):
		return nil, api.Refuse(err, "", nil)
	case err != nil:
		return nil, err
	}
	dir := c.dir
	if err := a.begin(ctx, &c); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if dir.IsProbed() {
		a.sendProbe(ctx, reconcile.Probe(dir.ID, time.Time{}))
	}
	if err := a.rollOut(ctx, dir.ID); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	answer, err := a.changedDirectory(ctx, dir, in.Body.Settings)
	if err == nil {
		answer.Body.Effects = c.effects
	}
	return answer, err
}

// The names of settings.
const (
	connectionSource = "connectionSource"
	excludeSetting   = "exclude"
)

// patchDirectory reads a directory, applies the patch of a request that began at a time, finds
// out whom that concerns, and stores it; a fault of kind Changed if another writer was faster.
func (a API) patchDirectory(ctx context.Context, in *directoryChange, began time.Time, c *settingsChange) (err error) {
	if c.before, c.dir, c.rollout, err = a.patched(ctx, in, began); err != nil {
		return err
	}
	c.rollout.Awaits, c.rollout.Cause.Announced = c.job.ID, c.announced
	if err := a.foresee(ctx, c); err != nil {
		return refuseUnlessChanged(err)
	}
	c.dir, err = a.Store.KeepDirectory(ctx, c.before, c.dir, &c.rollout)
	return refuseUnlessChanged(err)
}

// refuseUnlessChanged makes the problem document for a directory that was not stored, unless
// another writer was only faster.
func refuseUnlessChanged(err error) error {
	if err == nil || fault.Is(err, fault.Changed) {
		return err
	}
	return refuseTenant(err)
}

// patched reads a directory and applies the patch of a request that began at a time.
func (a API) patched(ctx context.Context, in *directoryChange, began time.Time) (before, dir directory.Directory, rollout store.Rollout, err error) {
	before, err = a.directory(ctx, in.ID)
	if err != nil {
		return before, dir, rollout, err
	}
	rollout, err = a.Store.Rollout(ctx, before.ID, store.Selection{})
	if err != nil {
		return before, dir, rollout, api.Refuse(err, "", nil)
	}
	_, namesSource := in.Body.Settings[connectionSource] // it is read also if it stays the same
	rollout = rollout.Begin(before.ID, bulkRequest(reconcile.SettingsCause), namesSource)
	dir = before
	if in.Body.Name != nil {
		dir.Name = *in.Body.Name
	}
	settings, err := mergeSettings(dir.Settings, in.Body.Settings)
	if err != nil {
		return before, dir, rollout, api.Refuse(err, "body."+fault.Of(err).Subject, nil)
	}
	if in.Body.Tenant != nil {
		if dir, err = a.called(ctx, dir, directory.TenantID(*in.Body.Tenant)); err != nil {
			return before, dir, rollout, api.Refuse(err, "body."+fault.Of(err).Subject, nil)
		}
	}
	dir = dir.WithSettings(settings, began.UTC())
	if err := a.mustHaveExcluded(ctx, dir.Organization, before.Settings.Exclude.Group, dir.Settings.Exclude.Group); err != nil {
		return before, dir, rollout, api.Refuse(err, "body."+fault.Of(err).Subject, nil)
	}
	rollout.ExcludedBefore, rollout.ExcludedNow = before.Settings.Exclude.Group, dir.Settings.Exclude.Group
	if rollout.ExcludedBefore != rollout.ExcludedNow { // the source may have got the former group meanwhile
		rollout.Source = rollout.Source || dir.Settings.ConnectionSource.Type != directory.NoSource
	}
	var since time.Time
	if dir.Status != directory.Active || lacks(dir) {
		since = began // somebody may just have granted it
	}
	dir, refusal := a.describe(ctx, dir, since)
	if err := mustExist(refusal); in.Body.Tenant != nil && err != nil {
		return before, dir, rollout, api.Refuse(err, "body.tenantId", nil)
	}
	if err := mustBeVerified(dir, in.Body.Settings, in.Body.Force, refusal); err != nil {
		return before, dir, rollout, api.Refuse(err, "body."+fault.Of(err).Subject, nil)
	}
	if refusal == nil {
		dir = authorized(dir)
	} else {
		dir = unauthorized(refusedAgain(dir))
	}
	return before, dir, rollout, nil
}

// request returns the cause of a change that an administrator requests now.
func request(kind string) plan.Cause {
	return plan.Cause{Type: kind, ID: rand.Text(), At: time.Now().UTC(), Requested: true}
}

// oneRequest is request for one user in a directory. A script sends many such requests:
// what is beyond a few within a minute concerns many together.
func (a API) oneRequest(kind string, dir directory.Directory) plan.Cause {
	return a.counted(kind, crowd.Kind{Name: string(dir.ID) + "/users", Most: crowd.Few})
}

// oneGroupRequest is oneRequest for one group, whose members the request concerns as well.
func (a API) oneGroupRequest(kind string, dir directory.Directory) plan.Cause {
	return a.counted(kind, crowd.Kind{Name: string(dir.ID) + "/groups", Most: crowd.FewGroups})
}

// counted counts a request of some kind and returns its cause.
func (a API) counted(cause string, kind crowd.Kind) plan.Cause {
	if a.requests.Surplus(time.Now(), kind) {
		return bulkRequest(cause)
	}
	return request(cause)
}

// bulkRequest is request for what concerns many, or is one of many requests: an
// administrator connects a company user by user.
func bulkRequest(kind string) plan.Cause {
	cause := request(kind)
	cause.Many = true
	return cause
}
