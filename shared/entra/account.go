package entra

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// setters put the value of an attribute into a fresh model. A value without a
// text is set to nil, which goes out as null and clears the attribute; a list is
// cleared with an empty list.
var setters = map[directory.Attribute]func(*models.User, directory.Value){
	directory.GivenName:         func(u *models.User, v directory.Value) { u.SetGivenName(pointer(v)) },
	directory.Surname:           func(u *models.User, v directory.Value) { u.SetSurname(pointer(v)) },
	directory.DisplayName:       func(u *models.User, v directory.Value) { u.SetDisplayName(pointer(v)) },
	directory.UserPrincipalName: func(u *models.User, v directory.Value) { u.SetUserPrincipalName(pointer(v)) },
	directory.MailNickname:      func(u *models.User, v directory.Value) { u.SetMailNickname(pointer(v)) },
	directory.AccountEnabled:    func(u *models.User, v directory.Value) { yes := v.String() == "true"; u.SetAccountEnabled(&yes) },
	directory.ImmutableID:       func(u *models.User, v directory.Value) { u.SetOnPremisesImmutableId(pointer(v)) },
	directory.OtherMails:        func(u *models.User, v directory.Value) { u.SetOtherMails(list(v)) },
	directory.BusinessPhones:    func(u *models.User, v directory.Value) { u.SetBusinessPhones(list(v)) },
	directory.City:              func(u *models.User, v directory.Value) { u.SetCity(pointer(v)) },
	directory.Country:           func(u *models.User, v directory.Value) { u.SetCountry(pointer(v)) },
	directory.Department:        func(u *models.User, v directory.Value) { u.SetDepartment(pointer(v)) },
	directory.JobTitle:          func(u *models.User, v directory.Value) { u.SetJobTitle(pointer(v)) },
	directory.MobilePhone:       func(u *models.User, v directory.Value) { u.SetMobilePhone(pointer(v)) },
	directory.OfficeLocation:    func(u *models.User, v directory.Value) { u.SetOfficeLocation(pointer(v)) },
	directory.PostalCode:        func(u *models.User, v directory.Value) { u.SetPostalCode(pointer(v)) },
	directory.State:             func(u *models.User, v directory.Value) { u.SetState(pointer(v)) },
	directory.StreetAddress:     func(u *models.User, v directory.Value) { u.SetStreetAddress(pointer(v)) },
	directory.EmployeeID:        func(u *models.User, v directory.Value) { u.SetEmployeeId(pointer(v)) },
	directory.EmployeeType:      func(u *models.User, v directory.Value) { u.SetEmployeeType(pointer(v)) },
	directory.CompanyName:       func(u *models.User, v directory.Value) { u.SetCompanyName(pointer(v)) },
	directory.UsageLocation:     func(u *models.User, v directory.Value) { u.SetUsageLocation(pointer(v)) },
	directory.PreferredLanguage: func(u *models.User, v directory.Value) { u.SetPreferredLanguage(pointer(v)) },
	directory.CostCenter:        func(u *models.User, v directory.Value) { orgData(u).SetCostCenter(pointer(v)) },
	directory.Division:          func(u *models.User, v directory.Value) { orgData(u).SetDivision(pointer(v)) },
}

// orgData is the part of a model that holds cost centre and division.
func orgData(u *models.User) models.EmployeeOrgDataable {
	if u.GetEmployeeOrgData() == nil {
		u.SetEmployeeOrgData(models.NewEmployeeOrgData())
	}
	return u.GetEmployeeOrgData()
}

// setExtension puts an extension attribute into a model; it reports whether the
// attribute is one.
func setExtension(u *models.User, name directory.Attribute, v directory.Value) bool {
	extension, is := strings.CutPrefix(string(name), "onPremisesExtensionAttributes.")
	if !is {
		return false
	}
	if u.GetOnPremisesExtensionAttributes() == nil {
		u.SetOnPremisesExtensionAttributes(models.NewOnPremisesExtensionAttributes())
	}
	inside := u.GetOnPremisesExtensionAttributes()
	values := inside.GetAdditionalData()
	values[extension] = nil
	if len(v) > 0 {
		values[extension] = pointer(v)
	}
	inside.SetAdditionalData(values)
	return true
}

// pointer is the one text of a value, nil without one.
func pointer(v directory.Value) *string {
	if len(v) == 0 {
		return nil
	}
	return &v[0]
}

// list is a value for a list attribute: never nil, because the SDK leaves a nil
// list out of the body.
func list(v directory.Value) []string {
	if v == nil {
		return []string{}
	}
	return slices.Clone(v)
}

// model is a fresh model with exactly the changes of an action. A model is never
// reused: a second PATCH would send the values of the first again.
func model(action plan.Action) (*models.User, error) {
	u := models.NewUser()
	for _, change := range action.Changes {
		if setExtension(u, change.Attribute, change.To) {
			continue
		}
		set, known := setters[change.Attribute]
		if !known {
			return nil, &fault.Error{Op: "entra.model", Kind: fault.Internal, Subject: string(change.Attribute), Message: "no way is known to write this attribute"}
		}
		set(u, change.To)
	}
	if action.Type == plan.Provision {
		u.SetPasswordProfile(unknownPassword())
	}
	return u, nil
}

// unknownPassword is the password of a new account: long, random, and forgotten
// as soon as it was sent. Nobody signs in with it. It has all four classes of
// characters, and none of its parts is as long as a name: Entra refuses a password that
// holds the user's (Microsoft Entra documentation, password policies). No sign-in name has the
// character between.
func unknownPassword() models.PasswordProfileable {
	const between, longest = "$", 2
	parts := []string{"a", "A", "1"}
	for part := range slices.Chunk([]byte(rand.Text()), longest) {
		parts = append(parts, string(part))
	}
	return profileOf(strings.Join(parts, between))
}

// accountFields are read of every account that is looked up, whatever the rules
// export.
var accountFields = []string{"id", "userPrincipalName", "accountEnabled", "onPremisesImmutableId", "onPremisesSyncEnabled", "isManagementRestricted", "userType"}

// accountOf reads an account from the body of an answer, with the values of the
// attributes asked for.
func accountOf(body []byte, attributes []directory.Attribute) (*directory.Account, error) {
	var known struct {
		ID                     string `json:"id"`
		UserPrincipalName      string `json:"userPrincipalName"`
		AccountEnabled         bool   `json:"accountEnabled"`
		OnPremisesImmutableID  string `json:"onPremisesImmutableId"`
		OnPremisesSyncEnabled  bool   `json:"onPremisesSyncEnabled"`
		IsManagementRestricted bool   `json:"isManagementRestricted"`
		UserType               string `json:"userType"`
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(body, &known); err != nil {
		return nil, &fault.Error{Op: "entra.read account", Kind: fault.Transient, Message: "Graph's answer cannot be read", Err: err}
	}
	if err := json.Unmarshal(body, &values); err != nil || known.ID == "" {
		return nil, &fault.Error{Op: "entra.read account", Kind: fault.Transient, Message: "Graph answered with an account that has no id", Err: err}
	}
	account := &directory.Account{
		ID: directory.EntraID(known.ID), UPN: directory.UPN(known.UserPrincipalName), ImmutableID: known.OnPremisesImmutableID,
		Enabled: known.AccountEnabled, SyncedFromOnPremises: known.OnPremisesSyncEnabled, ManagementRestricted: known.IsManagementRestricted,
		Guest: strings.EqualFold(known.UserType, "Guest"), Attributes: directory.Attributes{},
	}
	for _, name := range attributes {
		value, err := valueOf(values, name)
		if err != nil {
			return nil, &fault.Error{Op: "entra.read account", Kind: fault.Transient, Subject: string(name), Message: "Graph's answer cannot be read", Err: err}
		}
		account.Attributes[name] = value
	}
	return account, nil
}

// valueOf reads one attribute: a property, a part of one, or the id of the
// manager.
func valueOf(properties map[string]json.RawMessage, name directory.Attribute) (value directory.Value, err error) {
	whole, part, inside := strings.Cut(string(name), ".")
	if name == directory.Manager {
		part, inside = "id", true
	}
	raw, present := properties[whole]
	if present && inside {
		var parts map[string]json.RawMessage
		if err := json.Unmarshal(raw, &parts); err != nil {
			return nil, err
		}
		raw, present = parts[part]
	}
	if !present {
		return nil, nil
	}
	return value, json.Unmarshal(raw, &value)
}
