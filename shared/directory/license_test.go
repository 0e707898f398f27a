package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
)

// A license can be given back as it was: its text keeps the parts that were turned off.
func TestLicensesAsValues(t *testing.T) {
	plain := directory.License{SKU: "b"}
	partly := directory.License{SKU: "a", DisabledPlans: []string{"p1", "p2"}}
	for name, tc := range map[string]struct {
		licenses []directory.License
		want     directory.Value
	}{
		"none":   {nil, nil},
		"one":    {[]directory.License{plain}, directory.Value{"b"}},
		"sorted": {[]directory.License{plain, partly}, directory.Value{"a without p1,p2", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			value := directory.LicenseValue(tc.licenses)
			if diff := cmp.Diff(tc.want, value); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if again := directory.LicenseValue(directory.LicensesIn(value)); !again.Equal(value) {
				t.Errorf("read and written again it is %v, want %v", again, value)
			}
		})
	}
	if got := directory.LicensesIn(directory.Value{"a without p1,p2"}); !cmp.Equal(got, []directory.License{partly}) {
		t.Errorf("got %+v, want %+v", got, partly)
	}
}
