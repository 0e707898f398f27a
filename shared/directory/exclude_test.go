package directory_test

import (
	"encoding/json"
	"strings"
	"testing"

	"entrasync/shared/directory"
)

func TestWhyExcluded(t *testing.T) {
	const ann, group = directory.UserID("64a1b2c3d4e5f60718293041"), directory.GroupID("6510000000000000000000a1")
	for _, tc := range []struct {
		name    string
		exclude directory.Exclude
		member  bool
		names   []directory.UPN
		says    string
	}{
		{"nobody", directory.Exclude{}, true, []directory.UPN{"", "ann@contoso.example"}, ""},
		{"by id", directory.Exclude{Users: []directory.UserID{"64a1b2c3d4e5f60718293042", ann}}, false, nil, "exclude.users"},
		{"another one", directory.Exclude{Users: []directory.UserID{"64a1b2c3d4e5f60718293042"}}, false, nil, ""},
		{"a member", directory.Exclude{Group: group}, true, nil, "the JumpCloud group " + string(group)},
		{"no member", directory.Exclude{Group: group}, false, nil, ""},
		{"by a name in other case", directory.Exclude{UPNs: []directory.UPN{"Ann@Contoso.example"}}, false, []directory.UPN{"bob@contoso.example", "aNN@contoso.Example"}, "the sign-in name aNN@contoso.Example"},
		{"by no name", directory.Exclude{UPNs: []directory.UPN{"ann@contoso.example"}}, false, []directory.UPN{""}, ""},
	} {
		why := tc.exclude.Why(ann, tc.member, tc.names...)
		switch {
		case (why == nil) != (tc.says == ""):
			t.Errorf("%s: %+v, want a reason that says %q", tc.name, why, tc.says)
		case why != nil && (why.Reason != directory.Excluded || !strings.Contains(why.Message, tc.says)):
			t.Errorf("%s: %+v, want %s that says %q", tc.name, why, directory.Excluded, tc.says)
		}
	}
}

// Settings that are older than the setting show empty lists.
func TestExcludeOfOldSettings(t *testing.T) {
	var old directory.Settings
	if err := json.Unmarshal([]byte(`{"mappedEmail":"company"}`), &old); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(old.Exclude)
	if want := `{"users":[],"upns":[],"group":""}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
	if old.Exclude.Any() {
		t.Error("somebody is excluded, want nobody")
	}
}

// A name that is excluded is nobody's sign-in name.
func TestAnExcludedNameIsNobodys(t *testing.T) {
	s := directory.DefaultSettings()
	s.Exclude.UPNs = []directory.UPN{"Glass@contoso.example"}
	name, why := s.UserPrincipalName(directory.User{Email: "glass@Contoso.example"})
	if name != "" || why == nil || why.Reason != directory.Excluded {
		t.Errorf("%q, %+v, want no name, %s", name, why, directory.Excluded)
	}
	if name, why = s.UserPrincipalName(directory.User{Email: "ann@contoso.example"}); why != nil {
		t.Errorf("%q, %+v, want ann@contoso.example", name, why)
	}
}
