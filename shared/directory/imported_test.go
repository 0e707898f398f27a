package directory_test

import (
	"reflect"
	"strings"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

func TestImported(t *testing.T) {
	settings := directory.DefaultSettings()
	full := directory.TenantAccount{
		ID: "1", UPN: "Ann@contoso.example", DisplayName: "Ann Example", GivenName: " Ann ", Surname: "Example", Mail: "Ann.Example@contoso.example", Alias: "ann", Enabled: true,
		Attributes: directory.Attributes{directory.JobTitle: directory.Text("Lead"), directory.MobilePhone: directory.Text("+49 1"), directory.City: directory.Text("Bonn"),
			directory.UsageLocation: directory.Text("DE"), directory.OtherMails: directory.Value{"a@home.example", "b@home.example"}, directory.DisplayName: directory.Text("Ann E."), directory.Department: nil},
	}
	names := directory.User{Username: "ann", Email: "ann.example@contoso.example", FirstName: "Ann", LastName: "Example"}
	with := names
	with.Fields, with.Phones, with.Work.Locality = map[string]string{"jobTitle": "Lead"}, map[string]string{"mobile": "+49 1"}, "Bonn"
	with.Attributes, with.AlternateEmail, with.DisplayName = map[string]string{"usageLocation": "DE"}, "a@home.example", "Ann E."
	for _, tc := range []struct {
		name   string
		rules  map[directory.Rule]bool
		change func(*directory.TenantAccount)
		want   directory.User
	}{
		{"names only", nil, func(*directory.TenantAccount) {}, names},
		{"a rule that is off", map[directory.Rule]bool{"user_job_title": false}, func(*directory.TenantAccount) {}, names},
		{"with rules", map[directory.Rule]bool{"user_job_title": true, "user_mobile_phone": true, "user_city": true, "usageLocation": true, "user_alternate_email": true, "displayName": true, "user_department": true},
			func(*directory.TenantAccount) {}, with},
		{"without an address", nil, func(a *directory.TenantAccount) { a.Mail = "" }, directory.User{Username: "ann", Email: "ann@contoso.example", FirstName: "Ann", LastName: "Example"}},
		{"without an alias", nil, func(a *directory.TenantAccount) { a.Alias = "" }, directory.User{Username: "ann.example", Email: "ann.example@contoso.example", FirstName: "Ann", LastName: "Example"}},
	} {
		account := full
		tc.change(&account)
		settings.Import = tc.rules
		if got := settings.Imported(account); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// What an import writes to JumpCloud, the export of the same rule writes back unchanged.
func TestImportAndExportAgree(t *testing.T) {
	settings := directory.DefaultSettings()
	settings.Import, settings.Attributes = map[directory.Rule]bool{}, map[directory.Rule]bool{}
	account := directory.TenantAccount{UPN: "ann@contoso.example", Mail: "ann@contoso.example", Alias: "ann", GivenName: "Ann", Surname: "Example", Enabled: true, Attributes: directory.Attributes{}}
	for _, rule := range directory.ImportableRules() {
		settings.Import[rule], settings.Attributes[rule] = true, true
	}
	for _, name := range settings.ImportAttributes() {
		account.Attributes[name] = directory.Text("DE")
	}
	account.Attributes[directory.OtherMails] = directory.Text("ann@home.example")
	user := settings.Imported(account)
	user.State = directory.Activated
	desired := directory.Desire(&user, directory.Connected{Here: true}, settings)
	if len(desired.Problems) > 0 || len(settings.ImportAttributes()) != len(directory.Rules())-1 {
		t.Errorf("problems %v and %d attributes, want none and all rules but the manager", desired.Problems, len(settings.ImportAttributes()))
	}
	for name, value := range account.Attributes {
		if got := desired.Attributes[name]; !got.Equal(value) {
			t.Errorf("%s: the export writes %q, want %q", name, got, value)
		}
	}
}

func TestNotImportable(t *testing.T) {
	for _, tc := range []struct {
		account directory.TenantAccount
		want    string
	}{
		{directory.TenantAccount{UPN: "ann@contoso.example", Enabled: true}, ""},
		{directory.TenantAccount{UPN: "ann@contoso.example"}, "sign-in is blocked"},
		{directory.TenantAccount{UPN: "ann@contoso.example", Enabled: true, Guest: true}, "guest"},
		{directory.TenantAccount{UPN: "ann@contoso.example", Enabled: true, Agent: true}, "agent user"},
		{directory.TenantAccount{UPN: "7@contoso.example", Alias: "דוד", Enabled: true}, `alias "דוד"`},
	} {
		if got := tc.account.NotImportable(); !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("%+v: %q, want something with %q", tc.account, got, tc.want)
		}
	}
}

func TestImportSettingsAreChecked(t *testing.T) {
	for rule, want := range map[directory.Rule]string{"user_job_title": "", "shoe_size": "settings.import.shoe_size", "user_manager": "settings.import.user_manager"} {
		settings := directory.DefaultSettings()
		settings.Import = map[directory.Rule]bool{rule: true}
		err := settings.Check()
		if (err == nil) != (want == "") || err != nil && fault.Of(err).Subject != want {
			t.Errorf("%s: %v, want subject %q", rule, err, want)
		}
	}
}
