package machine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"entrasync/shared/directory"
)

// Config is what one machine runs with: the variables of the local runner.
type Config struct {
	Addr         string // where webhook and API listen
	Data         string // the folder for everything that is kept
	AdminToken   string // bearer token of the API
	WebhookToken string // the secret JumpCloud sends; two separated by a comma while one is being replaced

	JumpCloudAPI      string // root of v1; "" runs the simulator
	JumpCloudInsights string
	JumpCloudKey      string
	Organization      directory.OrganizationID

	GraphURL     string // "" runs the simulator
	LoginURL     string
	ClientID     string
	ClientSecret string

	// These say that a token was made up at this start and has to be shown.
	MadeAdminToken, MadeWebhookToken bool
}

// variable is one environment variable of the runner.
type variable struct {
	name     string
	fallback string
	into     func(*Config) *string
}

// variables are all of them, in the order in which they are shown.
var variables = []variable{
	{"ENTRASYNC_ADDR", "127.0.0.1:8080", func(c *Config) *string { return &c.Addr }},
	{"ENTRASYNC_DATA", ".local", func(c *Config) *string { return &c.Data }},
	{"ENTRASYNC_ADMIN_TOKEN", "", func(c *Config) *string { return &c.AdminToken }},
	{"ENTRASYNC_WEBHOOK_TOKEN", "", func(c *Config) *string { return &c.WebhookToken }},
	{"JUMPCLOUD_API_URL", "", func(c *Config) *string { return &c.JumpCloudAPI }},
	{"JUMPCLOUD_INSIGHTS_URL", "", func(c *Config) *string { return &c.JumpCloudInsights }},
	{"JUMPCLOUD_API_KEY", "", func(c *Config) *string { return &c.JumpCloudKey }},
	{"JUMPCLOUD_ORG_ID", "", func(c *Config) *string { return (*string)(&c.Organization) }},
	{"GRAPH_URL", "", func(c *Config) *string { return &c.GraphURL }},
	{"ENTRA_LOGIN_URL", "", func(c *Config) *string { return &c.LoginURL }},
	{"ENTRA_CLIENT_ID", "", func(c *Config) *string { return &c.ClientID }},
	{"ENTRA_CLIENT_SECRET", "", func(c *Config) *string { return &c.ClientSecret }},
}

// needs lists what a real system cannot be reached without, and why.
var needs = []struct{ when, needed, why string }{
	{"JUMPCLOUD_API_URL", "JUMPCLOUD_API_KEY", "JumpCloud answers only to an administrator's API key"},
	{"JUMPCLOUD_API_URL", "JUMPCLOUD_ORG_ID", "every user and webhook belongs to an organization"},
	{"GRAPH_URL", "ENTRA_LOGIN_URL", "a token for Graph comes from there (the real one is https://login.microsoftonline.com)"},
	{"GRAPH_URL", "ENTRA_CLIENT_ID", "entrasync signs in to Entra as this application"},
	{"GRAPH_URL", "ENTRA_CLIENT_SECRET", "the application proves itself with it"},
}

// ConfigFrom reads the variables. Without those of a real system its simulator
// runs; a variable that is missing is an error that says which and why.
func ConfigFrom(getenv func(string) string) (Config, error) {
	var c Config
	for _, v := range variables {
		value := strings.TrimSpace(getenv(v.name))
		if value == "" {
			value = v.fallback
		}
		*v.into(&c) = value
	}
	for _, n := range needs {
		if value(&c, n.when) != "" && value(&c, n.needed) == "" {
			return c, fmt.Errorf("%s is missing: %s is set, and %s", n.needed, n.when, n.why)
		}
	}
	if c.LoginURL != "" && c.GraphURL == "" {
		return c, errors.New("GRAPH_URL is missing: ENTRA_LOGIN_URL is set, and its tokens would go to the simulator")
	}
	for _, name := range []string{"JUMPCLOUD_API_URL", "JUMPCLOUD_INSIGHTS_URL", "GRAPH_URL", "ENTRA_LOGIN_URL"} {
		if address := value(&c, name); address != "" && !usable(address) {
			return c, fmt.Errorf("%s is %q: it must be an https address (plain http is allowed on this machine only)", name, address)
		}
	}
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return c, fmt.Errorf("ENTRASYNC_ADDR is %q: it must be host:port, such as 127.0.0.1:8080", c.Addr)
	}
	if strings.ContainsAny(string(c.Organization), "-/# ") {
		return c, fmt.Errorf("JUMPCLOUD_ORG_ID is %q: it must be the 24 hex digits of the organization", c.Organization)
	}
	if c.AdminToken == "" {
		c.AdminToken, c.MadeAdminToken = rand.Text(), true
	}
	if len(c.webhookTokens()) == 0 {
		c.WebhookToken, c.MadeWebhookToken = rand.Text(), true
	}
	return c, nil
}

// usable reports whether an address is https, or stays on this machine.
func usable(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || (u.Scheme == "http" && (u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())))
}

// value is a variable's value by its name.
func value(c *Config, name string) string {
	for _, v := range variables {
		if v.name == name {
			return *v.into(c)
		}
	}
	return ""
}
