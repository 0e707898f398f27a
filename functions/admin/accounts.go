package admin

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// Timeouts for reading a tenant's description, and then the accounts of a user.
const (
	describeLimit = 5 * time.Second
	readLimit     = 3 * time.Second
)

// describeTenants reads from the tenants of the accounts which of their domains are
// federated now.
func (g *gateway) describeTenants(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, describeLimit)
	defer cancel()
	tenants := map[directory.TenantID]directory.Tenant{}
	for _, account := range g.accounts {
		tenant, known := tenants[account.dir.SignInTenant()]
		if !known {
			var err error
			if tenant, err = g.Clients.Describe(ctx, account.dir.SignInTenant()); err != nil {
				f := fault.Of(err)
				return api.Refuse(&fault.Error{Op: f.Op, Kind: f.Kind, Err: err, Message: fmt.Sprintf(
					"the tenant of the directory %s cannot be asked whether its users sign in with JumpCloud (%s); nothing was changed in JumpCloud or in Entra", account.dir.Name, f.Message)}, "", nil)
			}
			tenants[account.dir.SignInTenant()] = tenant
		}
		account.tenant = tenant
	}
	for i := range g.absent {
		g.describeAbsence(ctx, &g.absent[i], tenants)
	}
	return nil
}

// describeAbsence is describeTenants for an account that is not there yet. Nothing would be
// written to it, so it is enough what a tenant that does not answer said last.
func (g *gateway) describeAbsence(ctx context.Context, none *absence, tenants map[directory.TenantID]directory.Tenant) {
	tenant, known := tenants[none.dir.SignInTenant()]
	if !known {
		var err error
		if tenant, err = g.Clients.Describe(ctx, none.dir.SignInTenant()); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(none.dir.ID)).Msg("the tenant cannot be asked which of its domains are federated: what it said last is used")
			tenant = none.dir.KnownTenant()
		}
		tenants[none.dir.SignInTenant()] = tenant
	}
	none.tenant = tenant
}

// readAccounts reads the accounts as they are now: those of one tenant together, all
// tenants at the same time. An account may have been renamed since its link was
// written. For an account that cannot be read, the values of its link are used.
func (g *gateway) readAccounts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	byTenant := map[directory.TenantID][]*account{}
	for _, each := range g.accounts {
		byTenant[each.dir.SignInTenant()] = append(byTenant[each.dir.SignInTenant()], each)
	}
	var reading sync.WaitGroup
	for tenant, accounts := range byTenant {
		reading.Go(func() {
			for i, found := range g.read(ctx, tenant, accounts) {
				accounts[i].now, accounts[i].unread = found.Account, found.Err
				accounts[i].gone = found.Account == nil && found.Err == nil && !reconcile.MayLag(accounts[i].link, time.Now())
			}
		})
	}
	reading.Wait()
	for _, each := range g.accounts {
		if each.unread != nil {
			zerolog.Ctx(ctx).Warn().Err(each.unread).Str("directory", string(each.dir.ID)).Str("user", string(g.user.ID)).
				Msg("an account could not be read before its password is set: the values of its link are used")
		}
	}
}

// read reads the accounts of one tenant, in their order.
func (g *gateway) read(ctx context.Context, tenant directory.TenantID, accounts []*account) []reconcile.Found {
	entra, err := g.Clients.Entra(ctx, tenant)
	if err != nil {
		found := make([]reconcile.Found, len(accounts))
		for i := range found {
			found[i].Err = err
		}
		return found
	}
	ids := make([]directory.EntraID, len(accounts))
	for i, each := range accounts {
		ids[i] = each.link.EntraID
	}
	return entra.Read(ctx, ids, nil)
}

// checkAccounts returns an error if an account cannot take any password: otherwise
// JumpCloud would already have the new password when Entra refuses it.
func (g *gateway) checkAccounts() error {
	detail := "users of a federated domain sign in with JumpCloud: set the password in JumpCloud"
	var details []error
	for _, account := range g.accounts {
		why := account.refusal()
		if why == nil {
			continue
		}
		if why.Reason != directory.DomainFederated {
			detail = "Entra takes no password for this user: mend what the reasons name, or set the password in JumpCloud"
		}
		details = append(details, about(fmt.Sprintf("Entra, %s in the directory %s (%s): %s", account.upn(), account.dir.Name, why.Reason, why.Message)))
	}
	for _, none := range g.absent {
		if why := none.refusal(); why != nil {
			details = append(details, about(fmt.Sprintf("Entra, %s in the directory %s, where the user has no account yet (%s): %s", none.name, none.dir.Name, why.Reason, why.Message)))
		}
	}
	if len(details) == 0 {
		return nil
	}
	return huma.NewError(http.StatusUnprocessableEntity, detail+"; nothing was changed in JumpCloud or in Entra", details...)
}
