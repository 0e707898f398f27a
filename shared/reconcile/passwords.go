package reconcile

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/metric"
	"entrasync/shared/plan"
	"entrasync/shared/seal"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// PasswordKey is the type of the cause of a task that wants the key published
// which passwords are sealed with, beside the look at the user.
const PasswordKey = "password_key"

// passwordLimit bounds one write of a password: somebody waits for it, and other
// messages of the batch do. What was not answered by then is unknown.
const passwordLimit = 10 * time.Second

// Passwords sets passwords that the gateway took.
//
// Unlike everything else that is written to Entra, a password cannot be looked at
// to find out whether it is right, and writing it ends the user's sessions. So it
// is the one write that is never repeated unless it certainly was not done: its
// action goes from queued to started before it is sent, by a conditional write,
// and one that is found started belongs to a process that died. Its outcome is
// unknown then, and the user's link says so until a password is set again.
type Passwords struct {
	Store   *store.Store
	Systems Systems
	// Seed is the secret text of which the key is made that opens sealed
	// passwords.
	Seed    func(context.Context) (string, error)
	Metrics metric.Counter
	// Publisher is told of every action that was completed; nil tells nobody.
	Publisher Publisher
}

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
	seed, err := p.Seed(ctx)
	if err != nil {
		return nil, fault.Wrap(err, fault.Transient, "reconcile.password key")
	}
	return seal.NewOpener(seed)
}

// password is the work on one password.
type password struct {
	Passwords
	attempt Attempt
	action  plan.Action
	version int64 // of the action
	link    directory.Link
	value   string // opened
}

// Set tries to set the password of a task. Only what certainly was not done is
// tried again; whatever else becomes of it stands in its action and in the link.
func (p Passwords) Set(ctx context.Context, a Attempt) Outcome {
	w := &password{Passwords: p, attempt: a}
	mine, err := w.read(ctx)
	switch {
	case err != nil:
		return w.again(ctx, err)
	case !mine:
		return Outcome{}
	case w.action.Status == plan.Started:
		return w.fail(ctx, &fault.Error{Op: "reconcile.set password", Kind: fault.Transient, Reason: string(directory.PasswordInterrupted),
			Message: "entrasync stopped before Entra's answer was known: the account may have the new password or the old one. Set it again"}, false)
	case w.action.Status != plan.Queued:
		return Outcome{} // the message came twice
	}
	entra, err := w.prepare(ctx)
	if err == nil && !enoughTime(ctx) {
		return Outcome{Retry: true, After: firstWait, Err: fault.New(fault.Transient, "reconcile.set password", "too little time is left to begin")}
	}
	if err != nil {
		if fault.KindOf(err).Decide() == fault.Retry && !a.Last {
			return w.again(ctx, err)
		}
		return w.fail(ctx, fault.Of(err), false)
	}
	w.action.Status = plan.Started
	if err := w.change(ctx); err != nil {
		return w.again(ctx, err)
	}
	return w.send(ctx, entra)
}

// enoughTime reports whether the invocation lasts long enough to send a password
// and to record what became of it.
func enoughTime(ctx context.Context) bool {
	deadline, set := ctx.Deadline()
	return !set || time.Until(deadline) > passwordLimit+recordLimit
}

// read reads the action. It is not ours if the gateway did not record it: then
// there is nothing to do.
func (w *password) read(ctx context.Context) (mine bool, err error) {
	w.action, w.version, err = w.Store.ActionVersion(ctx, w.attempt.Directory.Organization(), w.attempt.Password.Action)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return false, err
	}
	mine = err == nil && w.action.Type == plan.SetPassword && w.action.Directory == w.attempt.Directory && w.action.Subject.ID == string(w.attempt.User)
	if !mine {
		w.line(zerolog.Ctx(ctx).Error()).Msg("a password came without an action of its own: it is not set")
	}
	return mine, nil
}

// prepare checks that the account is still the user's and opens the password.
func (w *password) prepare(ctx context.Context) (Entra, error) {
	look, err := w.Store.Look(ctx, w.attempt.Directory, []directory.UserID{w.attempt.User})
	if err != nil {
		return nil, err
	}
	known := look.Users[w.attempt.User]
	link, found := known.Link(w.attempt.Directory)
	switch {
	case !found || link.EntraID != w.action.EntraID:
		return nil, &fault.Error{Op: "reconcile.set password", Kind: fault.NotFound, Reason: string(directory.AccountMissing), Message: "the user has another account in Entra by now: set the password again"}
	case !w.owns(ctx, look.Directory, link):
		return nil, &fault.Error{Op: "reconcile.set password", Kind: fault.NotFound, Reason: string(directory.AccountMissing), Message: "the account is not the user's any more, or not again yet: set the password again in a minute"}
	case len(known.Paths(w.attempt.Directory)) == 0:
		return nil, &fault.Error{Op: "reconcile.set password", Kind: fault.NotFound, Reason: string(directory.Disconnected), Message: directory.Disconnected.Sentence()}
	}
	w.link = link
	entra, err := w.Systems.Entra(ctx, look.Directory.Tenant)
	if err != nil {
		return nil, err
	}
	// Where the tenant cannot be asked Entra says it.
	if tenant, err := entra.Tenant(ctx, nil, time.Time{}); err == nil {
		if why := w.refusal(ctx, entra, tenant); why != nil {
			return nil, &fault.Error{Op: "reconcile.set password", Kind: fault.Forbidden, Reason: string(why.Reason), Message: why.Message}
		}
	}
	w.value, err = w.open(ctx)
	return entra, err
}

// refusal is why the account gets no password, nil if it may get one. An account whose
// link is in a federated domain may have left it.
func (w *password) refusal(ctx context.Context, entra Entra, tenant directory.Tenant) *directory.Obstacle {
	why := w.link.PasswordIn(tenant, nil)
	if why == nil {
		return nil
	}
	if found := entra.Read(ctx, []directory.EntraID{w.link.EntraID})[0]; found.Err == nil && found.Account != nil {
		return w.link.PasswordIn(tenant, found.Account)
	}
	return why
}

// owns reports whether the account is certainly the user's.
func (w *password) owns(ctx context.Context, dir directory.Directory, link directory.Link) bool {
	owner, err := w.Store.Owner(ctx, dir.TenantObject, link.EntraID)
	return err == nil && !link.Freed && owner.Is(store.Owner{Organization: dir.Organization, User: link.User})
}

// open opens the sealed password. One for another key is for one that was
// replaced, or that is not read here yet; the next one will be for ours.
func (w *password) open(ctx context.Context) (string, error) {
	opener, err := w.opener(ctx)
	if err == nil && !opener.Fits(w.attempt.Password.Sealed) {
		if opener, err = w.opener(secret.Fresh(ctx)); err == nil && !opener.Fits(w.attempt.Password.Sealed) {
			err = w.publishKey(ctx, opener)
		}
	}
	if err != nil {
		return "", err
	}
	return opener.Open(w.attempt.Password.Sealed, seal.Purpose{
		Directory: w.attempt.Directory, User: w.attempt.User, Account: w.action.EntraID, Action: w.action.ID})
}

// send writes the password to Entra.
func (w *password) send(ctx context.Context, entra Entra) Outcome {
	limited, cancel := context.WithTimeout(ctx, passwordLimit)
	defer cancel()
	err := entra.SetPassword(limited, w.action.EntraID, w.value)
	if err == nil {
		w.action.Status = plan.Succeeded
		return w.complete(ctx, nil, true)
	}
	f := *fault.Of(err)
	lagging := f.Kind == fault.NotFound && MayLag(w.link, time.Now())
	switch {
	case lagging:
		f.RetryAfter, f.Message = settleStep, "Entra does not show the account everywhere yet: set the password again in a few minutes"
	case f.Kind == fault.NotFound:
		f.Reason, f.Message = string(directory.AccountMissing), "the account is not in Entra any more: restore it from the deleted users there, or disconnect the user"
	case !certain(err):
		f.Reason = string(directory.PasswordUnknown)
		f.Message = "Entra gave no clear answer: the account may have the new password or the old one. Set it again"
	}
	if (lagging || f.Kind == fault.Throttled) && !w.attempt.Last {
		w.action.Status = plan.Queued // certainly not done
		if err := w.change(ctx); err != nil {
			zerolog.Ctx(ctx).Error().Err(err).Str("actionId", w.action.ID).Msg("an action could not be put back: it will be found interrupted")
		}
		return w.again(ctx, &f)
	}
	return w.fail(ctx, &f, true)
}

// again has the message come again.
func (w *password) again(ctx context.Context, err error) Outcome {
	f := fault.Of(err)
	outcome := Outcome{Retry: true, After: waitBefore(w.attempt.Number, f), Err: err}
	w.line(zerolog.Ctx(ctx).Warn()).Dur("after", outcome.After).Err(err).Msg("the password will be tried again")
	return outcome
}

// fail ends the action for good; sent says whether Entra was asked just now.
func (w *password) fail(ctx context.Context, f *fault.Error, sent bool) Outcome {
	w.action.Status = plan.Failed
	w.action.Error = &plan.Failure{Kind: string(f.Kind), Reason: reasonOf(f), Message: f.Message}
	if f.Message == "" {
		w.action.Error.Message = "the password could not be set (" + string(f.Kind) + "): set it again"
	}
	return w.complete(ctx, &directory.Obstacle{Reason: w.action.Error.Reason, Message: w.action.Error.Message}, sent)
}

// complete records what became of the password; obstacle is why the account has
// not got it. What Entra said just now counts whoever else was about the action,
// and goes into the links first, because who waits for the action may look at
// them next. Without having asked, only who gets the action may write the links.
func (w *password) complete(ctx context.Context, obstacle *directory.Obstacle, sent bool) Outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	w.action.CompletedAt = time.Now().UTC()
	var err error
	if sent {
		w.recordInLinks(ctx, obstacle)
		err = w.Store.RecordActions(ctx, w.action)
	} else if err = w.change(ctx); err == nil {
		w.recordInLinks(ctx, obstacle)
	}
	if err != nil {
		return w.again(ctx, err)
	}
	w.tell(ctx)
	return Outcome{}
}

// recordInLinks notes in every link of the account whether it has the password.
func (w *password) recordInLinks(ctx context.Context, obstacle *directory.Obstacle) {
	for _, id := range slices.Concat([]directory.ID{w.attempt.Directory}, w.attempt.Password.Also) {
		err := w.Store.ChangeLink(ctx, id, w.attempt.User, func(link directory.Link) directory.Link {
			if link.EntraID != w.action.EntraID {
				return link
			}
			if link.PasswordDiffers = obstacle; obstacle == nil {
				link.PasswordAt, link.LastWriteAt = w.action.CompletedAt, w.action.CompletedAt
			}
			return link
		})
		if err != nil && !fault.Is(err, fault.NotFound) {
			w.line(zerolog.Ctx(ctx).Error()).Err(err).Str("link", string(id)).Msg("a link does not say what became of the password")
		}
	}
}

// change records the action, unless somebody else changed it.
func (w *password) change(ctx context.Context) error {
	err := w.Store.ChangeAction(ctx, w.action, w.version)
	if err == nil {
		w.version++
	}
	return err
}

// tell logs, counts and publishes the completed action.
func (w *password) tell(ctx context.Context) {
	reason, level := "", zerolog.InfoLevel
	if w.action.Error != nil {
		reason, level = string(w.action.Error.Reason), zerolog.WarnLevel
	}
	w.Metrics.Count("actions", 1, "type", string(w.action.Type), "status", string(w.action.Status), "reason", reason)
	line := w.line(zerolog.Ctx(ctx).WithLevel(level)).Str("action", string(w.action.Type)).Str("status", string(w.action.Status)).
		Str("entraId", string(w.action.EntraID)).Str("reason", reason)
	if w.action.Error != nil {
		line = line.Str("kind", w.action.Error.Kind).Str("why", w.action.Error.Message)
	}
	line.Msg("action completed")
	if w.Publisher == nil {
		return
	}
	if err := w.Publisher.Publish(ctx, w.action); err != nil {
		w.Metrics.Count("publish_failed", 1)
		zerolog.Ctx(ctx).Error().Err(err).Int("actions", 1).Msg("actions could not be published")
	}
}

// line begins what is logged about a password.
func (w *password) line(e *zerolog.Event) *zerolog.Event {
	return e.Str("directory", string(w.attempt.Directory)).Str("user", string(w.attempt.User)).
		Str("actionId", w.attempt.Password.Action).Str("event", w.attempt.Cause.ID).Int("attempt", w.attempt.Number)
}
