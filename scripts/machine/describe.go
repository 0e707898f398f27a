package machine

import (
	"cmp"
	"fmt"
	"io"
)

// Describe prints for a person where everything is and what was chosen. Secrets are
// shown only if they were made up and can be known no other way.
func (m *Machine) Describe(w io.Writer) {
	c := m.Config
	lines := [][2]string{
		{"ENTRASYNC_ADDR", c.Addr},
		{"ENTRASYNC_PUBLIC_URL", cmp.Or(c.PublicURL, "not set")},
		{"ENTRASYNC_DATA", c.Data},
		{"ENTRASYNC_ADMIN_TOKEN", shown(c.AdminToken, m.adminOrigin)},
		{"ENTRASYNC_WEBHOOK_TOKEN", shown(c.WebhookToken, m.webhookOrigin)},
		{"JUMPCLOUD_API_URL", shownURL(c.JumpCloudAPI, m.simulates.jumpCloud)},
		{"JUMPCLOUD_INSIGHTS_URL", shownURL(c.JumpCloudInsights, m.simulates.jumpCloud)},
		{c.keyVariable(), ending(m.jumpCloudEnd, m.simulates.jumpCloud, jumpCloudEndVariable)},
		{"JUMPCLOUD_ORG_ID", string(c.Organization)},
		{"GRAPH_URL", shownURL(c.GraphURL, m.simulates.entra)},
		{"ENTRA_LOGIN_URL", shownURL(c.LoginURL, m.simulates.entra)},
		{"ENTRA_CLIENT_ID", c.ClientID},
		{"ENTRA_CLIENT_SECRET", ending(m.entraEnd, m.simulates.entra, entraEndVariable)},
	}
	_, _ = fmt.Fprintln(w, "entrasync runs on this machine with")
	for _, line := range lines {
		_, _ = fmt.Fprintf(w, "  %-24s %s\n", line[0], line[1])
	}
	_, _ = fmt.Fprintf(w, "API          %s/v1 (described at %s/openapi.json)\n", m.URL(), m.URL())
	_, _ = fmt.Fprintf(w, "Webhook      %s\n", m.WebhookURL())
	_, _ = fmt.Fprintf(w, "Metrics      %s/metrics\n", m.URL())
}

// shown is a token that was made up, and only where it comes from for one that was
// given.
func shown(token string, from origin) string {
	if from.shown() {
		return token + " (" + string(from) + ")"
	}
	return string(from)
}

// shownURL is an address, and marks that of a simulator.
func shownURL(url string, isSimulator bool) string {
	switch {
	case isSimulator:
		return url + " (simulator)"
	case url == "":
		return "not set"
	default:
		return url
	}
}
