package deactivation

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// DeactivatedCause is the type of cause of what a deactivation writes.
const DeactivatedCause = "directory_deactivated"

// clearIDs clears the immutable ids of some accounts that have them from us. What an account has
// is read before: an id that somebody changed since stays. So does that of an account in a
// federated domain, whose person could not sign in without it. An account of which Entra gives no
// answer keeps nobody else's: it is tried again after all others.
func (r *run) clearIDs(ctx context.Context) (ended bool, err error) {
	if r.place.Listed {
		return r.clearLeft(ctx)
	}
	list, err := r.Store.Links(ctx, r.dir.ID, atOnce, r.place.Cursor)
	if err != nil {
		return false, err
	}
	unanswered, err := r.clear(ctx, list.Items)
	if err != nil {
		return false, err
	}
	if len(r.place.Left)+len(unanswered.users) > mostLeft {
		return false, unanswered.why
	}
	r.place.Left = append(r.place.Left, unanswered.users...)
	r.count(len(list.Items))
	r.place.Cursor, r.place.Listed = list.Cursor, list.Cursor == ""
	return r.place.Listed && len(r.place.Left) == 0, nil
}

// clearLeft tries some of the accounts again of which Entra gave no answer. A fault says that it gave
// none of any of them.
func (r *run) clearLeft(ctx context.Context) (ended bool, err error) {
	some := r.place.Left[:min(len(r.place.Left), atOnce)]
	known, err := r.Store.ShownUsers(ctx, r.dir.ID, some)
	if err != nil {
		return false, err
	}
	var links []directory.Link
	for _, user := range some {
		if link, found := known[user].Known.Link(r.dir.ID); found {
			links = append(links, link)
		}
	}
	unanswered, err := r.clear(ctx, links)
	if err != nil {
		return false, err
	}
	r.place.Left = slices.Concat(r.place.Left[len(some):], unanswered.users)
	if len(unanswered.users) < len(some) {
		return len(r.place.Left) == 0, nil
	}
	if err := r.save(ctx); err != nil { // the others come first then
		return false, err
	}
	return false, unanswered.why
}

// unanswered are users of whose accounts Entra gave no answer, or one that may be another later, and
// why the last one.
type unanswered struct {
	users []directory.UserID
	why   error
}

func (u *unanswered) add(user directory.UserID, why error) {
	u.users, u.why = append(u.users, user), why
}

// ours are those of some links whose accounts belong to this directory alone, and may have an
// immutable id that we wrote: that of a user is the id in JumpCloud.
func (r *run) ours(ctx context.Context, links []directory.Link) ([]directory.Link, error) {
	if err := r.readExcluded(ctx); err != nil {
		return nil, err
	}
	var accounts []directory.EntraID
	for _, link := range links {
		accounts = append(accounts, link.EntraID)
	}
	owners, err := r.Store.Owners(ctx, r.dir.TenantObject, accounts)
	if err != nil {
		return nil, err
	}
	var ours []directory.Link
	for _, link := range links {
		owner, us := owners[link.EntraID], store.Owner{Organization: r.dir.Organization, User: link.User}
		wrote := link.Origin == directory.CreatedByUs || link.Origin == directory.TakenOver && r.dir.Settings.Federated
		excluded := link.Excluded || r.dir.Settings.Exclude.Why(link.User, r.members[link.User], link.UPN) != nil
		if !wrote || excluded || link.EntraID == "" {
			continue
		}
		if link.Freed { // it is free, or somebody else's by now; the next phase gives it up again
			owner, err = r.Store.Claim(ctx, r.dir.TenantObject, link.EntraID, us, r.dir.ID)
			if err != nil && !fault.Is(err, fault.Conflict) {
				return nil, err
			}
		}
		if owner.Is(us) && len(owner.Directories) == 1 && owner.Directories[0] == r.dir.ID {
			ours = append(ours, link)
		}
	}
	return ours, nil
}

// readExcluded reads who is excluded by a group.
func (r *run) readExcluded(ctx context.Context) error {
	group := r.dir.Settings.Exclude.Group
	if r.members != nil || group == "" {
		return nil
	}
	users, err := r.Store.ExcludedMembers(ctx, r.dir.ID, group)
	if err != nil {
		return err
	}
	r.members = map[directory.UserID]bool{}
	for _, user := range users {
		r.members[user] = true
	}
	return nil
}

// clear clears the immutable ids of the accounts of some links, as far as they are from us, as actions
// that are recorded before and completed after.
func (r *run) clear(ctx context.Context, links []directory.Link) (unanswered, error) {
	ours, err := r.ours(ctx, links)
	if err != nil || len(ours) == 0 {
		return unanswered{}, err
	}
	entra, err := r.Clients.Entra(ctx, r.dir.SignInTenant())
	if err != nil {
		return unanswered{}, err
	}
	actions, without, err := r.clearable(ctx, entra, ours)
	if err == nil && len(actions) > 0 {
		err = r.send(ctx, entra, actions, &without)
	}
	return without, err
}

// clearable reads accounts, and returns the actions that clear the immutable ids of those that have
// one from us.
func (r *run) clearable(ctx context.Context, entra reconcile.Entra, links []directory.Link) (actions []plan.Action, without unanswered, err error) {
	accounts, domains := make([]directory.EntraID, len(links)), []string{}
	for i, link := range links {
		accounts[i] = link.EntraID
		domains = append(domains, link.UPN.Domain())
	}
	tenant, err := entra.Tenant(ctx, domains, r.job.CreatedAt)
	if err != nil {
		return nil, without, err
	}
	for i, found := range entra.Read(ctx, accounts, []directory.Attribute{directory.ImmutableID}) {
		if found.Err != nil && !fault.Is(found.Err, fault.NotFound) {
			without.add(links[i].User, found.Err)
			continue
		}
		account := found.Account
		if account == nil || account.ImmutableID != string(links[i].User) {
			continue
		}
		if why := account.Untouchable(); why != nil {
			r.keeps(why.Message)
			continue
		}
		if tenant.Federates(account.UPN) {
			r.keeps(string(account.UPN) + " is in a federated domain, where its person could not sign in without it")
			continue
		}
		actions = append(actions, r.clearing(links[i], *account))
	}
	return actions, without, nil
}

// keeps counts an account that keeps its immutable id.
func (r *run) keeps(why string) { r.place.Kept, r.place.Why = r.place.Kept+1, why }

// clearing is the action that clears the immutable id of an account.
func (r *run) clearing(link directory.Link, account directory.Account) plan.Action {
	now := time.Now().UTC()
	return plan.Action{
		ID: uuid.Must(uuid.NewV7()).String(), Type: plan.Update, Directory: r.dir.ID, EntraID: account.ID, Status: plan.Started, At: now,
		Subject: plan.Subject{Kind: plan.OfUser, ID: string(link.User), Name: string(account.UPN)},
		Changes: []directory.Change{{Attribute: directory.ImmutableID, From: directory.Text(account.ImmutableID)}},
		Cause:   plan.Cause{Type: DeactivatedCause, ID: r.job.ID, At: now, Requested: true, Many: true},
	}
}

// send records actions, sends them and records what became of them. The users of those that may
// succeed later are added to without.
func (r *run) send(ctx context.Context, entra reconcile.Entra, actions []plan.Action, without *unanswered) error {
	if err := r.Store.RecordActions(ctx, actions...); err != nil {
		return err
	}
	for i, result := range entra.Apply(ctx, actions) {
		a := &actions[i]
		a.CompletedAt, a.Status = time.Now().UTC(), plan.Succeeded
		f := fault.Of(result.Err)
		if f == nil {
			r.place.Cleared++
			continue
		}
		a.Status, a.Error = plan.Failed, &plan.Failure{Kind: string(f.Kind), Reason: f.Reason, Message: f.Message}
		if f.Kind.Decide() == fault.Retry {
			without.add(directory.UserID(a.Subject.ID), f)
			continue
		}
		r.keeps(f.Message)
	}
	return r.Store.RecordActions(ctx, actions...)
}
