package jumpcloudtest

import (
	"net/http"
	"strings"
	"time"
)

// The authentication types of a service account (JumpCloud API documentation, AuthType).
const (
	ClientSecret = "CLIENT_SECRET"
	APIKey       = "API_KEY"
)

// lifetimes are how long a credential can last, and no other time (JumpCloud API
// documentation, ClientSecretConfigParam).
var lifetimes = map[string]int{"30 Days": 30, "60 Days": 60, "90 Days": 90, "365 Days": 365}

const (
	maxSecrets   = 2 // of one service account (reports of others)
	shownOfKey   = 8 // characters of a key that are shown later (JumpCloud API documentation, ApiKeyConfig)
	secretLength = 40
	secretLetter = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"

	// assumedExpiring is how long before its end a credential has the status EXPIRING.
	assumedExpiring = 14 * 24 * time.Hour
	assumedRoleID   = "60aa11bb22cc33dd44ee5500"
)

// Credential is a credential of a service account as it is shown once: a client id with a
// secret, or a key.
type Credential struct {
	Account, ID            string
	ClientID, ClientSecret string
	APIKey                 string
	ExpiresAt              time.Time
}

func (s *Simulator) serviceAccountEndpoints() []endpoint {
	const all, one, secrets = "/service-accounts", "/service-accounts/{service_account_id}", "/service-accounts/{service_account_id}/auth-config"
	return []endpoint{
		{api: v2, method: http.MethodGet, path: all, serve: s.listServiceAccounts},
		{api: v2, method: http.MethodPost, path: all, serve: s.postServiceAccount},
		{api: v2, method: http.MethodGet, path: one, serve: s.getServiceAccount},
		{api: v2, method: http.MethodDelete, path: one, serve: s.deleteServiceAccount},
		{api: v2, method: http.MethodPost, path: secrets, serve: s.postCredential},
		{api: v2, method: http.MethodDelete, path: secrets + "/{auth_config_id}", serve: s.deleteCredential},
	}
}

// AddServiceAccount adds a service account of a type with one credential. A lifetime is
// "30 Days", "60 Days", "90 Days" or "365 Days".
func (s *Simulator) AddServiceAccount(name, authType, lifetime string) (Credential, error) {
	var made Credential
	err := s.do(func(tx *tx) error {
		id := tx.newID()
		tx.put(kindServiceAccount, id, Fields{"objectId": id, "name": name, "authType": authType, "roleId": assumedRoleID,
			"orgId": s.organization, "createdAt": timestamp(tx.now), "authConfigList": []any{}})
		var err error
		made, err = tx.addCredential(id, lifetime)
		return err
	})
	return made, err
}

// AddCredential adds another credential to a service account.
func (s *Simulator) AddCredential(account, lifetime string) (made Credential, err error) {
	err = s.do(func(tx *tx) error {
		made, err = tx.addCredential(account, lifetime)
		return err
	})
	return made, err
}

// RevokeTokens makes all access tokens invalid before their time.
func (s *Simulator) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// addCredential adds a credential to a service account. Client secrets of one account
// share its client id (assumed).
func (tx *tx) addCredential(account, lifetime string) (Credential, error) {
	object := copyOf(tx.get(kindServiceAccount, account))
	days, known := lifetimes[lifetime]
	configs, _ := object["authConfigList"].([]any)
	switch {
	case object == nil:
		return Credential{}, notFound("service account", account)
	case !known:
		return Credential{}, refuse(http.StatusBadRequest, "lifetime must be 30, 60, 90 or 365 Days")
	case len(configs) >= maxSecrets:
		return Credential{}, refuse(http.StatusBadRequest, "a service account has at most two secrets")
	}
	made := Credential{Account: account, ID: tx.newID(), ExpiresAt: tx.now.AddDate(0, 0, days)}
	config := Fields{"objectId": made.ID, "createdAt": timestamp(tx.now), "expiresAt": timestamp(made.ExpiresAt), "lifetime": lifetime,
		"createdBy": Fields{"id": assumedAdminID, "name": assumedAdminEmail, "type": "ADMIN"}}
	entry := Fields{"authType": object.Text("authType")}
	switch object.Text("authType") {
	case ClientSecret:
		made.ClientID, made.ClientSecret = "sa-"+account, tx.s.randomText()
		config["clientId"], entry["clientSecretConfig"] = made.ClientID, config
		tx.put(kindSecret, made.ID, Fields{"secret": made.ClientSecret})
	case APIKey:
		made.APIKey = "jcs_" + tx.s.randomText()
		config["apiKeyPrefix"], entry["apiKeyConfig"] = made.APIKey[:shownOfKey], config
		tx.put(kindSecret, made.ID, Fields{"secret": made.APIKey})
	default:
		return Credential{}, refuse(http.StatusBadRequest, "authType must be CLIENT_SECRET or API_KEY")
	}
	object["authConfigList"] = append(configs, entry)
	tx.put(kindServiceAccount, account, object)
	return made, nil
}

// randomText is a secret. The caller has the lock.
func (s *Simulator) randomText() string {
	text := make([]byte, secretLength)
	for i := range text {
		text[i] = secretLetter[s.random.IntN(len(secretLetter))]
	}
	return string(text)
}

// configOf is the configuration in an entry of authConfigList.
func configOf(entry any) Fields {
	fields, _ := entry.(map[string]any)
	for _, name := range []string{"clientSecretConfig", "apiKeyConfig"} {
		if config, is := fields[name].(map[string]any); is {
			return config
		}
	}
	return nil
}

// endOf is when a configuration ends.
func endOf(config Fields) time.Time {
	end, err := time.Parse(time.RFC3339, config.Text("expiresAt"))
	if err != nil {
		return time.Time{}
	}
	return end
}

// statusAt is the status of a credential that ends at a time.
func statusAt(end, now time.Time) string {
	switch {
	case !now.Before(end):
		return "EXPIRED"
	case !now.Before(end.Add(-assumedExpiring)):
		return "EXPIRING"
	default:
		return "ACTIVE"
	}
}

// shownAccount is a service account with the statuses of this moment. It ends with its
// last credential (assumed).
func shownAccount(object Fields, now time.Time) Fields {
	shown := copyOf(object)
	var last time.Time
	configs, _ := shown["authConfigList"].([]any)
	for _, entry := range configs {
		config := configOf(entry)
		end := endOf(config)
		config["status"] = statusAt(end, now)
		if end.After(last) {
			last = end
		}
	}
	shown["expiresAt"], shown["status"] = timestamp(last), statusAt(last, now)
	return shown
}

// listServiceAccounts lists the accounts without their credentials.
func (s *Simulator) listServiceAccounts(r *request) (reply, error) {
	skip, limit, err := page(r.URL.Query(), namedLimit)
	if err != nil {
		return reply{}, err
	}
	var all []Fields
	for _, object := range s.objects(kindServiceAccount) {
		shown := shownAccount(object, time.Now())
		delete(shown, "authConfigList")
		all = append(all, shown)
	}
	return ok(counted(r, Fields{"results": cut(all, skip, limit)}, "totalCount", len(all)))
}

func (s *Simulator) getServiceAccount(r *request) (reply, error) {
	id := r.PathValue("service_account_id")
	object := s.object(kindServiceAccount, id)
	if object == nil {
		return reply{}, notFound("service account", id)
	}
	return ok(shownAccount(object, time.Now()))
}

// lifetimeOf reads type and lifetime of authConfig in a body.
func lifetimeOf(body Fields) (authType, lifetime string) {
	given, _ := body["authConfig"].(map[string]any)
	authType = Fields(given).Text("authType")
	name := map[string]string{ClientSecret: "clientSecretConfig", APIKey: "apiKeyConfig"}[authType]
	config, _ := given[name].(map[string]any)
	return authType, Fields(config).Text("lifetime")
}

// withSecret is a configuration as it is shown once.
func withSecret(object Fields, made Credential) Fields {
	configs, _ := object["authConfigList"].([]any)
	for _, entry := range configs {
		config := configOf(entry)
		if config.Text("objectId") != made.ID {
			continue
		}
		if made.APIKey != "" {
			config["apiKey"] = made.APIKey
		} else {
			config["clientSecret"] = made.ClientSecret
		}
		shown, _ := entry.(map[string]any)
		return shown
	}
	return nil
}

func (s *Simulator) postServiceAccount(r *request) (reply, error) {
	authType, lifetime := lifetimeOf(r.fields())
	made, err := s.AddServiceAccount(r.fields().Text("name"), authType, lifetime)
	if err != nil {
		return reply{}, err
	}
	shown := shownAccount(s.object(kindServiceAccount, made.Account), time.Now())
	withSecret(shown, made)
	return created(Fields{"serviceAccount": shown})
}

func (s *Simulator) postCredential(r *request) (reply, error) {
	id := r.PathValue("service_account_id")
	_, lifetime := lifetimeOf(r.fields())
	made, err := s.AddCredential(id, lifetime)
	if err != nil {
		return reply{}, err
	}
	return created(Fields{"authConfig": withSecret(shownAccount(s.object(kindServiceAccount, id), time.Now()), made)})
}

func (s *Simulator) deleteCredential(r *request) (reply, error) {
	account, id := r.PathValue("service_account_id"), r.PathValue("auth_config_id")
	err := s.change(byAPI, func(tx *tx) error {
		object := copyOf(tx.get(kindServiceAccount, account))
		configs, _ := object["authConfigList"].([]any)
		for i, entry := range configs {
			if configOf(entry).Text("objectId") == id {
				object["authConfigList"] = append(configs[:i:i], configs[i+1:]...)
				tx.put(kindServiceAccount, account, object)
				tx.put(kindSecret, id, nil)
				return nil
			}
		}
		return notFound("auth config", id)
	})
	return reply{status: http.StatusOK, body: Fields{}}, err
}

func (s *Simulator) deleteServiceAccount(r *request) (reply, error) {
	id := r.PathValue("service_account_id")
	err := s.change(byAPI, func(tx *tx) error {
		object := tx.get(kindServiceAccount, id)
		if object == nil {
			return notFound("service account", id)
		}
		configs, _ := object["authConfigList"].([]any)
		for _, entry := range configs {
			tx.put(kindSecret, configOf(entry).Text("objectId"), nil)
		}
		tx.put(kindServiceAccount, id, nil)
		return nil
	})
	return reply{status: http.StatusOK, body: Fields{}}, err
}

// holdsCredential reports whether a service account has a credential that has not ended:
// a key, or a secret with its client id.
func (s *Simulator) holdsCredential(authType, clientID, secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, account := range s.store.all(kindServiceAccount) {
		configs, _ := account["authConfigList"].([]any)
		for _, entry := range configs {
			config := configOf(entry)
			if account.Text("authType") == authType && config.Text("clientId") == clientID && now.Before(endOf(config)) &&
				s.store.get(kindSecret, config.Text("objectId")).Text("secret") == secret {
				return true
			}
		}
	}
	return false
}

// tokenPath is the path of JumpCloud's sign-in.
const tokenPath = "/oauth2/token"

// signIn answers a request for an access token (OAuth 2.0, RFC 6749 section 4.4). The
// texts are those of the RFC; JumpCloud publishes none.
func (s *Simulator) signIn(w http.ResponseWriter, r *http.Request) {
	fault := s.arrived(r, endpoint{method: http.MethodPost, path: tokenPath})
	if fault != nil {
		if !wait(r.Context(), fault.Delay) || s.goWrong(w, fault, v1) {
			return
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	refused := func(status int, code string) {
		write(w, reply{status: status, body: Fields{"error": code, "error_description": "refused"}})
	}
	id, secret, basic := r.BasicAuth()
	switch {
	case r.ParseForm() != nil || r.PostForm.Get("scope") != "api":
		refused(http.StatusBadRequest, "invalid_scope")
	case r.PostForm.Get("grant_type") != "client_credentials":
		refused(http.StatusBadRequest, "unsupported_grant_type")
	case !basic || id == "" || !s.holdsCredential(ClientSecret, id, secret):
		refused(http.StatusUnauthorized, "invalid_client")
	default:
		write(w, reply{status: http.StatusOK, body: s.newToken()})
	}
}

// newToken makes an access token.
func (s *Simulator) newToken() Fields {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := "jct_" + s.randomText()
	s.tokens[token] = time.Now().Add(s.behaviour.TokenLife)
	answer := Fields{"access_token": token, "token_type": "bearer", "scope": "api"}
	if !s.behaviour.OmitTokenLife {
		answer["expires_in"] = int(s.behaviour.TokenLife.Seconds())
	}
	return answer
}

// authenticate checks the key or the access token of a request.
func (s *Simulator) authenticate(r *http.Request, e endpoint) error {
	unauthorized := refuse(http.StatusUnauthorized, "Unauthorized")
	if key := r.Header.Get("x-api-key"); key != "" {
		if key == s.key || s.holdsCredential(APIKey, "", key) {
			return nil
		}
		return unauthorized
	}
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	end, known := s.tokens[token]
	switch {
	case !isBearer || !known || !time.Now().Before(end):
		return unauthorized
	case s.behaviour.takesNoToken(e):
		return refuse(http.StatusForbidden, "Forbidden")
	default:
		return nil
	}
}
