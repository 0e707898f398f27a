package entra_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The description of the tenant is used for a while: shortly for a domain that it had
// not verified, and not for a caller that knows of a later change.
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
			t.Fatalf("%d requests, want one, which finds contoso.example alone", len(s.requests))
		}
		time.Sleep(time.Second)
		domains += `,{"name":"new.example"}`
		if says("new.example", time.Time{}) || len(s.requests) != 1 {
			t.Error("the tenant was read again at once for an unverified domain, want no request")
		}
		if !says("contoso.example", time.Now()) || len(s.requests) != 1 {
			t.Error("the tenant was read again for a verified domain, want no request")
		}
		if !says("new.example", time.Now()) || len(s.requests) != 2 {
			t.Error("the domain that was verified meanwhile is not found, want a new read")
		}
		if says("other.example", time.Time{}) || len(s.requests) != 2 {
			t.Error("the tenant was read again at once for another unverified domain, want no request")
		}
		domains += `,{"name":"fed.example","type":"Federated"}`
		time.Sleep(time.Minute)
		if says("other.example", time.Time{}) || len(s.requests) != 3 {
			t.Error("the tenant was not read again after a minute for an unverified domain, want one request")
		}
		time.Sleep(time.Minute)
		if !says("fed.example", time.Time{}) || len(s.requests) != 3 {
			t.Error("the tenant was read again for a federated domain, want no request")
		}
		if !says("fed.example", time.Now()) || len(s.requests) != 4 {
			t.Error("the tenant was not read again for a federated domain and a later change, want one request")
		}
	})
}
