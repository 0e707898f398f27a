package directory_test

import (
	"strings"
	"testing"

	"entrasync/shared/directory"
)

func TestCheckPassword(t *testing.T) {
	for _, tc := range []struct {
		name, password, upn string
		want                string // in what is broken, in this order with commas between; "" for nothing
	}{
		{"three classes", "abcdefg1!", "ann.lee@contoso.example", ""},
		{"all four", "Abcdef1!", "ann.lee@contoso.example", ""},
		{"a blank is a symbol", "abcd efG", "ann.lee@contoso.example", ""},
		{"the shortest", "Abcdefg1", "ann.lee@contoso.example", ""},
		{"one too short", "Abcdef1", "ann.lee@contoso.example", "8 to 256"},
		{"the longest", strings.Repeat("aB1!", 64), "ann.lee@contoso.example", ""},
		{"one too long", strings.Repeat("aB1!", 64) + "x", "ann.lee@contoso.example", "8 to 256"},
		{"two classes", "abcdefg1", "ann.lee@contoso.example", "3 of these 4"},
		{"letters of elsewhere", "Pässwörd12", "ann.lee@contoso.example", "of ASCII"},
		{"a control character", "Abcdef1!\t", "ann.lee@contoso.example", "of ASCII"},
		{"the sign-in name", "1xANN.lee!", "Ann.Lee@contoso.example", "sign-in name"},
		{"a short sign-in name", "1xann!Ab", "ann@contoso.example", ""},
		{"no sign-in name", "Abcdef1!", "", ""},
		{"nothing", "", "ann.lee@contoso.example", "8 to 256,3 of these 4"},
		{"everything", "ann.leeé", "ann.lee@contoso.example", "of ASCII,3 of these 4,sign-in name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := directory.CheckPassword(tc.password, directory.UPN(tc.upn))
			var want []string
			if tc.want != "" {
				want = strings.Split(tc.want, ",")
			}
			if len(got) != len(want) {
				t.Fatalf("got %q, want %q", got, want)
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("got %q, want %q", got[i], want[i])
				}
			}
		})
	}
}
