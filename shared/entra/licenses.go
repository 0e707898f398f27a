package entra

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// licenseStates is the property that says of each license of an account whether it comes from
// a group. The property assignedLicenses does not say it (Microsoft Graph documentation, user
// resource and licenseAssignmentState).
const licenseStates = "licenseAssignmentStates"

// licensing is the request that gives and takes licenses; needed is false if there are none.
// Graph wants both lists, and an empty one may not be left out (msgraph-sdk-powershell 3361).
// It does all or nothing, so that a license is taken together with those that need it. The
// SDK's body is not used: it leaves empty lists out.
func (c *Client) licensing(action plan.Action) (info *abstractions.RequestInformation, needed bool, err error) {
	type license struct {
		SKU           string   `json:"skuId"`
		DisabledPlans []string `json:"disabledPlans"`
	}
	body := struct {
		Add    []license `json:"addLicenses"`
		Remove []string  `json:"removeLicenses"`
	}{[]license{}, []string{}}
	for _, change := range action.Changes {
		if change.Attribute != directory.AssignedLicenses {
			continue
		}
		for _, given := range directory.LicensesIn(change.To) {
			body.Add = append(body.Add, license{given.SKU, append([]string{}, given.DisabledPlans...)})
		}
		for _, taken := range directory.LicensesIn(change.From) {
			body.Remove = append(body.Remove, taken.SKU)
		}
	}
	if len(body.Add)+len(body.Remove) == 0 {
		return nil, false, nil
	}
	info = abstractions.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		abstractions.POST, "{+baseurl}/users/{id}/assignLicense", map[string]string{"baseurl": c.baseURL, "id": string(action.EntraID)})
	info.Content, err = json.Marshal(body)
	return info, true, err
}

// licensesOf reads the licenses of an account: those that it has by itself, and those that it
// has as a member of groups. An answer that says nothing of licenses is an error, and not an
// account without any. A license whose assignment failed is one all the same: it can be taken.
func licensesOf(properties map[string]json.RawMessage) (own []directory.License, byGroup []directory.GroupLicense, err error) {
	var states []*struct {
		SKU           string   `json:"skuId"`
		Group         string   `json:"assignedByGroup"`
		DisabledPlans []string `json:"disabledPlans"`
	}
	if err := json.Unmarshal(properties[licenseStates], &states); err != nil {
		return nil, nil, err
	}
	if states == nil {
		return nil, nil, errors.New("the answer does not say which licenses the account has")
	}
	own, byGroup = []directory.License{}, []directory.GroupLicense{}
	for _, state := range states {
		switch {
		case state == nil || state.SKU == "":
			return nil, nil, errors.New("a license has no product")
		case state.Group != "":
			byGroup = append(byGroup, directory.GroupLicense{SKU: strings.ToLower(state.SKU), Group: directory.EntraID(state.Group)})
		default:
			own = append(own, directory.License{SKU: strings.ToLower(state.SKU), DisabledPlans: slices.Sorted(slices.Values(state.DisabledPlans))})
		}
	}
	return own, byGroup, nil
}

// The texts of Graph about licenses (observed by users: CIPP 4090, msgraph-sdk-powershell
// 3361, and scripts that compare them). The last one begins several: that a part needs a part
// of another license, or excludes it.
const (
	licenseGone      = "User does not have a corresponding license"
	licenseByGroup   = "User license is inherited from a group membership"
	licenseUnknown   = "does not correspond to a valid company License"
	licenseNoneFree  = "does not have any available licenses"
	licenseNoCountry = "License assignment cannot be done for user with invalid usage location"
	licenseConflict  = "License assignment failed"
)

// licensePhrases are what these texts mean.
var licensePhrases = []phrase{
	{licenseGone, fault.Transient, directory.LicenseRefused, directory.AssignedLicenses, "the account does not have the license by itself any more: its licenses are read again"},
	{licenseByGroup, fault.Invalid, directory.LicenseRefused, directory.AssignedLicenses, "the account has the license as a member of a group, or a license of a group needs it: take the account out of that group, or the license off the group"},
	{licenseUnknown, fault.Invalid, directory.LicenseRefused, directory.AssignedLicenses, "the tenant has no subscription any more to one of the licenses: give the account another one by hand"},
	{licenseNoneFree, fault.Invalid, directory.LicenseRefused, directory.AssignedLicenses, "the tenant has no license of that product left: buy one, or take one off another account, and try again"},
	{licenseNoCountry, fault.Invalid, directory.LicenseRefused, directory.UsageLocation, "Entra gives no license to an account without a usage location: set it in Entra, or turn its rule on, and try again"},
	{licenseConflict, fault.Invalid, directory.LicenseRefused, directory.AssignedLicenses, "a part of a license needs another license of the account, or excludes it: change the licenses in Entra by hand"},
}

// licensesIn reads the licenses in the body of an account.
func licensesIn(body []byte) (own []directory.License, byGroup []directory.GroupLicense, err error) {
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(body, &properties); err != nil {
		return nil, nil, err
	}
	return licensesOf(properties)
}
