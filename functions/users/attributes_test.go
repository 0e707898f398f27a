package users_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// inEntra reads an attribute of an account in Entra: nil, a text, or the texts of a
// list.
func inEntra(account entratest.User, name directory.Attribute) any {
	property, part, inside := strings.Cut(string(name), ".")
	value := account.Properties[property]
	if parts, is := value.(map[string]any); is && inside {
		value = parts[part]
	}
	if list, is := value.([]any); is && len(list) == 0 {
		return nil
	}
	return value
}

// phones are phone numbers as JumpCloud has them.
func phones(kind, number string) []any { return []any{map[string]any{"type": kind, "number": number}} }

// work is a work address as JumpCloud has it.
func work(field, value string) []any { return []any{map[string]any{"type": "work", field: value}} }

// custom is a custom attribute as JumpCloud has it.
func custom(name, value string) []any { return []any{map[string]any{"name": name, "value": value}} }

// field returns the change of a user in JumpCloud that sets a field.
type field func(value string) jumpcloudtest.Fields

// plain is a field with a plain value.
func plain(name string) field {
	return func(v string) jumpcloudtest.Fields { return jumpcloudtest.Fields{name: v} }
}

// inside is a field with its value in a list.
func inside(name string, list func(kind, value string) []any, kind string) field {
	return func(v string) jumpcloudtest.Fields { return jumpcloudtest.Fields{name: list(kind, v)} }
}

// attributeRules are the optional rules except display name and manager: what each
// writes, from which field, with two test values.
var attributeRules = map[directory.Rule]struct {
	attribute directory.Attribute
	set       field
	values    [2]string
}{
	"user_alternate_email": {"otherMails", plain("alternateEmail"), [2]string{"a@home.example", "b@home.example"}},
	"user_business_phones": {"businessPhones", inside("phoneNumbers", phones, "work"), [2]string{"+1 1", "+1 2"}},
	"user_mobile_phone":    {"mobilePhone", inside("phoneNumbers", phones, "mobile"), [2]string{"+1 1", "+1 2"}},
	"user_city":            {"city", inside("addresses", work, "locality"), [2]string{"Oslo", "Rome"}},
	"user_country":         {"country", inside("addresses", work, "country"), [2]string{"NO", "IT"}},
	"user_postal_code":     {"postalCode", inside("addresses", work, "postalCode"), [2]string{"1", "2"}},
	"user_state":           {"state", inside("addresses", work, "region"), [2]string{"BE", "BY"}},
	"user_street_address":  {"streetAddress", inside("addresses", work, "streetAddress"), [2]string{"Main 1", "Main 2"}},
	"user_department":      {"department", plain("department"), [2]string{"Sales", "Ops"}},
	"user_job_title":       {"jobTitle", plain("jobTitle"), [2]string{"Lead", "Boss"}},
	"user_office_location": {"officeLocation", plain("location"), [2]string{"HQ", "Lab"}},
	"employeeId":           {"employeeId", plain("employeeIdentifier"), [2]string{"E-1", "E-2"}},
	"employeeType":         {"employeeType", plain("employeeType"), [2]string{"Staff", "Guest"}},
	"companyName":          {"companyName", plain("company"), [2]string{"Contoso", "Fabrikam"}},
	"costCenter":           {"employeeOrgData.costCenter", plain("costCenter"), [2]string{"1", "2"}},
	"division":             {"employeeOrgData.division", inside("attributes", custom, "division"), [2]string{"East", "West"}},
	"preferredLanguage":    {"preferredLanguage", inside("attributes", custom, "preferredLanguage"), [2]string{"de", "en-US"}},
	"usageLocation":        {"usageLocation", inside("attributes", custom, "usageLocation"), [2]string{"DE", "FR"}},
}

// Every optional rule: when off it writes nothing; when turned on it writes at once to
// users that are already linked; it writes a changed field and clears an empty one;
// turned off again it leaves the value.
func TestEveryAttributeRule(t *testing.T) {
	for _, rule := range directory.Rules() {
		tc, tested := attributeRules[rule]
		if !tested {
			if rule != "displayName" && rule != "user_manager" {
				t.Errorf("the rule %s is not tested", rule)
			}
			continue
		}
		t.Run(string(rule), func(t *testing.T) {
			f := newFixture(t)
			f.settings(func(s *directory.Settings) { s.Attributes = map[directory.Rule]bool{} })
			ann := f.person("ann")
			shown := func(value string) any {
				if tc.attribute.Facts().Form == directory.ListForm {
					return []any{value}
				}
				return value
			}
			holds := func(when string, want any) {
				t.Helper()
				f.run(ann)
				if got := inEntra(f.account("ann@contoso.example"), tc.attribute); !cmp.Equal(got, want) {
					t.Errorf("%s: %v, want %v; link %+v", when, got, want, f.link(ann))
				}
			}
			f.update(ann, tc.set(tc.values[0]))
			holds("rule off", nil)
			f.settings(func(s *directory.Settings) { s.Attributes[rule] = true })
			holds("rule on", shown(tc.values[0]))
			f.update(ann, tc.set(tc.values[1]))
			holds("changed", shown(tc.values[1]))
			f.update(ann, tc.set(""))
			if tc.attribute.Facts().Kept {
				holds("emptied", shown(tc.values[1]))
			} else {
				holds("emptied", nil)
			}
			f.update(ann, tc.set(tc.values[0]))
			holds("filled again", shown(tc.values[0]))
			f.settings(func(s *directory.Settings) { s.Attributes[rule] = false })
			f.update(ann, tc.set(tc.values[1]))
			holds("rule off again", shown(tc.values[0]))
			if link := f.link(ann); link.Status != directory.Synced {
				t.Errorf("link: %+v, want Status %v", link, directory.Synced)
			}
		})
	}
}

func TestDisplayNameFollowsItsRule(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.update(ann, jumpcloudtest.Fields{"displayname": "Annie L."})
	f.run(ann)
	if got := f.account("ann@contoso.example").DisplayName; got != "ann Lee" {
		t.Errorf("rule off: %q, want \"ann Lee\"", got)
	}
	f.settings(func(s *directory.Settings) { s.Attributes["displayName"] = true })
	f.run(ann)
	if got := f.account("ann@contoso.example").DisplayName; got != "Annie L." {
		t.Errorf("rule on: %q, want \"Annie L.\"", got)
	}
}

func TestCustomAttributesBecomeExtensionAttributes(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) {
		s.CustomAttributes = map[string]directory.ExtensionAttribute{"badge": "extensionAttribute3", "car": "extensionAttribute4"}
	})
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{
		"onPremisesExtensionAttributes": map[string]any{"extensionAttribute1": "theirs", "extensionAttribute4": "old"}}})
	f.must(err)
	ann := f.person("ann")
	f.update(ann, jumpcloudtest.Fields{"attributes": custom("badge", "B7")})
	f.run(ann)
	account := f.account("ann@contoso.example")
	for n, want := range map[directory.Attribute]any{"1": "theirs", "3": "B7", "4": nil} {
		if got := inEntra(account, "onPremisesExtensionAttributes.extensionAttribute"+n); got != want {
			t.Errorf("extensionAttribute%s is %v, want %v", n, got, want)
		}
	}
	if n := f.requests(func() { f.run(ann) }); n != 0 {
		t.Errorf("another sync cost %d requests, want 0", n)
	}
}

// Cost centre and division are one property in Entra: a write of one keeps the other.
func TestHalfOfTheEmployeeOrgDataIsLeftAlone(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) { s.Attributes["costCenter"] = true })
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{
		"employeeOrgData": map[string]any{"costCenter": "1", "division": "theirs"}}})
	f.must(err)
	ann := f.person("ann")
	for _, center := range []string{"2", "", "3"} {
		f.update(ann, jumpcloudtest.Fields{"costCenter": center})
		f.run(ann)
		account := f.account("ann@contoso.example")
		got, _ := inEntra(account, "employeeOrgData.costCenter").(string)
		if got != center || inEntra(account, "employeeOrgData.division") != "theirs" {
			t.Errorf("after cost centre %q: %v; link %+v", center, account.Properties["employeeOrgData"], f.link(ann))
		}
	}
}

func TestOneBadAttributeDoesNotKeepTheOthersBack(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) { s.Attributes["employeeId"] = true })
	ann := f.person("ann")
	f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead", "employeeIdentifier": "far-too-long-for-entra"})
	f.run(ann)
	account, link := f.account("ann@contoso.example"), f.link(ann)
	if account.Text("jobTitle") != "Lead" || account.Text("employeeId") != "" || !account.AccountEnabled {
		t.Errorf("account: %+v, want jobTitle \"Lead\", employeeId \"\", AccountEnabled true", account)
	}
	if link.Status != directory.Parked || link.Reason != directory.InvalidValue || link.State != directory.Enabled || len(link.Problems) != 1 ||
		link.Problems[0].Attribute != "employeeId" || link.Message != "employeeId has 22 characters and Entra takes 16: change it in JumpCloud (employeeIdentifier)" {
		t.Errorf("link: %+v", link)
	}
	f.update(ann, jumpcloudtest.Fields{"employeeIdentifier": "E-1"})
	f.run(ann)
	if link := f.link(ann); link.Status != directory.Synced || len(link.Problems) != 0 || f.account("ann@contoso.example").Text("employeeId") != "E-1" {
		t.Errorf("mended: %+v", link)
	}
}

// If only Entra can see that a value is bad, the refused attributes are written one by
// one to find it, whether the refusal names the attribute or not.
func TestARefusedAttributeIsFoundOut(t *testing.T) {
	named := map[string]any{"error": map[string]any{"code": "Request_BadRequest", "message": "Invalid value specified for property 'jobTitle' of resource 'User'.",
		"details": []any{map[string]any{"code": "InvalidValue", "message": "x", "target": "jobTitle"}}}}
	for _, linked := range []bool{false, true} {
		f := newFixture(t)
		f.settings(func(s *directory.Settings) { s.Attributes["user_department"] = true })
		ann := f.person("ann")
		if linked {
			f.run(ann)
		}
		f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead", "department": "Sales"})
		f.must(f.entra.FailNext(entratest.Fault{Path: `^/v1\.0/users(/[^/]*)?$`, Method: map[bool]string{false: "POST", true: "PATCH"}[linked], Status: 400, Body: named}))
		if again := f.run(ann); again != 0 {
			t.Errorf("linked %v: %d messages come again, want 0", linked, again)
		}
		account, link := f.account("ann@contoso.example"), f.link(ann)
		if account.Text("department") != "Sales" || account.Text("jobTitle") != "" || !account.AccountEnabled {
			t.Errorf("linked %v: %+v, want department \"Sales\", jobTitle \"\", AccountEnabled true", linked, account.Properties)
		}
		if link.Status != directory.Parked || link.Reason != directory.InvalidValue || len(link.Problems) != 1 || link.Problems[0].Attribute != "jobTitle" {
			t.Errorf("linked %v: link %+v, want Status %v, Reason %v, 1 Problems, Attribute \"jobTitle\"", linked, link, directory.Parked, directory.InvalidValue)
		}
		f.run(ann) // tries the attribute alone once more, and now Entra accepts it
		if link := f.link(ann); link.Status != directory.Synced || f.account("ann@contoso.example").Text("jobTitle") != "Lead" {
			t.Errorf("linked %v, synced again: %+v", linked, link)
		}
	}
}

func TestARefusalWithoutANameIsFoundOut(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) {
		s.CustomAttributes = map[string]directory.ExtensionAttribute{"badge": "extensionAttribute1"}
	})
	_, err := f.accounts.AddUser(entratest.User{UserPrincipalName: "ann@contoso.example", EverSynced: true})
	f.must(err)
	ann := f.person("ann")
	f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead", "attributes": custom("badge", "B7")})
	f.run(ann)
	account, link := f.account("ann@contoso.example"), f.link(ann)
	if account.Text("jobTitle") != "Lead" || link.Origin != directory.TakenOver {
		t.Errorf("the rest was not written: %+v, %+v", account.Properties, link)
	}
	if link.Status != directory.Parked || len(link.Problems) != 1 || link.Problems[0].Attribute != "onPremisesExtensionAttributes.extensionAttribute1" || link.Message == "" {
		t.Errorf("link: %+v, want Status %v, 1 Problems, Attribute \"onPremisesExtensionAttributes.extensionAttribute1\", Message not \"\"", link, directory.Parked)
	}
	f.update(ann, jumpcloudtest.Fields{"jobTitle": "Boss"})
	before := len(f.actions())
	f.run(ann)
	if n := len(f.actions()) - before; n != 2 || f.account("ann@contoso.example").Text("jobTitle") != "Boss" {
		t.Errorf("%d actions; want one attempt with the attribute that is known to be refused, apart from the rest", n)
	}
}

// Entra gives the same answer for every attribute that another service manages. The
// users function finds out which attribute it is, and writes all others, also those
// that Entra refused for another account.
func TestAttributesThatAnotherServiceOwnsAreFoundOut(t *testing.T) {
	const badge = "onPremisesExtensionAttributes.extensionAttribute1"
	for name, tc := range map[string]struct {
		account entratest.User
		refused []directory.Attribute
	}{
		"made by Exchange":    {entratest.User{MadeByExchange: true}, []directory.Attribute{"employeeId"}},
		"synchronised once":   {entratest.User{EverSynced: true}, []directory.Attribute{badge}},
		"one and the other":   {entratest.User{MadeByExchange: true, EverSynced: true}, []directory.Attribute{"employeeId", badge}},
		"neither, and linked": {entratest.User{}, nil},
	} {
		for _, linked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, linked %v", name, linked), func(t *testing.T) {
				f := newFixture(t)
				f.settings(func(s *directory.Settings) {
					s.Attributes["employeeId"], s.CustomAttributes = true, map[string]directory.ExtensionAttribute{"badge": "extensionAttribute1"}
				})
				tc.account.UserPrincipalName = "ann@contoso.example"
				_, err := f.accounts.AddUser(tc.account)
				f.must(err)
				ann := f.person("ann")
				if linked {
					f.run(ann)
				}
				f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead", "employeeIdentifier": "E-1", "attributes": custom("badge", "B7")})
				if again := f.run(ann); again != 0 {
					t.Errorf("%d messages come again, want 0", again)
				}
				account, link := f.account("ann@contoso.example"), f.link(ann)
				var refused []directory.Attribute
				for _, p := range link.Problems {
					if refused = append(refused, p.Attribute); p.Reason != directory.MasteredElsewhere {
						t.Errorf("problem %+v, want Reason %v", p, directory.MasteredElsewhere)
					}
				}
				if !cmp.Equal(refused, tc.refused) || account.Text("jobTitle") != "Lead" || link.Origin != directory.TakenOver {
					t.Errorf("refused %v, want %v; link %+v", refused, tc.refused, link)
				}
				for attribute, value := range map[directory.Attribute]any{"employeeId": "E-1", badge: "B7"} {
					if slices.Contains(tc.refused, attribute) {
						value = nil
					}
					if got := inEntra(account, attribute); got != value {
						t.Errorf("%s is %v, want %v", attribute, got, value)
					}
				}
				want := ""
				for i, attribute := range tc.refused {
					if want += string(attribute) + ": "; i < len(tc.refused)-1 {
						want = strings.TrimSuffix(want, ": ") + ", "
					}
				}
				if (link.Status == directory.Parked) != (tc.refused != nil) || !strings.HasPrefix(link.Message, want) || tc.refused != nil && !strings.Contains(link.Message, "in Exchange: change it there") {
					t.Errorf("message %q, want it to begin with %q; %+v", link.Message, want, link)
				}
			})
		}
	}
}

// A conflict that does not name its attribute stops only the attribute in conflict.
func TestAConflictWithoutANameIsFoundOut(t *testing.T) {
	for _, body := range []string{
		`{"error":{"code":"Request_MultipleObjectsWithSameKeyValue","message":"Multiple objects with the same key value were found."}}`,
		`{"error":{"code":"Request_BadRequest","message":"A conflicting object with one or more of the specified property values is present in the directory."}}`,
	} {
		f := newFixture(t)
		ann, bob := f.person("ann"), f.person("bob")
		f.run(ann, bob)
		f.update(ann, jumpcloudtest.Fields{"email": "ann.lee@contoso.example", "jobTitle": "Lead"})
		f.must(f.entra.FailNext(entratest.Fault{Method: "PATCH", Path: `^/v1\.0/users/`, Status: 400, Body: body}))
		if again := f.run(ann); again != 0 {
			t.Errorf("%d messages come again, want 0", again)
		}
		if link := f.link(ann); link.Status != directory.Synced || link.UPN != "ann.lee@contoso.example" || f.account("ann.lee@contoso.example").Text("jobTitle") != "Lead" {
			t.Errorf("nothing was in conflict: %+v", link)
		}
		f.update(bob, jumpcloudtest.Fields{"email": "robert@contoso.example"})
		f.must(f.entra.FailNext(entratest.Fault{Method: "PATCH", Path: `^/v1\.0/users/`, Status: 400, Body: body}))
		f.run(bob)
		if link := f.link(bob); link.Status != directory.Parked || link.Reason != directory.UPNConflict || link.UPN != "bob@contoso.example" || len(link.Problems) != 2 {
			t.Errorf("the name was: %+v, want Status %v, Reason %v, UPN \"bob@contoso.example\", 2 Problems", link, directory.Parked, directory.UPNConflict)
		}
	}
}

// On a protected account the attributes that need a role are refused and all others are
// written.
func TestProtectedAccountGetsWhatItMayGet(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	_, err := f.accounts.SetUserRoles("ann@contoso.example", "Global Administrator")
	f.must(err)
	f.update(ann, jumpcloudtest.Fields{"jobTitle": "Lead", "lastname": "Moss", "phoneNumbers": phones("work", "+1 1")})
	if again := f.run(ann); again != 0 {
		t.Errorf("%d messages come again, want 0", again)
	}
	account, link := f.account("ann@contoso.example"), f.link(ann)
	if account.Text("jobTitle") != "Lead" || account.Text("surname") != "Moss" || inEntra(account, "businessPhones") != nil {
		t.Errorf("account: %+v", account.Properties)
	}
	if link.Status != directory.Parked || link.Reason != directory.ProtectedAccount || len(link.Problems) != 1 || link.Problems[0].Attribute != "businessPhones" || !strings.Contains(link.Message, "administrator role") {
		t.Errorf("link: %+v, want Status %v, Reason %v, 1 Problems, Attribute \"businessPhones\", the text \"administrator role\"", link, directory.Parked, directory.ProtectedAccount)
	}
}

func TestARenameThatIsTakenNamesTheOwnerAndWritesTheRest(t *testing.T) {
	f := newFixture(t)
	f.settings(func(s *directory.Settings) {
		s.Domains = []directory.Domain{{Name: "contoso.example", Default: true}}
	})
	ann, bob := f.person("ann"), f.person("bob")
	f.run(ann, bob)
	f.update(bob, jumpcloudtest.Fields{"email": "ann@elsewhere.example", "jobTitle": "Lead"})
	f.run(bob)
	account, link := f.account("bob@contoso.example"), f.link(bob)
	if account.Text("jobTitle") != "Lead" || account.Text("mailNickname") != "bob" {
		t.Errorf("account: %+v, want jobTitle \"Lead\", mailNickname \"bob\"", account.Properties)
	}
	if link.Status != directory.Parked || link.Reason != directory.UPNConflict || link.UPN != "bob@contoso.example" ||
		link.Message != "ann@contoso.example belongs to the JumpCloud user ann ("+string(ann)+") already: give one of the two another e-mail" {
		t.Errorf("link: %+v", link)
	}
	f.update(ann, jumpcloudtest.Fields{"email": "ann.lee@contoso.example"})
	f.run(ann)
	f.run(bob)
	if link := f.link(bob); link.Status != directory.Synced || link.UPN != "ann@contoso.example" {
		t.Errorf("once the name is free: %+v, want Status %v, UPN \"ann@contoso.example\"", link, directory.Synced)
	}
}

func TestAnUnverifiedDomainIsAReasonBeforeTheWrite(t *testing.T) {
	f := newFixture(t)
	ann := f.person("ann")
	f.run(ann)
	f.update(ann, jumpcloudtest.Fields{"email": "ann@elsewhere.example", "jobTitle": "Lead"})
	f.entra.ResetCounters()
	f.run(ann)
	if writes := f.entra.Counters().WriteUnits; writes != 1 {
		t.Errorf("%d writes, want the job title alone", writes)
	}
	link := f.link(ann)
	if link.Status != directory.Parked || link.Reason != directory.DomainNotVerified || link.Message != "elsewhere.example is not a verified domain of tenant Contoso: verify it in Entra or change the user's e-mail" {
		t.Errorf("link: %+v, want Status %v, Reason %v, Message \"elsewhere.example is not a verified domain of tenant Contoso: verify it in Entra or change the user's e-mail\"", link, directory.Parked, directory.DomainNotVerified)
	}
	if f.account("ann@contoso.example").Text("jobTitle") != "Lead" {
		t.Error("the rest was not written")
	}
}
