package machine

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// The rules of the values. Each check gives what is wrong, beginning with a verb,
// and an example; "" if nothing is.

// minToken is how long a token is at least where others than this machine's users
// can try one.
const minToken = 16

// maxTokens is how many webhook tokens are valid at once: the new one, and the old
// one as long as JumpCloud still sends it.
const maxTokens = 2

// tokenExample makes a token.
const tokenExample = "such as what `openssl rand -hex 24` prints"

var (
	// tokenSyntax is that of bearer tokens (RFC 6750, 2.1).
	tokenSyntax        = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)
	organizationSyntax = regexp.MustCompile(`^[0-9a-fA-F]{24}$`)
	// secretSyntax is what can stand in a header.
	secretSyntax = regexp.MustCompile(`^[!-~]+$`)
)

// checkAddress looks at host:port.
func checkAddress(_ Config, value string) string {
	host, port, err := net.SplitHostPort(value)
	_, notNumber := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return fmt.Sprintf("is %q: it must be host:port, such as 127.0.0.1:8080", value)
	case notNumber != nil:
		return fmt.Sprintf("is %q: the port must be a number up to 65535 (0 takes any free one), such as 127.0.0.1:8080", value)
	case strings.ContainsAny(host, " /"):
		return fmt.Sprintf("is %q: the host must be an address or a name, such as 127.0.0.1:8080", value)
	}
	return ""
}

// onLoopback reports whether an address host:port can be reached from this machine
// only.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && isLoopback(host)
}

// isLoopback reports whether a host is this machine, for itself alone.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && ip.Unmap().IsLoopback())
}

// checkAdminToken looks at the bearer token of the API.
func checkAdminToken(c Config, value string) string { return checkToken(c, value) }

// checkToken looks at a token, which it never shows.
func checkToken(c Config, token string) string {
	if !tokenSyntax.MatchString(token) {
		return "has a character that cannot stand in a bearer token: letters, digits and -._~+/ can, " + tokenExample
	}
	if len(token) < minToken && !onLoopback(c.Addr) {
		return fmt.Sprintf("has a token of %d characters: as %s is no loopback address, strangers can try tokens, and one must have at least %d, %s", len(token), addrVariable, minToken, tokenExample)
	}
	return ""
}

// checkWebhookTokens looks at one token, or two separated by a comma.
func checkWebhookTokens(c Config, _ string) string {
	tokens := c.webhookTokens()
	if len(tokens) == 0 || len(tokens) > maxTokens {
		return fmt.Sprintf("holds %d tokens: it must be one, or the new one and the old one separated by a comma, each %s", len(tokens), tokenExample)
	}
	for _, token := range tokens {
		if why := checkToken(c, token); why != "" {
			return why
		}
	}
	return ""
}

// checkSecret looks at what is sent as it is, and never shows it.
func checkSecret(_ Config, value string) string {
	if !secretSyntax.MatchString(value) {
		return "has a blank or another character in it that no key or secret has: copy it again, without quotation marks, such as abc8Q~x-Y"
	}
	return ""
}

// checkOrganization looks at an id of JumpCloud.
func checkOrganization(_ Config, value string) string {
	if !organizationSyntax.MatchString(value) {
		return fmt.Sprintf("is %q: it must be the 24 hex digits of the organization, which JumpCloud shows under Settings, such as 5f0c1e2d3a4b5c6d7e8f9012", value)
	}
	return ""
}

// checkURL looks at the address of an outside system.
func checkURL(_ Config, value string) string {
	const example = ", such as https://graph.microsoft.com/v1.0"
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return fmt.Sprintf("is %q: it must be an address with https:// and a host%s", value, example)
	case u.User != nil:
		return "has a user name or a password in it: it must be an address without" + example
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Sprintf("is %q: it must be an address without ? and #%s", value, example)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return fmt.Sprintf("is %q: it must be an https address (plain http is allowed on this machine only)%s", value, example)
	}
	return ""
}
