package jumpcloud_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// serviceAccount is a simulator and a client of a service account with a client secret.
func serviceAccount(t *testing.T, edit func(*jumpcloud.Config)) (*jumpcloudtest.Simulator, *jumpcloud.Client, jumpcloudtest.Credential) {
	t.Helper()
	sim, _ := simulator(t)
	account, err := sim.AddServiceAccount("entrasync", jumpcloudtest.ClientSecret, "90 Days")
	if err != nil {
		t.Fatal(err)
	}
	config := jumpcloud.Config{APIURL: "http://sim/api", InsightsURL: "http://sim/insights/directory/v1", TokenURL: "http://sim/oauth2/token",
		ClientID: account.ClientID, ClientSecret: account.ClientSecret, Organization: jumpcloudtest.DefaultOrganizationID,
		HTTP: &http.Client{Transport: jumpcloudtest.Transport(sim)}}
	if edit != nil {
		edit(&config)
	}
	return sim, jumpcloud.NewClient(config), account
}

// signIns is how many access tokens were requested.
func signIns(sim *jumpcloudtest.Simulator) int { return sim.Counters().ByRoute["POST /oauth2/token"] }

// readOne sends one request and fails unless its result is of a kind; "" is success.
func readOne(t *testing.T, client *jumpcloud.Client, want fault.Kind) *fault.Error {
	t.Helper()
	_, err := client.User(t.Context(), "64a1b2c3d4e5f60718293a4b")
	if err != nil && fault.KindOf(err) == fault.NotFound {
		err = nil // JumpCloud answered
	}
	if err == nil && want == "" {
		return nil
	}
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("got %v, want kind %q", err, want)
		return &fault.Error{}
	}
	return fault.Of(err)
}

// One access token serves all requests until shortly before its end, however many are sent
// at once.
func TestAccessTokenIsSharedAndRefreshedInTime(t *testing.T) {
	for name, tc := range map[string]struct {
		life    time.Duration
		omitted bool
		lasts   time.Duration // how long one token is used
	}{
		"an hour":       {time.Hour, false, 59 * time.Minute},
		"a short one":   {40 * time.Second, false, 30 * time.Second},
		"not said":      {24 * time.Hour, true, 59 * time.Minute},
		"a long one":    {12 * time.Hour, false, 12*time.Hour - time.Minute},
		"a few seconds": {4 * time.Second, false, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client, _ := serviceAccount(t, nil)
				sim.Set(func(b *jumpcloudtest.Behaviour) { b.TokenLife, b.OmitTokenLife = tc.life, tc.omitted })
				sim.FailNext(jumpcloudtest.Fault{Path: "/oauth2/token", Delay: time.Second})
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() { readOne(t, client, "") })
				}
				all.Wait()
				time.Sleep(tc.lasts - 2*time.Second)
				readOne(t, client, "")
				if got := signIns(sim); got != 1 {
					t.Errorf("before its end: got %d tokens, want 1", got)
				}
				time.Sleep(2 * time.Second)
				readOne(t, client, "")
				if got := signIns(sim); got != 2 {
					t.Errorf("at its end: got %d tokens, want 2", got)
				}
				sim.Close()
			})
		})
	}
}

// An access token that JumpCloud refuses before its time is replaced once, also for a
// request that must not be repeated after a failure.
func TestARefusedAccessTokenIsReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, client, _ := serviceAccount(t, nil)
		readOne(t, client, "")
		time.Sleep(10 * time.Minute)
		sim.RevokeTokens()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { readOne(t, client, "") })
		}
		all.Wait()
		if got := signIns(sim); got != 2 {
			t.Errorf("got %d tokens after one was revoked, want 2", got)
		}
		time.Sleep(10 * time.Minute)
		sim.FailNext(jumpcloudtest.Fault{PathContains: "/systemusers", Status: 401, Times: 100})
		before := sim.Counters().Requests
		readOne(t, client, fault.Unauthorized)
		if got := sim.Counters().Requests - before; got != 3 || signIns(sim) != 3 {
			t.Errorf("got %d requests and %d tokens where JumpCloud refuses every one, want 3 and 3", got, signIns(sim))
		}
		for range 5 {
			readOne(t, client, fault.Unauthorized)
		}
		if got := signIns(sim); got != 3 {
			t.Errorf("got %d tokens within a minute, want no more than 3", got)
		}
		sim.Close()
	})
}

// The secret of a service account ends, is wrong, or was replaced.
func TestSecretsOfAServiceAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		edit  func(*jumpcloud.Config)
		sleep time.Duration
		kind  fault.Kind
		says  string
	}{
		"right":       {nil, 0, "", ""},
		"wrong":       {func(c *jumpcloud.Config) { c.ClientSecret = "canary-wrong" }, 0, fault.Unauthorized, "does not accept the client id and secret of the service account; make a new secret"},
		"another id":  {func(c *jumpcloud.Config) { c.ClientID = "sa-other" }, 0, fault.Unauthorized, "client id and secret"},
		"ended":       {nil, 91 * 24 * time.Hour, fault.Unauthorized, "client id and secret of the service account; make a new"},
		"known ended": {func(c *jumpcloud.Config) { c.ExpiresAt = time.Date(2000, 3, 31, 0, 0, 0, 0, time.UTC) }, 91 * 24 * time.Hour, fault.Unauthorized, "service account, which ended on 2000-03-31; make a new"},
		"no sign-in":  {func(c *jumpcloud.Config) { c.TokenURL = "http://sim/elsewhere" }, 0, fault.Invalid, "check the region"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client, account := serviceAccount(t, tc.edit)
				time.Sleep(tc.sleep)
				problem := readOne(t, client, tc.kind)
				if problem != nil && (!strings.Contains(problem.Message, tc.says) || strings.Contains(problem.Error(), account.ClientSecret) || strings.Contains(problem.Error(), "canary")) {
					t.Errorf("got %v, want %q and no secret", problem, tc.says)
				}
				sim.Close()
			})
		})
	}
}

// A sign-in that has trouble is tried again like every request, and not forever.
func TestTroubleOfTheSignIn(t *testing.T) {
	for name, tc := range map[string]struct {
		fault jumpcloudtest.Fault
		kind  fault.Kind
		tries int
	}{
		"throttled":        {jumpcloudtest.Fault{Status: 429, RetryAfter: "2"}, "", 2},
		"an outage":        {jumpcloudtest.Fault{Status: 503, Times: 3}, "", 4},
		"a longer outage":  {jumpcloudtest.Fault{Status: 503, Times: 9}, fault.Transient, 4},
		"a broken answer":  {jumpcloudtest.Fault{Status: 200, Body: `{"access_token":"a b"}`}, fault.Transient, 1},
		"a page":           {jumpcloudtest.Fault{Status: 200, Body: `<html>`}, fault.Transient, 1},
		"no answer":        {jumpcloudtest.Fault{Drop: true}, "", 2},
		"a redirect":       {jumpcloudtest.Fault{Status: 302}, fault.Invalid, 1},
		"a slow one":       {jumpcloudtest.Fault{Delay: time.Minute}, "", 2},
		"refused for good": {jumpcloudtest.Fault{Status: 400, Body: `{"error":"invalid_client"}`}, fault.Unauthorized, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim, client, _ := serviceAccount(t, nil)
				tc.fault.Path = "/oauth2/token"
				sim.FailNext(tc.fault)
				readOne(t, client, tc.kind)
				if got := signIns(sim); got != tc.tries {
					t.Errorf("got %d requests for a token, want %d", got, tc.tries)
				}
				sim.Mend()
				readOne(t, client, "")
				sim.Close()
			})
		})
	}
}

// Where JumpCloud takes no service account with a client secret, the message says what may
// help, and the scope.
func TestARouteThatTakesNoAccessToken(t *testing.T) {
	sim, client, _ := serviceAccount(t, nil)
	sim.Set(func(b *jumpcloudtest.Behaviour) { b.RefuseTokens = []string{"/api/v2/notifications"} })
	_, err := client.WebhookHealth(t.Context(), "64a1b2c3d4e5f60718293a4b")
	if f := fault.Of(err); f == nil || f.Kind != fault.Forbidden || !strings.Contains(f.Message, "takes no service account with a client secret") || !strings.HasSuffix(f.Message, "it needs the scope notifications.channels") {
		t.Errorf("got %v, want kind %s with what may help and the scope", err, fault.Forbidden)
	}
	readOne(t, client, "")
}

// A key of a service account is sent as any other key, until it ends.
func TestKeyOfAServiceAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, _ := simulator(t)
		account, err := sim.AddServiceAccount("entrasync", jumpcloudtest.APIKey, "30 Days")
		if err != nil || !strings.HasPrefix(account.APIKey, "jcs_") {
			t.Fatal(account.APIKey, err)
		}
		client := jumpcloud.NewClient(jumpcloud.Config{APIURL: "http://sim/api", APIKey: account.APIKey, Organization: jumpcloudtest.DefaultOrganizationID,
			ExpiresAt: account.ExpiresAt, HTTP: &http.Client{Transport: jumpcloudtest.Transport(sim)}})
		time.Sleep(29 * 24 * time.Hour)
		readOne(t, client, "")
		time.Sleep(2 * 24 * time.Hour)
		if problem := readOne(t, client, fault.Unauthorized); !strings.Contains(problem.Message, "API key, which ended on 2000-01-31; make a new key") {
			t.Errorf("got %q, want the day on which the key ended", problem.Message)
		}
		sim.Close()
	})
}

// JumpCloud says of the credentials of service accounts when they end, if it is allowed to.
func TestCredentialEnd(t *testing.T) {
	sim, byKey := simulator(t)
	add := func(authType, lifetime string) jumpcloudtest.Credential {
		t.Helper()
		made, err := sim.AddServiceAccount("account "+authType+lifetime, authType, lifetime)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	add(jumpcloudtest.ClientSecret, "365 Days")
	key, secret := add(jumpcloudtest.APIKey, "60 Days"), add(jumpcloudtest.ClientSecret, "90 Days")
	add(jumpcloudtest.APIKey, "30 Days")
	config := jumpcloud.Config{APIURL: "http://sim/api", TokenURL: "http://sim/oauth2/token", Organization: jumpcloudtest.DefaultOrganizationID,
		HTTP: &http.Client{Transport: jumpcloudtest.Transport(sim)}}
	ofKey, ofSecret := config, config
	ofKey.APIKey, ofSecret.ClientID, ofSecret.ClientSecret = key.APIKey, secret.ClientID, secret.ClientSecret
	for name, tc := range map[string]struct {
		client *jumpcloud.Client
		want   time.Time
	}{
		"an administrator's key": {byKey, time.Time{}}, "a key": {jumpcloud.NewClient(ofKey), key.ExpiresAt}, "a secret": {jumpcloud.NewClient(ofSecret), secret.ExpiresAt},
	} {
		got, err := tc.client.CredentialEnd(t.Context())
		if err != nil || got.Sub(tc.want).Abs() > time.Second {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, tc.want)
		}
	}
	if _, err := sim.AddCredential(secret.Account, "30 Days"); err != nil {
		t.Fatal(err)
	}
	if got, err := jumpcloud.NewClient(ofSecret).CredentialEnd(t.Context()); err != nil || !got.Before(secret.ExpiresAt.Add(-24*time.Hour)) {
		t.Errorf("one of two secrets: got %v, %v, want the earlier end", got, err)
	}
	sim.FailNext(jumpcloudtest.Fault{Path: "/api/v2/service-accounts", Status: 403})
	if _, err := jumpcloud.NewClient(ofKey).CredentialEnd(t.Context()); !fault.Is(err, fault.Forbidden) || !strings.Contains(fault.Of(err).Message, "serviceaccounts.readonly") {
		t.Errorf("without the scope: got %v, want kind %s and the scope", err, fault.Forbidden)
	}
}

// Neither the secret nor an access token is in an error or in what a format shows.
func TestNoErrorShowsTheServiceAccountsSecrets(t *testing.T) {
	const canary, issued = "canary-client-secret-0123456789", "canary-access-token-0123456789"
	answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth2/token" {
			fmt.Fprintf(w, `{"access_token":%q,"expires_in":"3600"}`, issued)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message":"got %s and %s"}`, r.Header.Get("Authorization"), canary)
	})
	repeats := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"got %s"}`, r.Header.Get("Authorization"))
	})
	for name, handler := range map[string]http.Handler{"an API": answers, "a sign-in": repeats} {
		config := jumpcloud.Config{APIURL: "http://sim/api", TokenURL: "http://sim/oauth2/token", ClientID: "id", ClientSecret: canary,
			HTTP: &http.Client{Transport: jumpcloudtest.Transport(handler)}}
		client := jumpcloud.NewClient(config)
		_, err := client.User(t.Context(), "64a1b2c3d4e5f60718293a4b")
		if err == nil {
			t.Fatalf("%s: got no error, want one", name)
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", fault.Of(err).Err), fmt.Sprintf("%v %+v %#v", client, client, client), fmt.Sprintf("%v %+v %#v", config, config, config)} {
			if strings.Contains(text, canary) || strings.Contains(text, issued) || strings.Contains(text, "aWQ6Y2FuYXJ5") {
				t.Errorf("%s: got a secret in %q, want none", name, text)
			}
		}
	}
}
