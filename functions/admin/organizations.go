package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/mail"
	"entrasync/shared/secret"
	"entrasync/shared/store"
)

// Organizations reads organizations from JumpCloud.
type Organizations interface {
	// CheckKey reads the organization with a credential that is not stored yet, and
	// returns the organization's name in JumpCloud, and when the credential ends if
	// JumpCloud says it. If the credential does not work, it returns a fault of kind
	// Unauthorized or Forbidden.
	CheckKey(ctx context.Context, o directory.Organization, credential secret.JumpCloud) (name string, ends time.Time, err error)
}

// organizations registers the operations on organizations.
func (a API) organizations(on huma.API) {
	huma.Register(on, api.Operation("createOrganization", http.MethodPost, api.OrganizationsPath, "Serve one more JumpCloud organization", http.StatusCreated, http.StatusConflict, http.StatusBadGateway), a.createOrganization)
	huma.Register(on, api.Operation("listOrganizations", http.MethodGet, api.OrganizationsPath, "The JumpCloud organizations served", http.StatusOK),
		func(ctx context.Context, in *api.Paging) (*api.Answer[api.Page[OrganizationView]], error) {
			list, err := a.Store.Organizations(ctx, in.Limit, in.Cursor)
			if err != nil {
				return nil, api.Refuse(err, "query.cursor", in.Cursor)
			}
			views := make([]OrganizationView, len(list.Items))
			for i, o := range list.Items {
				views[i] = viewOfOrganization(o)
			}
			return &api.Answer[api.Page[OrganizationView]]{Body: api.Page[OrganizationView]{Items: views, Cursor: list.Cursor}}, nil
		})
	huma.Register(on, api.Operation("getOrganization", http.MethodGet, api.OrganizationsPath+"/{id}", "One organization, and how the catch-up with its events goes", http.StatusOK, http.StatusNotFound),
		func(ctx context.Context, in *OrganizationPath) (*api.Answer[organizationDetail], error) {
			o, err := a.organization(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			view := organizationDetail{OrganizationView: viewOfOrganization(o)}
			if view.CatchUp, err = a.catchUp(ctx, o.ID); err != nil {
				return nil, api.Refuse(err, "", nil)
			}
			return &api.Answer[organizationDetail]{Body: view}, nil
		})
	huma.Register(on, api.Operation("updateOrganization", http.MethodPatch, api.OrganizationsPath+"/{id}", "Change the name, or replace the credential for JumpCloud or the webhook tokens", http.StatusOK, http.StatusNotFound, http.StatusConflict, http.StatusBadGateway), a.updateOrganization)
}

// OrganizationPath names an organization.
type OrganizationPath struct {
	ID string `path:"id"`
}

// organization reads the organization that a path names.
func (a API) organization(ctx context.Context, id string) (directory.Organization, error) {
	o, err := a.Store.Organization(ctx, directory.OrganizationID(id))
	if err != nil {
		return o, api.Refuse(err, "path.id", id)
	}
	return o, nil
}

// newOrganization is the body that adds an organization.
type newOrganization struct {
	ID     string `json:"id" doc:"The id of the organization in JumpCloud"`
	Name   string `json:"name,omitempty" maxLength:"200" doc:"Missing or empty: its name in JumpCloud"`
	Region string `json:"region,omitempty" enum:"us,eu,in" default:"us" doc:"Where JumpCloud keeps the organization"`
	CredentialBody
	WebhookTokens []string `json:"webhookTokens,omitempty" maxItems:"2" doc:"What the notification channel presents; missing or empty: one is made up and shown in this answer only"`
}

// createdOrganization is the answer to it.
type createdOrganization struct {
	OrganizationView
	WebhookToken string `json:"webhookToken,omitempty" doc:"The token that was made up, if none was given. It is not shown again"`
}

// createOrganization checks the credential and stores the organization, then its secrets.
func (a API) createOrganization(ctx context.Context, in *struct{ Body newOrganization }) (*api.Answer[createdOrganization], error) {
	if api.NotAnOrganization(in.Body.ID) != "" {
		return nil, api.Refuse(fault.New(fault.Invalid, "admin.create organization", "id must be that of an organization in JumpCloud, which is 24 hex digits"), "body.id", nil)
	}
	api.Concerns(ctx).Organization = directory.OrganizationID(in.Body.ID)
	o := directory.Organization{ID: directory.OrganizationID(in.Body.ID), Name: in.Body.Name, Region: directory.Region(in.Body.Region), CreatedAt: time.Now().UTC()}
	if o.Region == "" {
		o.Region = directory.US
	}
	if _, err := a.Store.Organization(ctx, o.ID); !fault.Is(err, fault.NotFound) {
		if err == nil {
			err = fault.New(fault.Conflict, "admin.create organization", "the organization "+in.Body.ID+" is served already: PATCH it")
		}
		return nil, api.Refuse(err, "body.id", in.Body.ID)
	}
	if err := checkTokens(in.Body.WebhookTokens); err != nil {
		return nil, err
	}
	if err := in.Body.checkEnd(); err != nil {
		return nil, err
	}
	credential, err := in.Body.credential()
	if err == nil && credential == nil {
		err = noCredential()
	}
	if err != nil {
		return nil, err
	}
	name, err := a.checkKey(ctx, &o, *credential, in.Body.CredentialsExpireAt)
	if err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = name
	}
	created := createdOrganization{OrganizationView: viewOfOrganization(o)}
	tokens := in.Body.WebhookTokens
	if len(tokens) == 0 {
		created.WebhookToken = rand.Text()
		tokens = []string{created.WebhookToken}
	}
	// The record is written first: of two requests at once only one can create it, and
	// only that one writes the secrets.
	if err := a.Store.CreateOrganization(ctx, o); err != nil {
		return nil, api.Refuse(err, "body.id", in.Body.ID)
	}
	if err := a.putSecrets(ctx, o.ID, credential, tokens); err != nil {
		f := fault.Of(err)
		return nil, api.Refuse(&fault.Error{Op: f.Op, Kind: f.Kind, Err: err, Message: "the organization is kept, but " + f.Message + "; PATCH what is missing"}, f.Subject, nil)
	}
	return &api.Answer[createdOrganization]{Body: created}, nil
}

// tokenPattern is the form of a webhook token. It is long, because the token is the
// only proof of where a request comes from and must not be guessed. It has only the
// characters of a bearer token (RFC 6750).
var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]{16,1000}$`)

// checkTokens refuses tokens that do not match tokenPattern.
func checkTokens(tokens []string) error {
	if at := slices.IndexFunc(tokens, func(t string) bool { return !tokenPattern.MatchString(t) }); at >= 0 {
		return api.Refuse(fault.New(fault.Invalid, "admin.check tokens", "a webhook token has 16 to 1,000 letters, digits or characters of -._~+/=: it is all that proves where a request comes from"), fmt.Sprintf("body.webhookTokens[%d]", at), nil)
	}
	return nil
}

// organizationPatch changes an organization.
type organizationPatch struct {
	Name   *string  `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Notify []string `json:"notify,omitempty" maxItems:"10" doc:"The e-mail addresses that hear of the end of an import, unless others are named; empty: nobody"`
	CredentialBody
	WebhookTokens []string `json:"webhookTokens,omitempty" minItems:"1" maxItems:"2" doc:"All tokens that are valid from now on: the new one first, and the old one as long as JumpCloud still sends it. Of two requests at once the later one counts, as a whole"`
	// noEnd says that the end of the credential is to be forgotten.
	noEnd bool
}

// updateOrganization changes the fields that the patch has.
func (a API) updateOrganization(ctx context.Context, in *struct {
	OrganizationPath
	Body    organizationPatch
	RawBody []byte
}) (*api.Answer[OrganizationView], error) {
	if err := api.MustRemoveNothing(in.RawBody, expiryField); err != nil {
		return nil, err
	}
	if err := in.Body.checkEnd(); err != nil {
		return nil, err
	}
	in.Body.noEnd = api.Removes(in.RawBody, expiryField)
	o, err := a.organization(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	for i, address := range in.Body.Notify {
		if _, err := mail.ParseAddress(address); err != nil {
			return nil, api.Refuse(err, fmt.Sprintf("body.notify[%d]", i), nil)
		}
	}
	if err := served(o, "path.id"); err != nil {
		return nil, err
	}
	replaced, err := a.replaceSecrets(ctx, o, in.Body)
	if err != nil {
		return nil, err
	}
	if replaced != nil {
		if err := a.Store.TryCatchUp(ctx, o.ID); err != nil { // it tries by itself within an hour
			zerolog.Ctx(ctx).Warn().Err(err).Msg("the catch-up does not try the new key at once")
		}
		a.probeKey(ctx, o.ID)
	}
	err = store.Contended(ctx, func() error {
		before, err := a.Store.Organization(ctx, o.ID)
		if err != nil {
			return err
		}
		if o = in.Body.applied(before, replaced); reflect.DeepEqual(before, o) {
			return nil
		}
		return a.Store.PutOrganization(ctx, o)
	})
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &api.Answer[OrganizationView]{Body: viewOfOrganization(o)}, nil
}

// applied is the organization after the patch. replaced is it with the credential of the
// patch, if that has one.
func (p organizationPatch) applied(o directory.Organization, replaced *directory.Organization) directory.Organization {
	switch {
	case replaced != nil:
		o.CredentialKind, o.CredentialsExpireAt = replaced.CredentialKind, replaced.CredentialsExpireAt
	case p.noEnd:
		o.CredentialsExpireAt = nil
	case p.CredentialsExpireAt != nil:
		o.CredentialsExpireAt = utc(*p.CredentialsExpireAt)
	}
	if p.Notify != nil {
		o.Notify = p.Notify
	}
	if p.Name != nil {
		o.Name = *p.Name
	}
	return o
}

// replaceSecrets checks and stores the secrets that a patch has. If it has a credential
// for JumpCloud, replaced is the organization with it.
func (a API) replaceSecrets(ctx context.Context, o directory.Organization, patch organizationPatch) (replaced *directory.Organization, err error) {
	credential, err := patch.credential()
	if err != nil || credential == nil && patch.WebhookTokens == nil {
		return nil, err
	}
	if err := checkTokens(patch.WebhookTokens); err != nil {
		return nil, err
	}
	if credential != nil {
		if _, err := a.checkKey(ctx, &o, *credential, patch.CredentialsExpireAt); err != nil {
			return nil, err
		}
		replaced = &o
	}
	if err := a.putSecrets(ctx, o.ID, credential, patch.WebhookTokens); err != nil {
		return nil, api.Refuse(err, fault.Of(err).Subject, nil)
	}
	return replaced, nil
}

// putSecrets stores a credential for JumpCloud and tokens, each if given. It reads neither
// before, so a request for the credential and one for the tokens do not conflict; of two requests for the
// same secret the later one wins. The fault says which secret is stored and which is
// not, and its subject is the field.
func (a API) putSecrets(ctx context.Context, id directory.OrganizationID, credential *secret.JumpCloud, tokens []string) error {
	var kept, lost []string
	var failed *fault.Error
	put := func(name, field string, err error) {
		if err == nil {
			kept = append(kept, name)
			return
		}
		lost = append(lost, name)
		if failed == nil {
			failed = &fault.Error{Op: "admin.put secrets", Kind: fault.KindOf(err), Subject: "body." + field, Message: fault.Of(err).Message, Err: err}
		}
	}
	if credential != nil {
		name := "the API key"
		if credential.APIKey == "" {
			name = "the client secret"
		}
		put(name, fieldOf(*credential), a.Secrets.PutJumpCloud(ctx, id, *credential))
	}
	if tokens != nil {
		put("the webhook tokens", "webhookTokens", a.Secrets.PutWebhookTokens(ctx, id, tokens))
	}
	if failed == nil {
		return nil
	}
	message := strings.Join(lost, " and ") + " could not be kept"
	if len(kept) > 0 {
		message += ", " + kept[0] + " could"
	}
	if failed.Message != "" {
		message += ": " + failed.Message
	}
	failed.Message = message
	return failed
}
