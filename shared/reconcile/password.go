package reconcile

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/seal"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// PasswordKey is the type of the cause of a task that also asks to publish the key with
// which passwords are sealed.
const PasswordKey = "password_key"

// passwordLimit is the time limit for one write of a password: a person waits for it, and
// so do the other messages of the batch. Without an answer by then the result is unknown.
const passwordLimit = 10 * time.Second

// Passwords sets passwords that the gateway took.
//
// Unlike everything else that entrasync writes to Entra, a password cannot be read to
// check whether it is right, and writing it ends the user's sessions. So it is the one
// write that is never repeated unless it certainly was not done: a conditional write
// changes its action from queued to started before it is sent, and an action that is
// found started belongs to a process that died. Then its result is unknown, and the
// user's link says so until a password is set again.
type Passwords struct {
	Parts
	seed func(context.Context) (string, error)
}

// NewPasswords returns a fault that names the first part that is missing. The key that
// opens sealed passwords is derived from the secret text that seed returns.
func NewPasswords(parts Parts, seed func(context.Context) (string, error)) (Passwords, error) {
	if err := parts.check(); err != nil {
		return Passwords{}, err
	}
	return Passwords{parts.remembering(), seed}, fault.Missing("reconcile.new", fault.Part{Name: "PasswordSeed", There: seed != nil})
}

// passwords names them in logs and records. The actions count what fails.
var passwords = noun{subject: "user", attempts: "password", scope: directory.OfUsers}

// PublishKey makes sure that passwords are sealed with our key.
func (p Passwords) PublishKey(ctx context.Context) error {
	opener, err := p.opener(ctx)
	if err != nil {
		return err
	}
	return p.publishKey(ctx, opener)
}

func (p Passwords) publishKey(ctx context.Context, opener *seal.Opener) error {
	published, err := p.Store.PasswordKey(ctx)
	if err == nil && bytes.Equal(published, opener.Public()) {
		return nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return p.Store.PublishPasswordKey(ctx, opener.Public())
}

func (p Passwords) opener(ctx context.Context) (*seal.Opener, error) {
	seed, err := p.seed(ctx)
	if err != nil {
		return nil, fault.Wrap(err, fault.Transient, "reconcile.password key")
	}
	return seal.NewOpener(seed)
}

// passwordWork is the work on the passwords of a directory, one at a time.
type passwordWork struct {
	engine[*password]
	keys Passwords
}

// password is the work on one password. Each of its parts is filled in by the stage after
// which it is named.
type password struct {
	work
	attempt Attempt
	action  plan.Action
	version int64 // of the action
	ready   passwordReady
}

// passwordReady is what is needed to set a password.
type passwordReady struct {
	link  directory.Link
	entra Entra
	value string // opened
}

// passwordStages are the stages of the work on a password.
func passwordStages() []stage[*passwordWork, *password] {
	return []stage[*passwordWork, *password]{
		{"read", each((*passwordWork).read), false},       // sets action; ends if it is not ours or was done
		{"prepare", each((*passwordWork).prepare), false}, // sets ready
		{"begin", each((*passwordWork).begin), false},     // the action is started
		{"send", each((*passwordWork).send), false},       // the action is completed
		{"publish", (*passwordWork).publish, true},
	}
}

// Set tries to set the password of a task. It is retried only if it certainly was not set;
// any other result is recorded in the action and in the link.
func (p Passwords) Set(ctx context.Context, a Attempt) Outcome {
	b := &passwordWork{keys: p}
	b.Parts, b.trouble = p.Parts, newRecognition()
	b.objects = []*password{{work: work{attempted: a.attempted(passwords)}, attempt: a}}
	goThrough(ctx, b, b.objects, passwordStages())
	return b.outcomes()[0]
}

// read reads the action. It is not ours if the gateway did not record it: then
// there is nothing to do.
func (b *passwordWork) read(ctx context.Context, p *password) {
	var err error
	p.action, p.version, err = b.Store.ActionVersion(ctx, p.directory.Organization(), p.attempt.Password.Action)
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		b.retry(ctx, p, err)
	case err != nil || p.action.Type != plan.SetPassword || p.action.Directory != p.directory || p.action.Subject.ID != p.id:
		p.over = true
		p.line(zerolog.Ctx(ctx).Error()).Msg("the task of a password has no recorded action: the password is not set")
	case p.action.Status == plan.Started:
		b.giveUp(ctx, p, &fault.Error{Op: "reconcile.set password", Kind: fault.Transient, Reason: directory.Interrupted,
			Message: "entrasync stopped before Entra's answer was known: the account may have the new password or the old one. Set it again"}, false)
	case p.action.Status != plan.Queued: // the message was received twice
		p.over = true
	}
}

// prepare checks that the account is still the user's and opens the password.
func (b *passwordWork) prepare(ctx context.Context, p *password) {
	err := b.makeReady(ctx, p)
	switch {
	case err == nil && !deadline.Allows(ctx, passwordLimit):
		p.over = true
		p.outcome = Outcome{Retry: true, After: firstWait, Afresh: p.last, Err: fault.New(fault.Transient, "reconcile.set password", "too little time is left to begin")}
	case err == nil:
	case b.isSuspended(ctx, err): // for as long as the password can be opened
		b.retry(ctx, p, untilResumed(err))
	case fault.KindOf(err).Decide() == fault.Retry && !p.last:
		b.retry(ctx, p, err)
	default:
		b.giveUp(ctx, p, fault.Of(err), false)
	}
}

// passwordPause is the time between two looks whether a directory is suspended still, for which
// a password waits. A person waits for it, and it is not stored as other tasks are, so that
// the probe cannot send it; a look asks our table only.
const passwordPause = 10 * time.Second

// untilResumed is an error of a suspended directory for a password: it goes out soon after
// the urgent tasks.
func untilResumed(err error) error {
	f := *fault.Of(err)
	f.RetryAfter = passwordPause
	return &f
}

// isSuspended reports whether an error is one of everybody in the directory: the password
// then waits without a request to Entra.
func (b *passwordWork) isSuspended(ctx context.Context, err error) bool {
	f := fault.Of(err)
	if permissionMissing(f) { // others may be written without it
		return false
	}
	s := b.suspension(ctx, passwords.scope, f)
	return s != nil && s.Scope == directory.Everything && s.Reason != directory.JumpCloudRefused
}

// makeReady reads all that is needed to set a password.
func (b *passwordWork) makeReady(ctx context.Context, p *password) error {
	records, err := b.Store.ReadUsers(ctx, p.directory, []directory.UserID{p.attempt.User})
	if err != nil {
		return err
	}
	b.dir = records.Directory
	young := time.Since(p.action.At) < seal.Life // else it cannot be opened any more
	if s := b.dir.Suspended; s != nil && s.Reason != directory.JumpCloudRefused && young {
		return &fault.Error{Op: "reconcile.set password", Kind: fault.Unauthorized, Reason: s.Reason, Message: s.Message}
	}
	known := records.Users[p.attempt.User]
	link, found := known.Link(p.directory)
	switch {
	case !found || link.EntraID != p.action.EntraID:
		return &fault.Error{Op: "reconcile.set password", Kind: fault.NotFound, Reason: directory.AccountMissing, Message: "the user has another account in Entra by now: set the password again"}
	case !b.owns(ctx, records.Directory, link):
		return &fault.Error{Op: "reconcile.set password", Kind: fault.NotFound, Reason: directory.AccountMissing, Message: "the account is not the user's any more, or not again yet: set the password again in a minute"}
	case len(known.Paths(p.directory)) == 0:
		return &fault.Error{Op: "reconcile.set password", Kind: fault.NotFound, Reason: directory.Disconnected, Message: directory.Sentence(directory.Disconnected)}
	}
	if why := b.whyExcluded(records.Excluded, link); why != nil {
		return why
	}
	p.ready.link = link
	if p.ready.entra, err = b.Clients.Entra(ctx, records.Directory.SignInTenant()); err != nil {
		return err
	}
	accounts, err := b.excludedAccounts(ctx, p.ready.entra, p.directory, records.Excluded.UPNs, asOf(false, plan.Cause{}))
	if err != nil {
		return err
	}
	if accounts.ids[link.EntraID] {
		return excludedFault(records.Excluded.WhyAccount())
	}
	// If the tenant cannot be read, Entra refuses the password where it must.
	if tenant, err := p.ready.entra.Tenant(ctx, nil, time.Time{}); err == nil {
		if why := p.refusal(ctx, tenant); why != nil {
			return &fault.Error{Op: "reconcile.set password", Kind: fault.Forbidden, Reason: why.Reason, Message: why.Message}
		}
	}
	p.ready.value, err = b.keys.open(ctx, p)
	return err
}

// whyExcluded is why the user of an account is excluded, or may be; nil if the user is not.
func (b *passwordWork) whyExcluded(excluded store.Excluded, link directory.Link) error {
	if why := excluded.Why(link.User, link.UPN); why != nil {
		return excludedFault(why)
	}
	if !excluded.Exclusion.Known() {
		why := excluded.WhyUnread()
		return &fault.Error{Op: "reconcile.set password", Kind: fault.Transient, Reason: why.Reason, Message: why.Message}
	}
	return nil
}

// excludedFault is the fault for a password that an excluded account does not get.
func excludedFault(why *directory.Obstacle) error {
	return &fault.Error{Op: "reconcile.set password", Kind: fault.Forbidden, Reason: why.Reason, Message: why.Message}
}

// refusal is why the account gets no password; nil if it may get one. If the link says
// that the account is in a federated domain it is read, because it may have left it.
func (p *password) refusal(ctx context.Context, tenant directory.Tenant) *directory.Obstacle {
	why := p.ready.link.PasswordIn(tenant, nil)
	if why == nil {
		return nil
	}
	if found := p.ready.entra.Read(ctx, []directory.EntraID{p.ready.link.EntraID}, nil)[0]; found.Err == nil && found.Account != nil {
		return p.ready.link.PasswordIn(tenant, found.Account)
	}
	return why
}

// owns reports whether the account is certainly the user's.
func (b *passwordWork) owns(ctx context.Context, dir directory.Directory, link directory.Link) bool {
	owner, err := b.Store.Owner(ctx, dir.TenantObject, link.EntraID)
	return err == nil && !link.Freed && owner.Is(store.Owner{Organization: dir.Organization, User: link.User})
}

// open opens the sealed password. If it was sealed for another key, either ours is out of
// date and is read afresh, or the published one is and is published again.
func (p Passwords) open(ctx context.Context, w *password) (string, error) {
	sealed := w.attempt.Password.Sealed
	opener, err := p.opener(ctx)
	if err == nil && !opener.Fits(sealed) {
		if opener, err = p.opener(secret.Fresh(ctx)); err == nil && !opener.Fits(sealed) {
			err = p.publishKey(ctx, opener)
		}
	}
	if err != nil {
		return "", err
	}
	return opener.Open(sealed, seal.Purpose{Directory: w.directory, User: w.attempt.User, Account: w.action.EntraID, Action: w.action.ID})
}

// begin records that the password is about to be sent, unless another worker sends it.
func (b *passwordWork) begin(ctx context.Context, p *password) {
	p.action.Status = plan.Started
	if err := b.change(ctx, p); err != nil {
		b.retry(ctx, p, err)
	}
}

// send writes the password to Entra.
func (b *passwordWork) send(ctx context.Context, p *password) {
	limited, cancel := context.WithTimeout(ctx, passwordLimit)
	defer cancel()
	asking := Asking(limited, func(ctx context.Context) bool {
		now, err := b.Store.ReadExcluded(ctx, p.directory, b.dir.Settings.Exclude.Group, []directory.UserID{p.attempt.User})
		return err == nil && b.whyExcluded(now, p.ready.link) == nil
	})
	err := p.ready.entra.SetPassword(asking, p.action.EntraID, p.ready.value)
	if err == nil {
		p.action.Status = plan.Succeeded
		b.complete(ctx, p, nil, true)
		return
	}
	f := *fault.Of(err)
	lagging := f.Kind == fault.NotFound && MayLag(p.ready.link, time.Now())
	switch {
	case lagging:
		f.RetryAfter, f.Message = replicationStep, "Entra does not show the account everywhere yet: set the password again in a few minutes"
	case f.Kind == fault.NotFound:
		f.Reason, f.Message = directory.AccountMissing, "the account is not in Entra any more: restore it from the deleted users there, or disconnect the user"
	case !certain(err):
		f.Reason = directory.PasswordUnknown
		f.Message = "Entra gave no clear answer: the account may have the new password or the old one. Set it again"
	}
	suspended := b.isSuspended(ctx, &f)
	if suspended {
		f.RetryAfter = passwordPause
	}
	if (lagging || f.Kind == fault.Throttled) && !p.last || suspended {
		p.action.Status = plan.Queued // certainly not done
		if err := b.change(ctx, p); err != nil {
			p.line(zerolog.Ctx(ctx).Error()).Err(err).Str("actionId", p.action.ID).Msg("an action could not be set to queued again: the next attempt finds it interrupted")
		}
		b.retry(ctx, p, &f)
		return
	}
	b.giveUp(ctx, p, &f, true)
}

// giveUp ends the action for good; sent says whether a request was sent to Entra just now.
func (b *passwordWork) giveUp(ctx context.Context, p *password, f *fault.Error, sent bool) {
	p.action.Status = plan.Failed
	p.action.Error = &plan.Failure{Kind: string(f.Kind), Reason: reasonOf(f), Message: f.Message}
	if f.Message == "" {
		p.action.Error.Message = "the password could not be set (" + string(f.Kind) + "): set it again"
	}
	b.complete(ctx, p, &directory.Obstacle{Reason: p.action.Error.Reason, Message: p.action.Error.Message}, sent)
}

// complete records the result for the password; obstacle is why the account does not have
// it. The links are written first: a client that waits for the action may read them next,
// and nobody finds an ended action again. If the password was sent, the answer counts
// whoever else works on the action. If it was not, only links that wait for a password are
// changed, and the attempt is repeated if they cannot be.
func (b *passwordWork) complete(ctx context.Context, p *password, obstacle *directory.Obstacle, sent bool) {
	ctx, cancel := deadline.ForRecords(ctx, recordLimit)
	defer cancel()
	p.action.CompletedAt = time.Now().UTC()
	err := b.recordInLinks(ctx, p, obstacle, sent)
	if sent {
		err = b.Store.RecordActions(ctx, p.action)
	} else if err == nil {
		err = b.change(ctx, p)
	}
	if err != nil {
		b.retry(ctx, p, err)
		return
	}
	p.over = true
	b.report(ctx, p, p.action)
}

// recordInLinks writes to every link of the account whether it has the password.
func (b *passwordWork) recordInLinks(ctx context.Context, p *password, obstacle *directory.Obstacle, sent bool) error {
	var failed []error
	for _, id := range slices.Concat([]directory.ID{p.directory}, p.attempt.Password.Also) {
		err := b.Store.ChangeLink(ctx, id, p.attempt.User, func(link directory.Link) directory.Link {
			if !sent {
				return link.WithoutPassword(p.action.EntraID, *obstacle)
			}
			if link.EntraID != p.action.EntraID {
				return link
			}
			if link.PasswordDiffers = obstacle; obstacle == nil {
				link.PasswordAt, link.LastWriteAt = p.action.CompletedAt, p.action.CompletedAt
			}
			return link
		})
		if err != nil && !fault.Is(err, fault.NotFound) {
			p.line(zerolog.Ctx(ctx).Error()).Err(err).Str("actionId", p.action.ID).Str("link", string(id)).Msg("the result for the password could not be recorded in a link")
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// change records the action, unless another worker changed it.
func (b *passwordWork) change(ctx context.Context, p *password) error {
	err := b.Store.ChangeAction(ctx, p.action, p.version)
	if err == nil {
		p.version++
	}
	return err
}
