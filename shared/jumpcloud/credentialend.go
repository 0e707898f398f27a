package jumpcloud

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"entrasync/shared/directory"
)

// accountService are the service accounts. Their list has no credentials; those are shown
// of one account alone (JumpCloud API documentation, service accounts).
const accountService = "/v2/service-accounts"

// shownKey is how many characters of a service account's key JumpCloud shows
// (jumpcloud.service_accounts.ApiKeyConfig).
const shownKey = 8

// accountExpired is the status of a credential that has ended; it is not the one in use.
const accountExpired = "EXPIRED"

// credentialPatience is how long JumpCloud is asked for the end of a credential: it is
// good to know, and nobody shall wait for it.
const credentialPatience = 5 * time.Second

// maxAccounts is how many service accounts are searched (assumed: nobody has so many).
const maxAccounts = 100

// CredentialEnd is when the client's own credential ends; zero if JumpCloud does not say
// it: of an administrator's key it never does, and for others the service account needs
// the scope serviceaccounts.readonly. The end is the same as long as the credential is
// used, because JumpCloud can only make another one. Where several keys begin alike, it is
// the earliest end, so that no warning comes late.
func (c *Client) CredentialEnd(ctx context.Context) (time.Time, error) {
	ours := c.ownConfig()
	if ours == nil {
		return time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, credentialPatience)
	defer cancel()
	what := call{op: "jumpcloud.read service accounts", subject: string(c.organization), url: c.api + accountService}
	var accounts []object
	err := c.eachPage(ctx, what, url.Values{}, (*Client).wrappedList, func(_ int, p page) error {
		for _, raw := range p.elements {
			accounts = append(accounts, objectOf(raw))
		}
		return nil
	})
	if err != nil {
		return time.Time{}, needing("serviceaccounts.readonly", err)
	}
	var end time.Time
	for _, account := range accounts[:min(len(accounts), maxAccounts)] {
		found, err := c.accountEnd(ctx, account.text("objectId"), ours)
		if err != nil {
			return time.Time{}, err
		}
		if !found.IsZero() && (end.IsZero() || found.Before(end)) {
			end = found
		}
	}
	return end, nil
}

// ownConfig recognizes the client's own credential among those of a service account; nil
// if it has none of a service account.
func (c *Client) ownConfig() func(object) (object, bool) {
	if c.tokens != nil {
		id := c.tokens.clientID
		return func(config object) (object, bool) {
			secret := objectOf(config["clientSecretConfig"])
			return secret, id != "" && secret.text("clientId") == id
		}
	}
	key := c.key()
	if directory.KeyKind(key) != directory.ServiceAccountKey || len(key) < shownKey {
		return nil
	}
	return func(config object) (object, bool) {
		shown := objectOf(config["apiKeyConfig"])
		return shown, shown.text("apiKeyPrefix") == key[:shownKey]
	}
}

// accountEnd is when the client's own credential ends, if it is one of the service
// account's; else zero. A client id can have two secrets, and JumpCloud does not say which
// one is used.
func (c *Client) accountEnd(ctx context.Context, id string, ours func(object) (object, bool)) (end time.Time, err error) {
	if !directory.IsJumpCloudID(id) {
		return time.Time{}, nil
	}
	what := call{op: "jumpcloud.read service account", subject: id, method: http.MethodGet, url: c.api + accountService + "/" + id}
	got, err := c.do(ctx, what)
	if err != nil {
		return time.Time{}, err
	}
	var account object
	if err := decode(what, got.body, &account); err != nil {
		return time.Time{}, err
	}
	for _, config := range account.objects("authConfigList") {
		config, is := ours(config)
		if !is || config.text("status") == accountExpired {
			continue
		}
		if at := timeOf(config.text("expiresAt")); !at.IsZero() && (end.IsZero() || at.Before(end)) {
			end = at
		}
	}
	return end, nil
}
