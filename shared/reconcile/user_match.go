package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// openEntra finds the client of the tenant.
func (b *userBatch) openEntra(ctx context.Context, users []*user) {
	entra, err := b.Clients.Entra(ctx, b.dir.SignInTenant())
	if err != nil {
		b.failEach(ctx, users, err)
		return
	}
	b.entra = entra
}

// share uses the account that the user has in the tenant through another directory, if
// that directory wants the same name for it; the account may not have that name yet. An
// account that another directory released is claimed again, unless somebody else has it
// by now. The link does not know the values of its attributes.
func (b *userBatch) share(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.link.EntraID != "" || u.link.Unconfirmed != nil || !u.plan.Desired.Managed || u.plan.Desired.Obstacle != nil {
			continue
		}
		for _, link := range b.accountsElsewhere(u) {
			_, err := b.claim(ctx, link.EntraID, b.owner(u))
			if link.Freed && fault.Is(err, fault.Conflict) {
				continue
			}
			if err != nil {
				b.fail(ctx, u, err)
				break
			}
			u.link.EntraID, u.link.UPN, u.link.Origin, u.link.State, u.link.Found, u.link.Arrived = link.EntraID, link.UPN, link.Origin, link.State, link.Found, true
			u.link.Imported, u.link.TakingOver = link.Imported, link.Imported && link.TakingOver
			u.plan.Link = u.link
			break
		}
	}
}

// accountsElsewhere are the links of the other directories of the tenant that give the
// user the same name; those that still claim their account come first.
func (b *userBatch) accountsElsewhere(u *user) []directory.Link {
	var held, freed []directory.Link
	for _, sibling := range b.siblings {
		link, _ := u.known.Link(sibling.ID)
		name, obstacle := sibling.Settings.UserPrincipalName(*u.read.source)
		switch {
		case link.EntraID == "" || link.IsLost() || obstacle != nil || !name.Same(u.plan.Desired.UPN):
		case link.Freed:
			freed = append(freed, link)
		default:
			held = append(held, link)
		}
	}
	return append(held, freed...)
}

// checkDomains compares the sign-in names that are to be written with the domains that the
// tenant verified, and reads which of those are federated. If the tenant cannot be read
// nothing is lost: Entra refuses a wrong domain, and the federated domains are those
// that the tenant named when the directory was last changed.
func (b *userBatch) checkDomains(ctx context.Context, users []*user) {
	var domains []string
	var since time.Time
	var concerned []*user
	for _, u := range users {
		switch {
		case u.plan.Names():
			domains = append(domains, u.plan.Desired.UPN.Domain())
		case u.plan.Identifies():
			if domain := u.link.UPN.Domain(); domain != "" {
				domains = append(domains, domain)
			}
		default:
			continue
		}
		concerned = append(concerned, u)
		if cause := u.attempt.Cause; cause.Requested && cause.At.After(since) {
			since = cause.At // the administrator may just have verified the domain
		}
	}
	if len(concerned) == 0 {
		return
	}
	tenant, err := b.entra.Tenant(ctx, domains, since)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(b.dir.ID)).Msg("the tenant's domains cannot be read")
		tenant = b.dir.KnownTenant()
	}
	for _, u := range concerned {
		if u.plan.Tenant = tenant; u.plan.Names() && err == nil {
			u.plan.Desired = u.plan.Desired.In(tenant)
		}
	}
}

// reclaim claims accounts again whose users left and are back. The claim may have been given
// up, then or later by another directory on the tenant that still had the user. If an
// account belongs to somebody else by now, or was gone when the user left, the link forgets it
// and the user gets another one. Otherwise the link forgets the values of its attributes, which may have changed since.
func (b *userBatch) reclaim(ctx context.Context, users []*user) {
	b.letManagersBe(ctx, users)
	for _, u := range users {
		if u.over {
			continue
		}
		if !u.plan.Desired.Managed {
			b.regain(ctx, u)
			continue
		}
		if u.link.IsLost() {
			u.link = u.link.Forgotten()
		}
		isBack := b.isBack(u)
		u.link.Since = u.known.Since(b.dir.ID)
		if u.plan.Link = u.link; !isBack {
			continue
		}
		err := b.claimAgain(ctx, u)
		switch {
		case err == nil:
			u.link.Applied, u.link.Arrived = nil, true
		case fault.Is(err, fault.Changed):
			b.retry(ctx, u, err)
			continue
		case fault.Is(err, fault.Conflict):
			// Otherwise the next attempt would wait for the account.
			if err := b.Store.RemoveImported(ctx, b.dir.TenantObject, b.dir.Organization, u.attempt.User); err != nil {
				b.fail(ctx, u, err)
				continue
			}
			u.link = u.link.Forgotten()
			u.link.Arrived = true // groups may have kept the account for the user until now
		default:
			b.fail(ctx, u, err)
			continue
		}
		u.plan.Link = u.link
	}
}

// claimAgain claims the account of a link. If it was freed, the link says that it is not any
// more, together with the claim: the worker that freed it may not have given up the claim yet.
func (b *userBatch) claimAgain(ctx context.Context, u *user) error {
	if !u.link.Freed {
		_, err := b.claim(ctx, u.link.EntraID, b.owner(u))
		return err
	}
	link := u.link
	link.Freed, link.Applied, link.Arrived = false, nil, true // what happens to the account until then is not known
	_, err := b.Store.ClaimAgain(ctx, store.Succession{Any: true}, b.dir.TenantObject, b.owner(u), link)
	if err == nil {
		u.link.Freed = false
		u.link.Version++
	}
	return err
}

// regain claims the account of a released user again for a comparison, which disables it if
// somebody enabled it by hand, and for the steps of somebody who left. The link keeps what was written: that is compared. An account
// that somebody else has by now, or had since, is theirs.
func (b *userBatch) regain(ctx context.Context, u *user) {
	if !u.link.Freed || u.link.EntraID == "" || u.keptElsewhere() {
		return
	}
	compares := u.compares(u.link.Standing, u.attempt.Compare, time.Now().UTC())
	if !compares && len(b.dueSteps(u)) == 0 {
		return
	}
	link := u.link
	link.Freed = false
	_, err := b.Store.ClaimAgain(ctx, store.Succession{}, b.dir.TenantObject, b.owner(u), link)
	switch {
	case err == nil:
		u.link.Freed = false
		u.link.Version++
		u.plan.Link = u.link
	case fault.Is(err, fault.Changed):
		b.retry(ctx, u, err)
	case fault.Is(err, fault.Conflict):
		u.link.Drift, u.link.Leaving = nil, plan.Ended(u.link.Leaving)
		u.plan.Link = u.link
	default:
		b.fail(ctx, u, err)
	}
}

// isBack reports whether the user left since the link learnt what Entra has. The status alone
// does not say so: attempts that failed since then have replaced it.
func (b *userBatch) isBack(u *user) bool {
	again := len(b.siblings) > 0 && !u.link.Since.IsZero() && !u.link.Since.Equal(u.known.Since(b.dir.ID))
	return u.link.Freed || u.link.EntraID != "" && (again || u.link.Status == directory.Released)
}

// lookUp searches the accounts of users that have none yet, in one batch.
func (b *userBatch) lookUp(ctx context.Context, users []*user) {
	var upns []directory.UPN
	for _, u := range users {
		upns = append(upns, u.plan.Searches()...)
	}
	if len(upns) == 0 {
		return
	}
	answers := b.entra.FindByUPN(ctx, upns, desiredOf(users))
	for _, u := range users {
		searched := u.plan.Searches()
		own := answers[:len(searched)]
		answers = answers[len(searched):]
		var accounts []*directory.Account
		var deleted []*directory.DeletedAccount
		for _, found := range own {
			if found.Err != nil {
				b.fail(ctx, u, found.Err)
				break
			}
			accounts, deleted = append(accounts, found.Account), append(deleted, found.Deleted)
			if found.Unsearched != nil {
				b.unsearched(ctx, u, found.Unsearched)
			}
		}
		if !u.over && len(searched) > 0 {
			u.plan = u.plan.Found(searched, accounts, deleted)
		}
	}
}

// desiredOf are the attributes that any of the users is to have.
func desiredOf(users []*user) []directory.Attribute {
	attributes := map[directory.Attribute]bool{}
	for _, u := range users {
		for name := range u.plan.Desired.Attributes {
			attributes[name] = true
		}
	}
	return slices.Sorted(maps.Keys(attributes))
}

// unsearched logs and counts that the deleted accounts could not be searched for the
// user's name. The attempt goes on: Entra lets a new account have the name.
func (b *userBatch) unsearched(ctx context.Context, u *user, why error) {
	b.Metrics.Count("deleted_accounts_unsearched", 1, "kind", trouble(fault.Of(why)))
	u.line(zerolog.Ctx(ctx).Warn()).Err(why).Msg("Entra refuses to search the deleted accounts: one of the user's name is neither reported nor restored")
}

// wait ends the attempts on users for whom nothing can be decided yet: the creation of
// their account was not confirmed, Entra does not show the account, and it may still
// appear. After replicationTime it certainly does not.
func (b *userBatch) wait(ctx context.Context, users []*user) {
	for _, u := range users {
		if !u.plan.Uncertain() {
			continue
		}
		if time.Since(u.plan.Link.Unconfirmed.At) >= replicationTime {
			u.plan.Link.Unconfirmed = nil
			continue
		}
		b.fail(ctx, u, &fault.Error{Op: "reconcile.wait", Kind: fault.Transient, Reason: directory.Unavailable, RetryAfter: replicationStep,
			Message: "Entra did not confirm the account " + string(u.plan.Link.Unconfirmed.UPN) + " and does not show it yet: it is looked for again"})
	}
}

// decide makes the plan. While all paths of a user are in doubt it enables no account.
func (b *userBatch) decide(ctx context.Context, users []*user) {
	for _, u := range users {
		if u.link.EntraID == "" { // the account from which the user was imported may have another name
			if b.keepName(ctx, u, u.plan.FoundNames()...); u.over {
				continue
			}
		}
		d := u.plan.Decide()
		if why := b.excluded.Why(u.attempt.User, u.plan.FoundNames()...); why != nil {
			b.closeInterrupted(ctx, []*user{u})
			b.parkExcluded(ctx, u, why)
			continue
		}
		if len(d.Actions) > 0 && !b.excluded.Exclusion.Known() {
			b.awaitExclusion(u, b.excluded.WhyUnread())
			continue
		}
		if u.heldByDoubt() && slices.ContainsFunc(d.Actions, plan.Action.Opens) {
			b.awaitSecondRead(u, "what connects the user to this directory")
			continue
		}
		if slices.ContainsFunc(u.lagging, func(c directory.Claim) bool { return c.Denies(b.settings(u.known)) }) && slices.ContainsFunc(d.Actions, plan.Action.Opens) {
			b.awaitLaterRead(u)
			continue
		}
		if u.attempt.Held && u.read.overtaken && d.TakesAccess() != nil { // what was approved may have been taken back
			b.awaitLaterRead(u)
			continue
		}
		u.match.adopted = d.Link.EntraID != u.link.EntraID
		u.todo, u.obstacle, u.link = d.Actions, d.Obstacle, d.Link
		b.decideGone(u)
	}
}

// awaitLaterRead ends the attempt on a user about whose account a read and what was known just
// before do not agree: an enabled account stays enabled until a later read, and a disabled one
// disabled.
func (b *userBatch) awaitLaterRead(u *user) {
	f := fault.Of(contradicted("the user's state"))
	u.over, u.failed = true, true
	u.link.Status, u.link.Reason, u.link.Message, u.link.NextTryAt = directory.Pending, reasonOf(f), sentenceOf(f), u.recheckAt
}

// heldByDoubt reports whether all paths of the user are in doubt: until that is decided
// an enabled account stays enabled, and a disabled one disabled.
func (u *user) heldByDoubt() bool {
	paths := u.known.Paths(u.directory)
	return len(paths) > 0 && !slices.ContainsFunc(paths, func(p directory.Path) bool { return !slices.Contains(u.read.doubted, p) })
}

// claimFound makes sure that an account that was found belongs to nobody else, and did not
// belong to somebody else whose account the user must not have.
func (b *userBatch) claimFound(ctx context.Context, users []*user) {
	for _, u := range users {
		if !u.match.adopted {
			continue
		}
		succession, err := b.succession(ctx, u)
		if err != nil {
			b.fail(ctx, u, err)
			continue
		}
		owner, had, err := b.Store.ClaimAfter(ctx, succession, b.dir.TenantObject, u.link.EntraID, b.owner(u), b.dir.ID)
		if fault.Is(err, fault.Conflict) {
			owner, had, err = b.claimOrWait(ctx, u, succession)
		}
		switch {
		case had != nil:
			b.keepFrom(u, *had)
		case fault.Is(err, fault.Conflict):
			account := u.link.EntraID
			u.match.adopted, u.todo, u.link = false, nil, u.plan.Link.Forgotten()
			u.obstacle = b.takenBy(ctx, u, account, owner)
		case err == nil:
			b.noteSuccession(ctx, u)
			err = b.yield(ctx, u, owner)
		}
		if err != nil && !fault.Is(err, fault.Conflict) {
			b.fail(ctx, u, err)
		}
	}
}

// claimOrWait records that the user waits for the account, and then tries the claim again,
// in case the account became free just now, or its owner has abandoned it.
func (b *userBatch) claimOrWait(ctx context.Context, u *user, succession store.Succession) (store.Owner, *directory.FormerOwner, error) {
	wait := store.Wait{For: store.FreeAccount(b.dir.TenantObject, u.link.EntraID), Directory: b.dir.ID, User: u.attempt.User}
	if err := b.Store.AddWaits(ctx, wait); err != nil {
		return store.Owner{}, nil, err
	}
	owner, had, err := b.Store.ClaimAfter(ctx, succession, b.dir.TenantObject, u.link.EntraID, b.owner(u), b.dir.ID)
	if had != nil || !fault.Is(err, fault.Conflict) {
		return owner, had, err
	}
	recorded, abandoned, failed := b.hasRecorded(ctx, owner, u.link.EntraID)
	switch age := time.Since(owner.At); {
	case failed != nil:
		return owner, nil, failed
	case recorded:
		return owner, nil, err
	case abandoned && age >= underWay:
		return b.Store.ClaimFrom(ctx, owner, succession, b.dir.TenantObject, u.link.EntraID, b.owner(u), b.dir.ID)
	case age < longestUnrecorded:
		u.recheckAt = earliest(u.recheckAt, time.Now().UTC().Add(max(age, underWay)))
	}
	return owner, nil, err
}

// longestUnrecorded is how long after a claim that is not recorded somebody who waits for the
// account comes again by themselves. Nobody sends them a task: the process of the owner may
// have died.
const longestUnrecorded = time.Hour

// hasRecorded reports whether the owner of an account has recorded it, and if not, whether
// the owner has abandoned it: the process died between the claim and the record, and then
// the user was released without an account, or got another one. An attempt may still be
// under way.
func (b *userBatch) hasRecorded(ctx context.Context, owner store.Owner, account directory.EntraID) (recorded, abandoned bool, err error) {
	known, err := b.Store.User(ctx, owner.Organization, owner.User)
	if err != nil {
		return false, false, err
	}
	abandoned = true
	for _, id := range owner.Directories {
		link, linked := known.Link(id)
		recorded = recorded || link.EntraID == account
		other := link.Account() != "" && link.EntraID != account
		abandoned = abandoned && (other || link.Status == directory.Released || !linked && len(known.Paths(id)) == 0)
	}
	return recorded, abandoned, nil
}
