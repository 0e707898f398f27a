package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
)

func TestTenantNames(t *testing.T) {
	d := directory.Directory{Tenant: "Contoso.example", TenantObject: "7F1D", VerifiedDomains: []string{"z.example", "contoso.example", "a.example"}}
	if got, want := d.TenantNames(), []string{"contoso.example", "7f1d", "a.example", "z.example"}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if got := (directory.Directory{Tenant: "7F1D", TenantObject: "7f1d"}).TenantNames(); !cmp.Equal(got, []string{"7f1d"}) {
		t.Errorf("got names %v of a tenant named by its id, want its id once", got)
	}
}

func TestMeets(t *testing.T) {
	contoso := directory.Directory{Tenant: "contoso.example", TenantObject: "t1", VerifiedDomains: []string{"contoso.example", "shop.example"}}
	for name, tc := range map[string]struct {
		other  directory.Directory
		common string
	}{
		"the same name":                         {directory.Directory{Tenant: "CONTOSO.example"}, "CONTOSO.example"},
		"the same id":                           {directory.Directory{Tenant: "shop2.example", TenantObject: "T1"}, "T1"},
		"named by the id that the other found":  {directory.Directory{Tenant: "T1"}, "t1"},
		"named by a domain that the other has":  {directory.Directory{Tenant: "Shop.example"}, "shop.example"},
		"one domain, which moved between them":  {directory.Directory{Tenant: "t2", TenantObject: "t2", VerifiedDomains: []string{"fabrikam.example", "shop.example"}}, "shop.example"},
		"another tenant":                        {directory.Directory{Tenant: "t2", TenantObject: "t2", VerifiedDomains: []string{"fabrikam.example"}}, ""},
		"another tenant of which nothing known": {directory.Directory{Tenant: "fabrikam.example"}, ""},
	} {
		for direction, pair := range [][2]directory.Directory{{contoso, tc.other}, {tc.other, contoso}} {
			common, overlaps := pair[0].Overlaps(pair[1])
			if overlaps != (tc.common != "") || (direction == 0 && common != tc.common) {
				t.Errorf("%s: got %q, %t; want %q", name, common, overlaps, tc.common)
			}
		}
	}
}
