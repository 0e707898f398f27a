package entra_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What the tenant said of itself is believed for a while: of a domain that it had
// not verified shortly, and not by whoever asks because of something later.
func TestHowLongATenantIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		domains := `{"name":"contoso.example"}`
		s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) {
			return 200, nil, `{"value":[{"id":"t1","displayName":"Contoso","verifiedDomains":[` + domains + `]}]}`
		}}
		client := s.client()
		says := func(domain string, since time.Time) bool {
			t.Helper()
			tenant, err := client.Tenant(t.Context(), []string{domain}, since)
			if err != nil {
				t.Fatal(err)
			}
			return slices.Contains(tenant.VerifiedDomains, domain)
		}
		if !says("contoso.example", time.Time{}) || says("new.example", time.Time{}) || len(s.requests) != 1 {
			t.Fatalf("%d requests", len(s.requests))
		}
		time.Sleep(time.Second)
		domains += `,{"name":"new.example"}`
		if says("new.example", time.Time{}) || len(s.requests) != 1 {
			t.Error("an unverified domain was asked for again at once")
		}
		if !says("contoso.example", time.Now()) || len(s.requests) != 1 {
			t.Error("a verified domain was asked for again")
		}
		if !says("new.example", time.Now()) || len(s.requests) != 2 {
			t.Error("the domain that was verified meanwhile is not seen")
		}
		if says("other.example", time.Time{}) || len(s.requests) != 2 {
			t.Error("another unverified domain was asked for at once")
		}
		time.Sleep(time.Minute)
		if says("other.example", time.Time{}) || len(s.requests) != 3 {
			t.Error("an unverified domain was not asked for again after a minute")
		}
	})
}
