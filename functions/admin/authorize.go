package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/loopback"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// Whoever follows an invitation gives consent at Entra, and the browser comes back to the
// callback. Nothing that it brings proves consent: only a new token does. The state that it
// brings back says which directory is meant, once, so that nobody else can make us look.

// CallbackPath is where Entra sends browsers back to.
const CallbackPath = "/v1/authorize/callback"

// invitationLife is how long an invitation may be followed.
const invitationLife = time.Hour

// proofTime is how long the callback asks Entra.
const proofTime = 12 * time.Second

// authorizations registers the operations on the consent of tenants.
func (a API) authorizations(on huma.API) {
	huma.Register(on, api.Operation("authorizeDirectory", http.MethodPost, "/v1/directories/{id}/authorize",
		"The address at which an administrator of the tenant gives consent to the application, for one use within an hour, and what the settings need. Nothing of the directory changes",
		http.StatusOK, http.StatusNotFound, http.StatusConflict), a.authorize)
	huma.Register(on, api.PageOperation("authorizationCallback", CallbackPath, "Where Entra sends the browser of the administrator back to. Whatever comes with it, only a new token decides", map[int]string{
		http.StatusOK:                 "The tenant lets the application in. The page names the permissions that are missing, if any are",
		http.StatusAccepted:           "Entra does not show the consent yet: the directory becomes active by itself",
		http.StatusForbidden:          "Entra says that consent was not given. Nothing was changed",
		http.StatusNotFound:           "The state is not one that entrasync gave out, or its directory does not exist any more",
		http.StatusConflict:           "Consent was given in another tenant than that of the directory, or another directory has the tenant. Nothing was changed",
		http.StatusGone:               "The state was used already, or has expired. Nothing was changed",
		http.StatusServiceUnavailable: "Our own store did not answer: try again",
	}), a.callback)
}

// invitation is the answer with the address of the consent page.
type invitation struct {
	ConsentURL  string     `json:"consentUrl" doc:"For the browser of an administrator of the tenant. Entra asks for the permissions that the application's registration lists"`
	RedirectURI string     `json:"redirectUri" doc:"Where Entra sends the browser back to: the application's registration must have exactly this one, under Authentication, as Web"`
	ExpiresAt   time.Time  `json:"expiresAt" doc:"Until when the browser may come back"`
	Needs       []needView `json:"needs" doc:"The least that the settings of the directory need, and what the tenant granted when it was last asked"`
}

// authorize makes an invitation.
func (a API) authorize(ctx context.Context, in *struct {
	ID string `path:"id" doc:"The directory"`
},
) (*api.Answer[invitation], error) {
	dir, err := a.directory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	back, err := a.callbackAddress()
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	secret := rand.Text()
	now := time.Now().UTC()
	kept := store.Authorization{ID: rand.Text(), Directory: dir.ID, Hash: hashOf(secret), By: api.CallerOf(ctx).Name(), CreatedAt: now, Until: now.Add(invitationLife)}
	address, err := a.Clients.ConsentURL(dir.SignInTenant(), back, kept.ID+"."+secret)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	if err := a.Store.AddAuthorization(ctx, kept); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &api.Answer[invitation]{Body: invitation{ConsentURL: address, RedirectURI: back, ExpiresAt: kept.Until, Needs: needsOf(dir.Settings, dir.Granted)}}, nil
}

// hashOf is what is stored of a secret.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// callbackAddress is the address of the callback. Entra sends browsers only to https, or to
// the machine that they run on.
func (a API) callbackAddress() (string, error) {
	u, err := url.Parse(a.Address)
	if a.Address == "" || err != nil || u.Host == "" || u.Scheme != "https" && !loopback.Is(u.Hostname()) {
		return "", fault.New(fault.Conflict, "admin.authorize", "Entra sends browsers back only to an https address, or to http on their own machine, and the address of this API is neither: "+
			"set ENTRASYNC_PUBLIC_URL to the address at which browsers reach it, such as https://entrasync.example.com; or give consent in Entra (Enterprise applications, Permissions), and the directory becomes active by itself")
	}
	return strings.TrimSuffix(a.Address, "/") + CallbackPath, nil
}

// comeBack is what a browser brings from Entra. Entra adds more, and says admin_consent=True
// also when it was not given.
type comeBack struct {
	State       string `query:"state" doc:"What POST …/authorize put into the address"`
	Tenant      string `query:"tenant" doc:"The tenant that Entra names; it may be missing"`
	Error       string `query:"error" doc:"Why consent was not given"`
	Description string `query:"error_description" doc:"Entra's sentence about the error"`

	method string
}

// Resolve implements huma.Resolver.
func (c *comeBack) Resolve(ctx huma.Context) []error {
	c.method = ctx.Method()
	return nil
}

// callback answers a browser that comes back from Entra.
func (a API) callback(ctx context.Context, in *comeBack) (*pageAnswer, error) {
	if in.method == http.MethodHead { // somebody looks whether there is a page
		return consentPage{Status: http.StatusOK}.answer(), nil
	}
	return a.comeBack(ctx, in).answer(), nil
}

// stateForm is the form of the states that we give out.
var stateForm = regexp.MustCompile(`^([A-Z2-7]{26})\.([A-Z2-7]{26})$`)

// comeBack uses up the state, then looks whether consent was given.
func (a API) comeBack(ctx context.Context, in *comeBack) consentPage {
	now := time.Now()
	kept, err := a.invited(ctx, in.State)
	switch {
	case fault.Is(err, fault.NotFound):
		a.strange.Note("state", func(count int) {
			zerolog.Ctx(ctx).Warn().Int("times", count).Msg("a browser came to the callback of consent with a state that is none of ours")
		})
		return unknownState
	case err != nil:
		return tryAgain(ctx, err)
	case !now.Before(kept.Until):
		return expiredState
	case !kept.UsedAt.IsZero():
		return usedState
	}
	api.Concerns(ctx).Directory = kept.Directory
	if err := a.Store.UseAuthorization(ctx, kept, now); fault.Is(err, fault.Changed) {
		return usedState
	} else if err != nil {
		return tryAgain(ctx, err)
	}
	page := a.look(ctx, kept.Directory, in, now)
	zerolog.Ctx(ctx).Info().Str("directory", string(kept.Directory)).Str("who", kept.By).Str("outcome", page.Outcome).
		Msg("a browser came back from the consent page of Entra")
	return page
}

// invited is the invitation of a state; NotFound if there is none.
func (a API) invited(ctx context.Context, state string) (store.Authorization, error) {
	unknown := fault.New(fault.NotFound, "admin.callback", "there is no such state")
	parts := stateForm.FindStringSubmatch(state)
	if parts == nil {
		return store.Authorization{}, unknown
	}
	kept, err := a.Store.Authorization(ctx, parts[1])
	if err == nil && subtle.ConstantTimeCompare([]byte(kept.Hash), []byte(hashOf(parts[2]))) != 1 {
		err = unknown
	}
	return kept, err
}

// look looks whether the tenant of a directory lets the application in. since is when the
// browser came back.
func (a API) look(ctx context.Context, id directory.ID, in *comeBack, since time.Time) consentPage {
	dir, err := a.Store.Directory(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return goneDirectory
	case err != nil:
		return waits(directory.Directory{ID: id}, err)
	case in.Error != "":
		return refusedConsent(dir, in)
	case isOfAnother(dir, in.Tenant):
		return anotherTenant(dir)
	}
	asking, stop := context.WithTimeout(ctx, proofTime)
	defer stop()
	tenant, err := a.Clients.Prove(asking, dir.SignInTenant(), since)
	switch {
	case err != nil:
		a.stillRefused(ctx, id, tenant, err)
		return waits(dir, err)
	case isOfAnother(dir.Described(tenant), in.Tenant), dir.TenantObject != "" && !strings.EqualFold(string(dir.TenantObject), string(tenant.ID)):
		return anotherTenant(dir)
	}
	kept, err := a.keepConsent(ctx, id, tenant)
	switch {
	case fault.Is(err, fault.Conflict):
		return takenTenant(dir)
	case err != nil:
		return waits(dir, err)
	}
	if kept.IsProbed() { // what waits is sent
		a.sendProbe(ctx, reconcile.Probe(kept.ID, time.Time{}))
	}
	return authorizedPage(kept, tenant)
}

// isOfAnother reports whether a browser comes from another tenant than that of a directory,
// as far as is known; one that names no tenant does not.
func isOfAnother(dir directory.Directory, named string) bool {
	if named == "" {
		return false
	}
	own := string(dir.TenantObject)
	if own == "" && guidForm.MatchString(string(dir.Tenant)) {
		own = string(dir.Tenant)
	}
	return own != "" && !strings.EqualFold(named, own) && !strings.EqualFold(named, string(dir.Tenant))
}

// guidForm is the form of the object id of a tenant.
var guidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// keepConsent stores that a tenant lets the application in. Nothing else of the directory
// changes.
func (a API) keepConsent(ctx context.Context, id directory.ID, tenant directory.Tenant) (kept directory.Directory, err error) {
	err = store.Contended(ctx, func() error {
		before, err := a.Store.Directory(ctx, id)
		if err != nil {
			return err
		}
		kept, err = a.Store.KeepDirectory(ctx, before, authorized(before.Described(tenant)), nil)
		return err
	})
	return kept, err
}

// stillRefused stores why the tenant of a directory that waits for its consent refuses us
// now. One that was active before is checked by a task, as after any refused token. What
// cannot be stored the next probe finds out.
func (a API) stillRefused(ctx context.Context, id directory.ID, tenant directory.Tenant, refusal error) {
	if !fault.Is(refusal, fault.Unauthorized) {
		return // an outage says nothing about consent
	}
	err := store.Contended(ctx, func() error {
		before, err := a.Store.Directory(ctx, id)
		if err != nil {
			return err
		}
		if before.TenantObject != "" {
			a.sendProbe(ctx, reconcile.Look(id))
			return nil
		}
		dir, _ := refusedBy(ctx, before.Allowed(tenant), refusal)
		_, err = a.Store.PutDirectory(ctx, unauthorized(refusedAgain(dir)))
		return err
	})
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("directory", string(id)).Msg("it could not be stored why the tenant refuses the application still")
	}
}
