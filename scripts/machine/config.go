package machine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Config is what one machine runs with: the variables of the local runner.
type Config struct {
	Addr         string // where webhook and API listen
	PublicURL    string // where others reach them; "" for http:// and Addr
	Data         string // the folder for everything that is kept
	AdminToken   string // bearer token of the API; "" for one that is made up and kept
	WebhookToken string // the secret JumpCloud sends, two separated by a comma while one is being replaced; "" for one that is made up and kept

	CatchUpEvery string // how often the feed of JumpCloud is read
	ResyncEvery  string // the time between two resyncs of a directory

	JumpCloudAPI      string // root of v1
	JumpCloudInsights string
	JumpCloudKey      string
	KeyFrom           string // where the key comes from, in words; "" for its variable
	// The client credentials of a service account, instead of a key, and where it gets its
	// access tokens; "" for JumpCloud's own address.
	JumpCloudClientID     string
	JumpCloudClientSecret string
	JumpCloudToken        string
	JumpCloudExpiresAt    string // when the key or the client secret ends; "" if that is not known
	Organization          directory.OrganizationID

	GraphURL     string
	LoginURL     string
	ClientID     string
	ClientSecret string
	// EntraExpiresAt is when the client secret for Entra ends; "" if that is not known.
	EntraExpiresAt string

	// Simulate starts a simulator for each outside system without an address, and gives
	// the config the addresses. stop ends them, and is not nil even beside an error. The
	// config has everything else by then, also what the simulators accept as key and
	// secret. Nil if every outside system is named.
	Simulate func(c *Config) (stop func() error, err error)
}

// variable is one environment variable of the runner.
type variable struct {
	name     string
	fallback string // what it has if it is not set
	meaning  string // for the help
	example  string // of its value, and never that of another system; "" where the fallback is one
	into     func(*Config) *string
	check    func(Config, string) string // what is wrong with a value; "" if nothing is
}

// Names of variables that messages mention.
const (
	addrVariable     = "ENTRASYNC_ADDR"
	publicVariable   = "ENTRASYNC_PUBLIC_URL"
	dataVariable     = "ENTRASYNC_DATA"
	adminVariable    = "ENTRASYNC_ADMIN_TOKEN"
	webhookVariable  = "ENTRASYNC_WEBHOOK_TOKEN"
	resyncVariable   = "ENTRASYNC_RESYNC_EVERY"
	catchUpVariable  = "ENTRASYNC_CATCHUP_EVERY"
	apiVariable      = "JUMPCLOUD_API_URL"
	insightsVariable = "JUMPCLOUD_INSIGHTS_URL"
	keyVariable      = "JUMPCLOUD_API_KEY"
	orgVariable      = "JUMPCLOUD_ORG_ID"
	graphVariable    = "GRAPH_URL"
	loginVariable    = "ENTRA_LOGIN_URL"
	clientVariable   = "ENTRA_CLIENT_ID"
	secretVariable   = "ENTRA_CLIENT_SECRET"

	jumpCloudClientVariable = "JUMPCLOUD_CLIENT_ID"
	jumpCloudSecretVariable = "JUMPCLOUD_CLIENT_SECRET"
	jumpCloudTokenVariable  = "JUMPCLOUD_TOKEN_URL"
	jumpCloudEndVariable    = "JUMPCLOUD_CREDENTIAL_EXPIRES_AT"
	entraEndVariable        = "ENTRA_CREDENTIAL_EXPIRES_AT"
)

// tokenExample makes a token.
const tokenExample = "what `openssl rand -hex 24` prints"

// variables are all of them, in the order in which they are shown.
var variables = []variable{
	{addrVariable, "127.0.0.1:8080", "where webhook and API listen; the simulators take the next two ports, or any free ones", "",
		func(c *Config) *string { return &c.Addr }, checkAddress},
	{publicVariable, "", "where browsers reach them, for the links in mails and the way back from Entra's consent page; not set: http:// and " + addrVariable, "https://entrasync.example.com",
		func(c *Config) *string { return &c.PublicURL }, checkURL},
	{dataVariable, ".local", "the folder for table, queues, tokens, copies of the table, and what the simulators know", "",
		func(c *Config) *string { return &c.Data }, nil},
	{adminVariable, "", "bearer token of the API; not set: made up at the first start, kept in secrets.json and printed", tokenExample,
		func(c *Config) *string { return &c.AdminToken }, checkToken},
	{webhookVariable, "", "the secret JumpCloud sends, two separated by a comma while one is being replaced; not set: as above", tokenExample,
		func(c *Config) *string { return &c.WebhookToken }, checkWebhookTokens},
	{resyncVariable, "24h", "the time after which everything in a directory is compared again with JumpCloud and Entra", "",
		func(c *Config) *string { return &c.ResyncEvery }, checkEvery},
	{catchUpVariable, "1m", "how often JumpCloud's events are read for those whose webhook did not come", "",
		func(c *Config) *string { return &c.CatchUpEvery }, checkEvery},
	{apiVariable, "", "root of JumpCloud's API v1; not set: a simulator runs", "https://console.jumpcloud.com/api",
		func(c *Config) *string { return &c.JumpCloudAPI }, checkURL},
	{insightsVariable, "", "root of Directory Insights", "https://api.jumpcloud.com/insights/directory/v1",
		func(c *Config) *string { return &c.JumpCloudInsights }, checkURL},
	{keyVariable, "", "API key of an administrator or service account; needed with " + apiVariable, "jca_…",
		func(c *Config) *string { return &c.JumpCloudKey }, checkSecret},
	{jumpCloudClientVariable, "", "client id of a service account, instead of " + keyVariable, "what JumpCloud shows with the secret",
		func(c *Config) *string { return &c.JumpCloudClientID }, checkSecret},
	{jumpCloudSecretVariable, "", "client secret of the service account; needed with " + jumpCloudClientVariable, "what JumpCloud shows once",
		func(c *Config) *string { return &c.JumpCloudClientSecret }, checkSecret},
	{jumpCloudTokenVariable, "", "where the service account gets its access tokens; not set: JumpCloud's own address", "https://admin-oauth.id.jumpcloud.com/oauth2/token",
		func(c *Config) *string { return &c.JumpCloudToken }, checkURL},
	{jumpCloudEndVariable, "", "when the key or the client secret for JumpCloud ends; not set: nobody is warned, unless PATCH /v1/organizations/{id} gives it", "2027-03-01T00:00:00Z",
		func(c *Config) *string { return &c.JumpCloudExpiresAt }, checkEnd},
	{orgVariable, "", "the organization's id, 24 hex digits; needed with " + apiVariable, "5f0c1e2d3a4b5c6d7e8f9012",
		func(c *Config) *string { return (*string)(&c.Organization) }, checkOrganization},
	{graphVariable, "", "root of Microsoft Graph; not set: a simulator runs", "https://graph.microsoft.com/v1.0",
		func(c *Config) *string { return &c.GraphURL }, checkURL},
	{loginVariable, "", "where tokens for Graph come from; needed with " + graphVariable, "https://login.microsoftonline.com",
		func(c *Config) *string { return &c.LoginURL }, checkURL},
	{clientVariable, "", "the application (client) id in Entra; needed with " + graphVariable, "8f1b6c0e-6d1a-4a55-9c83-0d2f7b3e5a10",
		func(c *Config) *string { return &c.ClientID }, nil},
	{secretVariable, "", "the application's client secret; needed with " + graphVariable, "abc8Q~…",
		func(c *Config) *string { return &c.ClientSecret }, checkSecret},
	{entraEndVariable, "", "when the client secret for Entra ends, as Certificates & secrets shows it; not set: nobody is warned", "2027-03-01T00:00:00Z",
		func(c *Config) *string { return &c.EntraExpiresAt }, checkEnd},
}

// suchAs is a value's example, for the end of a sentence.
func (v variable) suchAs() string { return "such as " + cmp.Or(v.example, v.fallback) }

// needs lists variables that need another one, and why.
var needs = []struct{ when, needed, why string }{
	{apiVariable, keyVariable, "JumpCloud answers only to an API key, or to a service account with " + jumpCloudClientVariable},
	{apiVariable, orgVariable, "every user and webhook belongs to an organization"},
	{insightsVariable, apiVariable, "users are read there, and not from the simulator"},
	{graphVariable, loginVariable, "a token for Graph comes from there"},
	{graphVariable, clientVariable, "entrasync signs in to Entra as this application"},
	{graphVariable, secretVariable, "the application proves itself with it; it stands under Certificates & secrets"},
	{loginVariable, graphVariable, "its tokens would go to the simulator"},
}

// ConfigFrom reads the variables. Those of a real system may be missing all together, for
// its simulator. The error has a line for every variable that is missing or wrong, with
// what is wrong and an example; it never shows a secret.
func ConfigFrom(getenv func(string) string) (Config, error) {
	var c Config
	for _, v := range variables {
		value := strings.TrimSpace(getenv(v.name))
		if value == "" {
			value = v.fallback
		}
		*v.into(&c) = value
	}
	var wrong []error
	for _, v := range variables {
		if value := *v.into(&c); value != "" && v.check != nil {
			if why := v.check(c, value); why != "" {
				wrong = append(wrong, fmt.Errorf("%s %s, %s", v.name, why, v.suchAs()))
			}
		}
	}
	for _, n := range needs {
		isKey := n.needed == keyVariable && (c.JumpCloudClientID != "" || c.JumpCloudClientSecret != "")
		if *named(n.when).into(&c) != "" && *named(n.needed).into(&c) == "" && !isKey {
			wrong = append(wrong, missingFor(n.needed, n.when, n.why))
		}
	}
	wrong = append(wrong, c.oneCredential()...)
	wrong = append(wrong, c.sameSecrets()...)
	c.Organization = directory.OrganizationID(strings.ToLower(string(c.Organization)))
	return c, errors.Join(wrong...)
}

// missingFor says that a variable is missing, which another one needs.
func missingFor(needed, when, why string) error {
	return fmt.Errorf("%s is missing: %s is set, and %s; set it, %s", needed, when, why, named(needed).suchAs())
}

// mustNameAll refuses a config without simulators that does not name every outside
// system. The error has a line for every missing variable, with an example.
func (c Config) mustNameAll() error {
	if c.Simulate != nil {
		return nil
	}
	var missing []error
	for _, name := range []string{apiVariable, keyVariable, orgVariable, graphVariable, loginVariable, clientVariable, secretVariable} {
		if v := named(name); *v.into(&c) == "" && (name != keyVariable || !c.credential().Given()) {
			missing = append(missing, fmt.Errorf("%s is missing, and no simulator is plugged in: set it, %s", name, v.suchAs()))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "start", errors.Join(missing...).Error())
}

// every is the time between two runs of a schedule that a variable names, or that its
// default does.
func (c Config) every(name string) time.Duration {
	v := named(name)
	every, err := time.ParseDuration(cmp.Or(*v.into(&c), v.fallback))
	if err != nil { // cannot happen: ConfigFrom refuses it
		every, _ = time.ParseDuration(v.fallback)
	}
	return every
}

// named is a variable by its name.
func named(name string) variable {
	return variables[slices.IndexFunc(variables, func(v variable) bool { return v.name == name })]
}

// WebhookTokens are the tokens that the webhook accepts, the current one first.
func (c Config) WebhookTokens() []string {
	var tokens []string
	for token := range strings.SplitSeq(c.WebhookToken, ",") {
		if token = strings.TrimSpace(token); token != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens
}
