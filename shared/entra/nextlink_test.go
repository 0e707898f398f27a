package entra

import "testing"

func TestNextPage(t *testing.T) {
	for _, tc := range []struct{ base, link, want string }{
		{"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/v1.0/groups?$top=1&$skiptoken=a%2Bb", "/groups?$top=1&$skiptoken=a%2Bb"},
		{"https://graph.microsoft.com/v1.0", "https://GRAPH.Microsoft.com/v1.0/groups/g/members?$skiptoken=x", "/groups/g/members?$skiptoken=x"},
		{"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com:443/beta/groups?$skiptoken=x", "/groups?$skiptoken=x"},
		{"https://graph.microsoft.com/v1.0", "HTTPS://graph.microsoft.com/V1.0/users('a%2Fb')/members", "/users('a%2Fb')/members"},
		{"http://127.0.0.1:8082/v1.0", "http://127.0.0.1:8082/v1.0/groups?$skiptoken=x", "/groups?$skiptoken=x"},
		{"http://127.0.0.1:8082/behind/a/proxy/v1.0", "http://127.0.0.1:8082/behind/a/proxy/beta/groups", "/groups"},
		{"http://127.0.0.1:8082", "http://127.0.0.1:8082/groups", "/groups"},
		{"https://graph.microsoft.com/v1.0", "", ""},
		{"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com.evil.example/v1.0/groups", "refused"},
		{"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com@evil.example/v1.0/groups", "refused"},
		{"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com:8443/v1.0/groups", "refused"},
		{"https://graph.microsoft.com/v1.0", "http://graph.microsoft.com/v1.0/groups", "refused"},
		{"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/v2.0/groups", "refused"},
		{"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/v1.0", "refused"},
		{"https://graph.microsoft.com/v1.0", "//graph.microsoft.com/v1.0/groups", "refused"},
		{"https://graph.microsoft.com/v1.0", "/v1.0/groups", "refused"},
		{"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/v1.0/gr\x7foups", "refused"},
	} {
		c := &Client{baseURL: tc.base}
		got, err := c.nextPage([]byte(`{"value":[],"@odata.nextLink":"` + tc.link + `"}`))
		if err != nil {
			got = "refused"
		}
		if got != tc.want {
			t.Errorf("%s from %s: %q (%v), want %q", tc.link, tc.base, got, err, tc.want)
		}
	}
}
