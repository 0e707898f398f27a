package directory_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
)

// here is how a user of the directory is connected.
var here = directory.Connected{Here: true}

func TestDesiredState(t *testing.T) {
	strict := directory.DefaultSettings()
	strict.SuspendOnLockout, strict.SuspendOnPasswordExpiration = true, true
	elsewhere := directory.Connected{Elsewhere: true, Ended: directory.Disconnected}
	user := func(state directory.UserState, locked, expired bool) *directory.User {
		return &directory.User{ID: "u1", Username: "ann", Email: "ann@corp.example", FirstName: "Ann", State: state, AccountLocked: locked, PasswordExpired: expired}
	}
	for _, tc := range []struct {
		name      string
		user      *directory.User
		connected directory.Connected
		settings  directory.Settings
		managed   bool
		state     directory.AccountState
		reason    directory.Reason
	}{
		{"activated", user(directory.Activated, false, false), here, strict, true, directory.Enabled, ""},
		{"staged", user(directory.Staged, false, false), here, strict, true, directory.Disabled, directory.StagedReason},
		{"suspended", user(directory.Suspended, false, false), here, strict, true, directory.Disabled, directory.SuspendedReason},
		{"unknown state", user("SOMETHING", false, false), here, strict, true, directory.Disabled, directory.StagedReason},
		{"locked, lockout suspends", user(directory.Activated, true, false), here, strict, true, directory.Disabled, directory.Locked},
		{"locked, lockout does not suspend", user(directory.Activated, true, false), here, directory.DefaultSettings(), true, directory.Enabled, ""},
		{"expired, expiry suspends", user(directory.Activated, false, true), here, strict, true, directory.Disabled, directory.PasswordExpired},
		{"expired, expiry does not suspend", user(directory.Activated, false, true), here, directory.DefaultSettings(), true, directory.Enabled, ""},
		{"suspended and locked", user(directory.Suspended, true, true), here, strict, true, directory.Disabled, directory.SuspendedReason},
		{"deleted", nil, here, strict, false, directory.Disabled, directory.Deleted},
		{"disconnected", user(directory.Activated, false, false), directory.Connected{}, strict, false, directory.Disabled, directory.Disconnected},
		{"deleted and disconnected", nil, directory.Connected{}, strict, false, directory.Disabled, directory.Deleted},
		{"left the last group", user(directory.Activated, false, false), directory.Connected{Ended: directory.LeftGroup}, strict, false, directory.Disabled, directory.LeftGroup},
		{"last group disconnected", user(directory.Activated, false, false), directory.Connected{Ended: directory.GroupDisconnected}, strict, false, directory.Disabled, directory.GroupDisconnected},
		{"last group deleted", user(directory.Activated, false, false), directory.Connected{Ended: directory.GroupDeleted}, strict, false, directory.Disabled, directory.GroupDeleted},
		{"connected elsewhere on the tenant", user(directory.Activated, false, false), elsewhere, strict, false, directory.Enabled, directory.ConnectedElsewhere},
		{"suspended, connected elsewhere", user(directory.Suspended, false, false), elsewhere, strict, false, directory.Disabled, directory.SuspendedReason},
		{"staged, connected elsewhere", user(directory.Staged, false, false), elsewhere, strict, false, directory.Disabled, directory.StagedReason},
		{"deleted, connected elsewhere", nil, elsewhere, strict, false, directory.Disabled, directory.Deleted},
		{"connected here and elsewhere", user(directory.Activated, false, false), directory.Connected{Here: true, Elsewhere: true}, strict, true, directory.Enabled, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := directory.Desire(tc.user, tc.connected, tc.settings)
			if got.Managed != tc.managed || got.State != tc.state || got.Reason != tc.reason {
				t.Errorf("got managed %v, %s (%s); want %v, %s (%s)", got.Managed, got.State, got.Reason, tc.managed, tc.state, tc.reason)
			}
			if got.Reason != "" && directory.Sentence(got.Reason) == "" {
				t.Errorf("got no sentence of the reason %s, want one", got.Reason)
			}
		})
	}
}

func TestDesiredAttributes(t *testing.T) {
	user := directory.User{
		ID: "u1", Username: "mira", Email: "mira@corp.example", AlternateEmail: "mira@home.example", FirstName: " Mira ", LastName: "Okafor", DisplayName: "M. Okafor",
		State: directory.Activated, Fields: map[string]string{"jobTitle": "Lead", "department": "Sales", "location": "Berlin", "company": "Example", "employeeIdentifier": "E-1", "employeeType": "Permanent", "costCenter": "4410"},
		Work:       directory.Address{StreetAddress: "Main 1", Locality: "Berlin", Region: "BE", PostalCode: "10827", Country: "DE"},
		Phones:     map[string]string{"work": "+49 30 1", "mobile": "+49 170 1"},
		Attributes: map[string]string{"division": "Retail", "preferredLanguage": "en-US", "badge": "B7"},
	}
	always := directory.Attributes{
		"givenName": {"Mira"}, "surname": {"Okafor"}, "displayName": {"Mira Okafor"},
		"userPrincipalName": {"mira@corp.example"}, "mailNickname": {"mira"},
	}
	optional := map[directory.Rule]struct {
		attribute directory.Attribute
		value     string
	}{
		"user_alternate_email": {"otherMails", "mira@home.example"}, "user_business_phones": {"businessPhones", "+49 30 1"},
		"user_city": {"city", "Berlin"}, "user_country": {"country", "DE"}, "user_department": {"department", "Sales"},
		"user_job_title": {"jobTitle", "Lead"}, "user_mobile_phone": {"mobilePhone", "+49 170 1"}, "user_office_location": {"officeLocation", "Berlin"},
		"user_postal_code": {"postalCode", "10827"}, "user_state": {"state", "BE"}, "user_street_address": {"streetAddress", "Main 1"},
		"employeeId": {"employeeId", "E-1"}, "employeeType": {"employeeType", "Permanent"}, "companyName": {"companyName", "Example"},
		"displayName": {"displayName", "M. Okafor"}, "costCenter": {"employeeOrgData.costCenter", "4410"}, "division": {"employeeOrgData.division", "Retail"},
		"usageLocation": {"usageLocation", "DE"}, "preferredLanguage": {"preferredLanguage", "en-US"},
	}
	if got := directory.Desire(&user, here, directory.DefaultSettings()).Attributes; !cmp.Equal(got, always) {
		t.Errorf("without rules: %s", cmp.Diff(always, got))
	}
	for rule, writes := range optional {
		settings := directory.DefaultSettings()
		settings.Attributes[rule] = true
		want := always.Set([]directory.Change{{Attribute: writes.attribute, To: directory.Value{writes.value}}})
		if got := directory.Desire(&user, here, settings).Attributes; !cmp.Equal(got, want) {
			t.Errorf("rule %s: %s", rule, cmp.Diff(want, got))
		}
		settings.Attributes[rule] = false
		if got := directory.Desire(&user, here, settings).Attributes; !cmp.Equal(got, always) {
			t.Errorf("rule %s off: %s", rule, cmp.Diff(always, got))
		}
	}
}

func TestCustomAttributes(t *testing.T) {
	settings := directory.DefaultSettings()
	settings.CustomAttributes = map[string]directory.ExtensionAttribute{"badge": "extensionAttribute3", "shoe": "extensionAttribute15"}
	user := directory.User{Username: "ann", Email: "ann@corp.example", State: directory.Activated, Attributes: map[string]string{"badge": " B7 "}}
	got := directory.Desire(&user, here, settings).Attributes
	want := directory.Attributes{"onPremisesExtensionAttributes.extensionAttribute3": {"B7"}, "onPremisesExtensionAttributes.extensionAttribute15": nil}
	if !cmp.Equal(got.Only(want), want) {
		t.Error(cmp.Diff(want, got.Only(want)))
	}
}

func TestManagerIsExportedByRule(t *testing.T) {
	user := directory.User{Username: "ann", Email: "ann@corp.example", State: directory.Activated, Manager: "m1"}
	settings := directory.DefaultSettings()
	if d := directory.Desire(&user, here, settings); d.HasManager || d.Manager != "" {
		t.Errorf("got %+v without the rule, want no manager", d)
	}
	settings.Attributes["user_manager"] = true
	if d := directory.Desire(&user, here, settings); !d.HasManager || d.Manager != "m1" {
		t.Errorf("got %+v with the rule, want the manager m1", d)
	}
}

func TestUsageLocation(t *testing.T) {
	settings := directory.DefaultSettings()
	settings.Attributes["usageLocation"] = true
	for _, tc := range []struct {
		custom, country string
		want            directory.Value
		problems        int
	}{
		{"", "de", directory.Value{"DE"}, 0},
		{"fr", "DE", directory.Value{"FR"}, 0},
		{"", "Germany", nil, 1},
		{"", "", nil, 0}, // Entra cannot clear it, so it is not written
	} {
		user := directory.User{Username: "ann", Email: "ann@corp.example", Work: directory.Address{Country: tc.country}, Attributes: map[string]string{"usageLocation": tc.custom}}
		d := directory.Desire(&user, here, settings)
		value, exported := d.Attributes["usageLocation"]
		if !value.Equal(tc.want) || exported != (tc.want != nil) || len(d.Problems) != tc.problems {
			t.Errorf("%+v: got %v (exported %v), problems %+v; want %v, %d problems", tc, value, exported, d.Problems, tc.want, tc.problems)
		}
	}
}

func TestDomainsAreComparedWithTheTenant(t *testing.T) {
	tenant := directory.Tenant{Name: "Contoso", VerifiedDomains: []string{"contoso.example"}}
	user := directory.User{Username: "ann", Email: "ann@CONTOSO.example", FirstName: "Ann", State: directory.Activated}
	if d := directory.Desire(&user, here, directory.DefaultSettings()).In(tenant); d.Obstacle != nil || d.UPN == "" {
		t.Errorf("got %+v of a verified domain, want a sign-in name", d)
	}
	user.Email = "ann@other.example"
	d := directory.Desire(&user, here, directory.DefaultSettings()).In(tenant)
	if d.Obstacle == nil || d.Obstacle.Reason != directory.DomainNotVerified || d.Obstacle.Message != "other.example is not a verified domain of tenant Contoso: verify it in Entra or change the user's e-mail" {
		t.Errorf("got obstacle %+v, want %s with the domain and the tenant", d.Obstacle, directory.DomainNotVerified)
	}
	if _, named := d.Attributes["userPrincipalName"]; named || !d.Attributes["givenName"].Equal(directory.Value{"Ann"}) {
		t.Errorf("got attributes %+v, want those that need no sign-in name", d.Attributes)
	}
}

func TestEmptiedFieldClears(t *testing.T) {
	settings := directory.DefaultSettings()
	settings.Attributes["user_job_title"] = true
	user := directory.User{Username: "ann", Email: "ann@corp.example", FirstName: "Ann", State: directory.Activated, Fields: map[string]string{"jobTitle": "  "}}
	wanted := directory.Desire(&user, here, settings).Attributes
	changes := directory.Attributes{"jobTitle": {"Lead"}, "surname": {"Lee"}}.ChangesTo(directory.Attributes{"jobTitle": wanted["jobTitle"], "surname": wanted["surname"]})
	want := []directory.Change{{Attribute: "jobTitle", From: directory.Value{"Lead"}}, {Attribute: "surname", From: directory.Value{"Lee"}}}
	if !cmp.Equal(changes, want) {
		t.Error(cmp.Diff(want, changes))
	}
}

func TestDisplayNameIsNeverEmpty(t *testing.T) {
	for _, tc := range []struct {
		user directory.User
		want string
	}{
		{directory.User{Username: "ann", FirstName: "Ann", LastName: "Lee", DisplayName: "Annie"}, "Ann Lee"},
		{directory.User{Username: "ann", LastName: "Lee"}, "Lee"},
		{directory.User{Username: "ann", DisplayName: "Annie"}, "Annie"},
		{directory.User{Username: "ann"}, "ann"},
	} {
		got := directory.Desire(&tc.user, here, directory.DefaultSettings()).Attributes["displayName"].String()
		if got != tc.want {
			t.Errorf("%+v: displayName %q, want %q", tc.user, got, tc.want)
		}
	}
}

func TestUPNsDifferOnlyBeyondCase(t *testing.T) {
	now := directory.Attributes{"userPrincipalName": {"Ann@Corp.example"}, "givenName": {"ann"}}
	changes := now.ChangesTo(directory.Attributes{"userPrincipalName": {"ann@corp.example"}, "givenName": {"Ann"}})
	if len(changes) != 1 || changes[0].Attribute != "givenName" {
		t.Errorf("got changes %+v, want the given name only", changes)
	}
}

func TestValueJSON(t *testing.T) {
	for _, tc := range []struct {
		value directory.Value
		text  string
	}{{nil, "null"}, {directory.Value{"a"}, `"a"`}, {directory.Value{"a", "b"}, `["a","b"]`}} {
		encoded, err := json.Marshal(tc.value)
		if err != nil || string(encoded) != tc.text {
			t.Errorf("got %s, %v of %v, want %s", encoded, err, tc.value, tc.text)
		}
		var back directory.Value
		if err := json.Unmarshal(encoded, &back); err != nil || !back.Equal(tc.value) {
			t.Errorf("got %v, %v of %s, want %v", back, err, encoded, tc.value)
		}
	}
}

func TestValueReadsBooleans(t *testing.T) {
	for _, yes := range []bool{true, false} {
		encoded, err := json.Marshal(yes)
		if err != nil {
			t.Fatal(err)
		}
		var value directory.Value
		if err := json.Unmarshal(encoded, &value); err != nil || !value.Equal(directory.Bool(yes)) {
			t.Errorf("%s: got %v, %v; want %v", encoded, value, err, directory.Bool(yes))
		}
	}
}

func TestSettingsCheckNamesTheSetting(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*directory.Settings)
		subject string
	}{
		{"mapped e-mail", func(s *directory.Settings) { s.MappedEmail = "private" }, "settings.mappedEmail"},
		{"no domain", func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: "corp"}} }, "settings.domains[0].name"},
		{"odd domain", func(s *directory.Settings) { s.Domains = []directory.Domain{{Name: "..corp.example.."}} }, "settings.domains[0].name"},
		{"long domain", func(s *directory.Settings) {
			s.Domains = []directory.Domain{{Name: strings.Repeat("d", 41) + ".example"}}
		}, "settings.domains[0].name"},
		{"twice", func(s *directory.Settings) { s.Domains = withDomains("a.example", "A.example").Domains }, "settings.domains[1].name"},
		{"two defaults", func(s *directory.Settings) { s.Domains = withDomains("*a.example", "*b.example").Domains }, "settings.domains[1].default"},
		{"no such extension attribute", func(s *directory.Settings) {
			s.CustomAttributes["badge"] = "extensionAttribute16"
		}, "settings.customAttributes.badge"},
		{"two for one extension attribute", func(s *directory.Settings) {
			s.CustomAttributes["badge"], s.CustomAttributes["card"] = "extensionAttribute1", "extensionAttribute1"
		}, "settings.customAttributes.card"},
		{"custom attribute without a name", func(s *directory.Settings) {
			s.CustomAttributes[""] = "extensionAttribute1"
		}, "settings.customAttributes."},
		{"unknown rule", func(s *directory.Settings) { s.Attributes["user_shoe_size"] = true }, "settings.attributes.user_shoe_size"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings := directory.DefaultSettings()
			tc.change(&settings)
			if got := subjectOf(settings.Check()); got != tc.subject {
				t.Errorf("got subject %q, want %q", got, tc.subject)
			}
		})
	}
	if err := directory.DefaultSettings().Check(); err != nil {
		t.Errorf("got %v for the defaults, want no error", err)
	}
}
