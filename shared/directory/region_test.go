package directory_test

import (
	"testing"

	"entrasync/shared/directory"
)

func TestRegionHost(t *testing.T) {
	for _, tc := range []struct {
		region  directory.Region
		address string
		want    string
	}{
		{directory.US, "https://console.jumpcloud.com/api", "https://console.jumpcloud.com/api"},
		{directory.EU, "https://console.jumpcloud.com/api", "https://console.eu.jumpcloud.com/api"},
		{directory.India, "https://api.jumpcloud.com/insights/directory/v1", "https://api.in.jumpcloud.com/insights/directory/v1"},
		{directory.EU, "https://console.jumpcloud.com", "https://console.eu.jumpcloud.com"},
		{directory.EU, "https://console.eu.jumpcloud.com/api", "https://console.eu.jumpcloud.com/api"},
		{directory.EU, "https://admin-oauth.id.jumpcloud.com/oauth2/token", "https://admin-oauth.id.eu.jumpcloud.com/oauth2/token"},
		{directory.India, "https://admin-oauth.id.jumpcloud.com/oauth2/token", "https://admin-oauth.id.in.jumpcloud.com/oauth2/token"},
		{directory.India, "https://admin-oauth.id.eu.jumpcloud.com/oauth2/token", "https://admin-oauth.id.eu.jumpcloud.com/oauth2/token"},
		{directory.EU, "http://127.0.0.1:8081/api", "http://127.0.0.1:8081/api"},
		{directory.EU, "https://jumpcloud.com.evil.example/api", "https://jumpcloud.com.evil.example/api"},
		{"", "https://console.jumpcloud.com/api", "https://console.jumpcloud.com/api"},
	} {
		if got := tc.region.Host(tc.address); got != tc.want {
			t.Errorf("%s of %s: got %s, want %s", tc.region, tc.address, got, tc.want)
		}
	}
}
