package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/seal"
	"entrasync/shared/store"
)

// gateway is the state of one request that sets a password.
type gateway struct {
	API
	organization directory.OrganizationID
	user         directory.User
	password     string
	accounts     []*account
	absent       []absence // directories where the user has no account yet
}

// absence is a directory where the user has no account yet.
type absence struct {
	dir    directory.Directory
	name   directory.UPN // that the account would get; "" if that cannot be computed
	tenant directory.Tenant
}

// refusal says why an account of that name would get no password, nil if it may get one.
func (a absence) refusal() *directory.Obstacle {
	return directory.Link{UPN: a.name}.PasswordIn(a.tenant, nil)
}

// view returns the absence as the API shows it.
func (a absence) view() passwordAccount {
	return passwordAccount{Directory: a.dir.ID, Status: "absent", Message: "the user has no account there yet: set the password again when there is one"}
}

// account is one account that gets the password.
type account struct {
	dir    directory.Directory
	link   directory.Link
	tenant directory.Tenant
	now    *directory.Account // as Entra shows it; nil if it was not read
	unread error              // why it was not read
	gone   bool               // Entra no longer has it
	// excluded is who is excluded from the directory; the user may be.
	excluded store.Excluded
	also     []directory.ID // the other directories whose links name the account
	action   plan.Action
	task     reconcile.Task
}

// upn is the sign-in name of the account.
func (t *account) upn() directory.UPN {
	if t.now != nil {
		return t.now.UPN
	}
	return t.link.UPN
}

// refusal says why Entra would refuse any password for the account, nil if it may
// accept one.
func (t *account) refusal() *directory.Obstacle {
	if why := t.excluded.Why(t.link.User, t.link.UPN, t.upn()); why != nil {
		return why
	}
	if !t.excluded.Exclusion.Known() {
		return t.excluded.WhyUnread()
	}
	if t.gone {
		return &directory.Obstacle{Reason: directory.AccountMissing, Message: "the account is not in Entra any more: restore it from the deleted users there, or disconnect the user"}
	}
	return t.link.PasswordIn(t.tenant, t.now)
}

// view returns the account as the API shows it.
func (t *account) view() passwordAccount {
	view := passwordAccount{Directory: t.dir.ID, EntraID: t.link.EntraID, UPN: t.upn(), Status: t.action.Status, Action: t.action.ID}
	if t.action.Error != nil {
		view.Reason, view.Message = t.action.Error.Reason, t.action.Error.Message
	}
	return view
}

// underWay reports whether the write to the account has not ended yet.
func (t *account) underWay() bool {
	return t.action.Status == plan.Queued || t.action.Status == plan.Started
}

// gatewayCause is the cause of the actions of a password.
const gatewayCause = "password_gateway"

// findAccounts finds the user's accounts in all directories that the user is connected
// to, each account once, and makes an action for each.
func (g *gateway) findAccounts(ctx context.Context) error {
	known, err := g.Store.User(ctx, g.organization, g.user.ID)
	if err != nil {
		return err
	}
	cause := request(gatewayCause)
	byAccount := map[string]*account{}
	for _, link := range known.Links {
		if len(known.Paths(link.Directory)) == 0 {
			continue
		}
		dir, err := g.Store.Directory(ctx, link.Directory)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if link.EntraID == "" || link.Freed {
			name, _ := dir.Settings.UserPrincipalName(g.user)
			g.absent = append(g.absent, absence{dir: dir, name: name})
			continue
		}
		key := string(dir.TenantObject) + "/" + string(link.EntraID)
		if same := byAccount[key]; same != nil {
			same.also = append(same.also, dir.ID)
			continue
		}
		excluded, err := g.Store.ReadExcluded(ctx, dir.ID, dir.Settings.Exclude.Group, []directory.UserID{g.user.ID})
		if err != nil {
			return err
		}
		byAccount[key] = &account{dir: dir, link: link, excluded: excluded, action: plan.Action{
			ID: uuid.Must(uuid.NewV7()).String(), Type: plan.SetPassword, Directory: dir.ID, EntraID: link.EntraID,
			Subject: plan.Subject{Kind: "user", ID: string(g.user.ID), Name: g.user.Username},
			Changes: []directory.Change{}, Cause: cause, Status: plan.Queued, At: cause.At,
		}}
		g.accounts = append(g.accounts, byAccount[key])
	}
	return nil
}

// How long to wait for the function that opens passwords to publish its key, and the
// interval between two reads.
const (
	keyPatience = 8 * time.Second
	pollEvery   = 250 * time.Millisecond
)

// sealingKey reads the key that seals passwords. If there is none yet, it sends a task
// that makes the function that opens passwords publish it, and waits.
func (g *gateway) sealingKey(ctx context.Context) ([]byte, error) {
	key, err := g.Store.PasswordKey(ctx)
	if !fault.Is(err, fault.NotFound) {
		return key, err
	}
	if err := reconcile.Enqueue(ctx, g.Lanes.UsersLive, reconcile.Task{Directory: g.accounts[0].dir.ID, User: g.user.ID, Cause: request(reconcile.PasswordKey)}); err != nil {
		return nil, err
	}
	for until := time.Now().Add(keyPatience); time.Now().Before(until) && pause(ctx, pollEvery); {
		if key, err = g.Store.PasswordKey(ctx); !fault.Is(err, fault.NotFound) {
			return key, err
		}
	}
	return nil, fault.New(fault.Transient, "admin.password key", "entrasync is not ready for passwords yet; nothing was changed: try again in a minute")
}

// seal encrypts the password for each account, so that only the function that writes it
// can decrypt it.
func (g *gateway) seal(ctx context.Context) error {
	if len(g.accounts) == 0 {
		return nil
	}
	key, err := g.sealingKey(ctx)
	if err != nil {
		return err
	}
	for _, t := range g.accounts {
		sealed, err := seal.Seal(key, g.password, seal.Purpose{Directory: t.dir.ID, User: g.user.ID, Account: t.link.EntraID, Action: t.action.ID})
		if err != nil {
			return &fault.Error{Op: "admin.set password", Kind: fault.Internal, Message: "the password could not be sealed; nothing was changed", Err: err}
		}
		t.task = reconcile.Task{Directory: t.dir.ID, User: g.user.ID, Cause: t.action.Cause, Occurrence: t.action.ID,
			Password: &reconcile.SealedPassword{Action: t.action.ID, Sealed: sealed, Also: t.also}}
	}
	return nil
}

// pending is what a link says about the password until the result of the write is
// known.
func (g *gateway) pending() *directory.Obstacle {
	return &directory.Obstacle{Reason: directory.PasswordPending, Message: fmt.Sprintf(
		"a password was given to JumpCloud at %s and has not come to this account yet: if this stays so for some minutes, set a password again", g.accounts[0].action.At.Format(time.RFC3339))}
}

// mark writes to the links that the accounts do not have the password yet. g.accounts
// keeps the links as they were before.
func (g *gateway) mark(ctx context.Context) error {
	for _, t := range g.accounts {
		if err := g.differ(ctx, t, func(*directory.Obstacle) *directory.Obstacle { return g.pending() }); err != nil {
			return err
		}
	}
	return nil
}

// unmark restores what the links said before, because JumpCloud still has the old
// password.
func (g *gateway) unmark(ctx context.Context) {
	g.change(ctx, func(t *account, now *directory.Obstacle) *directory.Obstacle {
		if now == nil || *now != *g.pending() {
			return now // another writer changed it after mark
		}
		return t.link.PasswordDiffers
	})
}

// markUnknown writes to the links that JumpCloud may have another password than the
// accounts.
func (g *gateway) markUnknown(ctx context.Context) {
	g.change(ctx, func(*account, *directory.Obstacle) *directory.Obstacle {
		return &directory.Obstacle{Reason: directory.PasswordUnknown, Message: "JumpCloud did not say whether it took a new password; this account has the old one: set a password again"}
	})
}

// change changes what the links say about the password. A link that cannot be changed
// keeps its value, which never says that both sides have the same password.
func (g *gateway) change(ctx context.Context, to func(*account, *directory.Obstacle) *directory.Obstacle) {
	ctx, cancel := deadline.ForRecords(ctx, api.RecordsLimit)
	defer cancel()
	for _, t := range g.accounts {
		if err := g.differ(ctx, t, func(now *directory.Obstacle) *directory.Obstacle { return to(t, now) }); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("directory", string(t.dir.ID)).Str("user", string(g.user.ID)).Msg("the result of a password could not be written to a link")
		}
	}
}

// differ changes PasswordDiffers in every link of an account.
func (g *gateway) differ(ctx context.Context, t *account, to func(*directory.Obstacle) *directory.Obstacle) error {
	return g.changeLinks(ctx, t, func(link directory.Link) directory.Link {
		link.PasswordDiffers = to(link.PasswordDiffers)
		return link
	})
}

// changeLinks changes every link of an account.
func (g *gateway) changeLinks(ctx context.Context, t *account, change func(directory.Link) directory.Link) error {
	for _, id := range slices.Concat([]directory.ID{t.dir.ID}, t.also) {
		if err := g.Store.ChangeLink(ctx, id, g.user.ID, change); err != nil {
			return err
		}
	}
	return nil
}

// endTurn ends the turn, so that the next password of the user can be set.
func (g *gateway) endTurn(ctx context.Context) {
	ctx, cancel := deadline.ForRecords(ctx, api.RecordsLimit)
	defer cancel()
	if err := g.Store.EndPasswordTurn(ctx, g.organization, g.user.ID); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("user", string(g.user.ID)).Msg("the next password of the user has to wait for a minute")
	}
}

// handOver records an action for each account and sends the sealed passwords to the
// function that writes them.
func (g *gateway) handOver(ctx context.Context) error {
	ctx, cancel := deadline.ForRecords(ctx, api.RecordsLimit)
	defer cancel()
	var actions []plan.Action
	var tasks []reconcile.Task
	for _, t := range g.accounts {
		actions, tasks = append(actions, t.action), append(tasks, t.task)
	}
	if err := g.Store.RecordActions(ctx, actions...); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("user", string(g.user.ID)).Msg("the actions for a password that JumpCloud accepted could not be recorded")
		return api.Refuse(fault.New(fault.Transient, "admin.set password", "JumpCloud has the new password, and every account in Entra has the old one: set a password again"), "body.password", nil)
	}
	if err := reconcile.Enqueue(ctx, g.Lanes.UsersLive, tasks...); err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("user", string(g.user.ID)).Msg("a password that JumpCloud accepted could not be sent to the users function")
		g.withdraw(ctx)
	}
	return nil
}

// withdraw ends the actions of passwords that perhaps were not sent. If a password was
// sent, its task finds the action ended. An action that has already started goes on, and
// writes its result to the links. They are written first: nobody finds an ended action again.
func (g *gateway) withdraw(ctx context.Context) {
	for _, t := range g.accounts {
		action, version, err := g.Store.ActionVersion(ctx, g.organization, t.action.ID)
		if err != nil || action.Status != plan.Queued {
			continue
		}
		action.Status, action.CompletedAt = plan.Failed, time.Now().UTC()
		action.Error = &plan.Failure{Kind: string(fault.Transient), Reason: directory.Unavailable, Message: "the password could not be handed on: set a password again"}
		why := directory.Obstacle{Reason: action.Error.Reason, Message: action.Error.Message}
		if err := g.changeLinks(ctx, t, func(l directory.Link) directory.Link { return l.WithoutPassword(action.EntraID, why) }); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("directory", string(t.dir.ID)).Str("user", string(g.user.ID)).Msg("the result of a password could not be written to a link")
			continue // the sweep ends the action, and then the link
		}
		if g.Store.ChangeAction(ctx, action, version) == nil {
			t.action = action
		}
	}
}

// How long the gateway waits for the accounts, and the first wait between two reads.
const (
	outcomePatience = 15 * time.Second
	firstPoll       = 25 * time.Millisecond
)

// wait reads the actions until all accounts are written or the time is over.
func (g *gateway) wait(ctx context.Context) {
	until := time.Now().Add(outcomePatience)
	if end, limited := ctx.Deadline(); limited && end.Before(until) {
		until = end
	}
	for every := firstPoll; ; every = min(2*every, pollEvery) {
		for _, t := range g.accounts {
			if !t.underWay() {
				continue
			}
			action, err := g.Store.Action(ctx, g.organization, t.action.ID)
			if err != nil {
				zerolog.Ctx(ctx).Warn().Err(err).Str("actionId", t.action.ID).Msg("an action could not be read")
				continue
			}
			t.action = action
		}
		if !slices.ContainsFunc(g.accounts, (*account).underWay) || time.Now().Add(every).After(until) || !pause(ctx, every) {
			return
		}
	}
}

// pause waits; it reports false if the request ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
