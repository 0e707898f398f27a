package machine

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/loopback"
)

// The rules of the values. Each check returns what is wrong, beginning with a verb, so that
// the variable's example can follow; "" if nothing is wrong.

// minToken is the least length of a token on an address that other machines can reach.
const minToken = 16

// maxTokens is how many webhook tokens are valid at once: the new one, and the old
// one as long as JumpCloud still sends it.
const maxTokens = 2

var (
	// tokenSyntax is that of bearer tokens (RFC 6750, 2.1).
	tokenSyntax = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)
	// secretSyntax is what an HTTP header can have.
	secretSyntax = regexp.MustCompile(`^[!-~]+$`)
)

// checkAddress checks host:port.
func checkAddress(_ Config, value string) string {
	host, port, err := net.SplitHostPort(value)
	_, notNumber := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return fmt.Sprintf("is %q: it must be host:port", value)
	case notNumber != nil:
		return fmt.Sprintf("is %q: the port must be a number up to 65535 (0 takes any free one)", value)
	case strings.ContainsAny(host, " /"):
		return fmt.Sprintf("is %q: the host must be an address or a name", value)
	}
	return ""
}

// onLoopback reports whether an address host:port can be reached from this machine
// only.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopback.Is(host)
}

// checkToken checks a token, and never shows it.
func checkToken(c Config, token string) string {
	if !tokenSyntax.MatchString(token) {
		return "has a character that cannot stand in a bearer token: letters, digits and -._~+/ can"
	}
	if len(token) < minToken && !onLoopback(c.Addr) {
		return fmt.Sprintf("has a token of %d characters: as %s is no loopback address, strangers can try tokens, and one must have at least %d", len(token), addrVariable, minToken)
	}
	return ""
}

// checkWebhookTokens checks one token, or two separated by a comma.
func checkWebhookTokens(c Config, _ string) string {
	tokens := c.WebhookTokens()
	if len(tokens) == 0 || len(tokens) > maxTokens {
		return fmt.Sprintf("holds %d tokens: it must be one, or the new one and the old one separated by a comma", len(tokens))
	}
	for _, token := range tokens {
		if why := checkToken(c, token); why != "" {
			return why
		}
	}
	return ""
}

// checkSecret checks a key or secret that is sent unchanged, and never shows it.
func checkSecret(_ Config, value string) string {
	if !secretSyntax.MatchString(value) {
		return "has a blank or another character in it that no key or secret has: copy it again, without quotation marks"
	}
	return ""
}

// checkOrganization checks an organization's id of JumpCloud.
func checkOrganization(_ Config, value string) string {
	if !directory.IsJumpCloudID(strings.ToLower(value)) {
		return fmt.Sprintf("is %q: it must be the 24 hex digits of the organization, which JumpCloud shows under Settings", value)
	}
	return ""
}

// checkURL checks the address of an outside system.
func checkURL(_ Config, value string) string {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return fmt.Sprintf("is %q: it must be an address with https:// and a host", value)
	case u.User != nil:
		return "has a user name or a password in it: it must be an address without"
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Sprintf("is %q: it must be an address without ? and #", value)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback.Is(u.Hostname())):
		return fmt.Sprintf("is %q: it must be an https address (plain http is allowed on this machine only)", value)
	}
	return ""
}

// sameSecrets refuses two secrets with one value: whoever gets one of them would have the
// other. JumpCloud, for example, gets the webhook's token, and could use the API with it.
func (c Config) sameSecrets() []error {
	var wrong []error
	holder := map[string]string{}
	for _, secret := range []struct {
		variable string
		values   []string
	}{
		{adminVariable, []string{c.AdminToken}}, {webhookVariable, c.WebhookTokens()},
		{keyVariable, []string{c.JumpCloudKey}}, {jumpCloudSecretVariable, []string{c.JumpCloudClientSecret}}, {secretVariable, []string{c.ClientSecret}},
	} {
		for _, value := range secret.values {
			other, taken := holder[value]
			switch {
			case value == "" || !taken:
				holder[value] = secret.variable
			case other == secret.variable:
				wrong = append(wrong, fmt.Errorf("%s holds the same token twice: it must be one, or the new one and the old one", other))
			default:
				wrong = append(wrong, fmt.Errorf("%s holds the same as %s, and who is given the one would have the other: each needs a value of its own, %s",
					secret.variable, other, named(secret.variable).suchAs()))
			}
		}
	}
	return wrong
}

// The least and the most time between two runs of a schedule.
const (
	leastEvery = time.Second
	mostEvery  = 7 * 24 * time.Hour
)

// checkEvery checks the time between two runs of a schedule.
func checkEvery(_ Config, value string) string {
	every, err := time.ParseDuration(value)
	switch {
	case err != nil:
		return fmt.Sprintf("is %q: it must be a time with its unit", value)
	case every < leastEvery || every > mostEvery:
		return fmt.Sprintf("is %s: it must be between %s and %s", value, leastEvery, mostEvery)
	}
	return ""
}
