package machine_test

import (
	"strings"
	"testing"

	"entrasync/scripts/machine"
)

func TestConfigFrom(t *testing.T) {
	real := map[string]string{
		"JUMPCLOUD_API_URL": "https://console.jumpcloud.com/api", "JUMPCLOUD_API_KEY": "k", "JUMPCLOUD_ORG_ID": "5f0c1e2d3a4b5c6d7e8f9012",
		"GRAPH_URL": "https://graph.microsoft.com/v1.0", "ENTRA_LOGIN_URL": "https://login.microsoftonline.com", "ENTRA_CLIENT_ID": "app", "ENTRA_CLIENT_SECRET": "s",
	}
	for _, tc := range []struct {
		name   string
		change map[string]string
		want   string // in the error; "" for none
	}{
		{"everything named", nil, ""},
		{"no API key", map[string]string{"JUMPCLOUD_API_KEY": ""}, "JUMPCLOUD_API_KEY is missing: JUMPCLOUD_API_URL is set"},
		{"no organization", map[string]string{"JUMPCLOUD_ORG_ID": " "}, "JUMPCLOUD_ORG_ID is missing"},
		{"no login", map[string]string{"ENTRA_LOGIN_URL": ""}, "ENTRA_LOGIN_URL is missing"},
		{"no client id", map[string]string{"ENTRA_CLIENT_ID": ""}, "ENTRA_CLIENT_ID is missing"},
		{"no client secret", map[string]string{"ENTRA_CLIENT_SECRET": ""}, "ENTRA_CLIENT_SECRET is missing"},
		{"login without Graph", map[string]string{"GRAPH_URL": ""}, "GRAPH_URL is missing"},
		{"JumpCloud by plain http", map[string]string{"JUMPCLOUD_API_URL": "http://console.jumpcloud.com/api"}, "JUMPCLOUD_API_URL is"},
		{"Graph that is no address", map[string]string{"GRAPH_URL": "graph"}, "GRAPH_URL is"},
		{"sign-in by plain http", map[string]string{"ENTRA_LOGIN_URL": "http://evil.example"}, "ENTRA_LOGIN_URL is"},
		{"plain http on this machine", map[string]string{"GRAPH_URL": "http://127.0.0.1:9/v1.0", "ENTRA_LOGIN_URL": "http://localhost:9"}, ""},
		{"webhook tokens that are none", map[string]string{"ENTRASYNC_WEBHOOK_TOKEN": " , "}, ""},
		{"no port", map[string]string{"ENTRASYNC_ADDR": "localhost"}, "ENTRASYNC_ADDR"},
		{"odd organization", map[string]string{"JUMPCLOUD_ORG_ID": "a-b"}, "JUMPCLOUD_ORG_ID is \"a-b\""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := machine.ConfigFrom(func(name string) string {
				if value, changed := tc.change[name]; changed {
					return value
				}
				return real[name]
			})
			if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestConfigDefaults(t *testing.T) {
	c, err := machine.ConfigFrom(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != "127.0.0.1:8080" || c.Data != ".local" || len(c.AdminToken) < 20 || len(c.WebhookToken) < 20 || !c.MadeAdminToken || !c.MadeWebhookToken || c.JumpCloudAPI != "" || c.GraphURL != "" {
		t.Errorf("defaults: %+v", c)
	}
}
