package entra

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// model makes a new model with exactly the changes of an action, by their names in
// Graph: attributes are named after Graph's properties, so the typed setters of the
// SDK, one for each, would only repeat that. A model is never reused: a second PATCH
// would send the values of the first again.
func model(action plan.Action) *models.User {
	u := models.NewUser()
	properties := u.GetAdditionalData()
	for _, change := range action.Changes {
		property, part, inside := change.Attribute.Parts()
		if !inside {
			properties[property] = wireValue(change.Attribute, change.To)
			continue
		}
		parts, begun := properties[property].(map[string]any)
		if !begun {
			parts = map[string]any{}
			properties[property] = parts
		}
		parts[part] = wireValue(change.Attribute, change.To)
	}
	u.SetAdditionalData(properties)
	if action.Type == plan.Provision {
		u.SetPasswordProfile(unknownPassword())
	}
	return u
}

// wireValue is a value in the form that its attribute has in Graph. An empty value is
// nil: it is sent as null and clears the attribute. An empty list clears a list.
func wireValue(name directory.Attribute, v directory.Value) any {
	switch form := name.Facts().Form; {
	case form == directory.ListForm:
		return append([]string{}, v...)
	case len(v) == 0:
		return nil
	case form == directory.FlagForm:
		return v.String() == "true"
	default:
		return v.String()
	}
}

// unknownPassword is the password of a new account: long, random, and forgotten as soon
// as it was sent. Nobody signs in with it. It has all four classes of characters. Each
// of its parts is shorter than a name, and no sign-in name has the character between
// them: Entra refuses a password that contains the user's name (reported by third
// parties).
func unknownPassword() models.PasswordProfileable {
	const between, longest = "$", 2
	parts := []string{"a", "A", "1"}
	for part := range slices.Chunk([]byte(rand.Text()), longest) {
		parts = append(parts, string(part))
	}
	return profileOf(strings.Join(parts, between))
}

// accountFields are read of every account, whatever the rules export.
var accountFields = []string{"id", "userPrincipalName", "accountEnabled", "onPremisesImmutableId", "onPremisesSyncEnabled", "isManagementRestricted", "userType"}

// accountOf reads an account, with the values of the given attributes, from the body of
// an answer.
func accountOf(body []byte, attributes []directory.Attribute) (*directory.Account, error) {
	account, err := basicsOf(body)
	if err != nil {
		return nil, err
	}
	if account.Attributes, err = attributesIn(body, attributes); err == nil && slices.Contains(attributes, directory.AssignedLicenses) {
		account.Licenses, account.GroupLicenses, err = licensesIn(body)
	}
	if err != nil {
		return nil, &fault.Error{Op: "entra.read account", Kind: fault.Transient, Message: "Graph's answer cannot be read", Err: err}
	}
	return account, nil
}

// basicsOf reads an account without the values of attributes.
func basicsOf(body []byte) (*directory.Account, error) {
	var known struct {
		ID                     string `json:"id"`
		Type                   string `json:"@odata.type"`
		UserPrincipalName      string `json:"userPrincipalName"`
		AccountEnabled         bool   `json:"accountEnabled"`
		OnPremisesImmutableID  string `json:"onPremisesImmutableId"`
		OnPremisesSyncEnabled  bool   `json:"onPremisesSyncEnabled"`
		IsManagementRestricted bool   `json:"isManagementRestricted"`
		UserType               string `json:"userType"`
	}
	if err := json.Unmarshal(body, &known); err != nil {
		return nil, &fault.Error{Op: "entra.read account", Kind: fault.Transient, Message: "Graph's answer cannot be read", Err: err}
	}
	if known.ID == "" {
		return nil, &fault.Error{Op: "entra.read account", Kind: fault.Transient, Message: "Graph answered with an account that has no id"}
	}
	return &directory.Account{
		ID: directory.EntraID(known.ID), UPN: directory.UPN(known.UserPrincipalName), ImmutableID: known.OnPremisesImmutableID,
		Enabled: known.AccountEnabled, SyncedFromOnPremises: known.OnPremisesSyncEnabled, ManagementRestricted: known.IsManagementRestricted,
		Guest: isGuest(known.UserType), Agent: isAgent(known.Type),
	}, nil
}

// isGuest reports whether a userType is that of a guest. On old accounts it is null: they
// are members (observed by users: msgraph-sdk-dotnet 654).
func isGuest(userType string) bool { return strings.EqualFold(userType, "Guest") }

// agentType is the type of an account of an agent, a subtype of user that is in the list
// of users (Microsoft Graph, what's new, May 2026).
const agentType = "#microsoft.graph.agentUser"

// isAgent reports whether the type of an account is that of an agent's. Graph names the type
// of an object where it is not that of the list or of the address.
func isAgent(odataType string) bool { return strings.EqualFold(odataType, agentType) }

// attributesIn are the values of the given attributes in the body of an account.
func attributesIn(body []byte, attributes []directory.Attribute) (directory.Attributes, error) {
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(body, &properties); err != nil {
		return nil, err
	}
	return valuesOf(properties, attributes)
}

// valuesOf are the values of the given attributes among the properties of an account.
func valuesOf(properties map[string]json.RawMessage, attributes []directory.Attribute) (directory.Attributes, error) {
	values := directory.Attributes{}
	for _, name := range attributes {
		value, err := valueOf(properties, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		values[name] = value
	}
	return values, nil
}

// valueOf reads one attribute: a property, a part of one, or the id of the object that
// it refers to.
func valueOf(properties map[string]json.RawMessage, name directory.Attribute) (value directory.Value, err error) {
	property, part, inside := name.Parts()
	if name == directory.AssignedLicenses {
		own, _, err := licensesOf(properties)
		return directory.LicenseValue(own), err
	}
	if name.Facts().Apart {
		part, inside = "id", true
	}
	raw, present := properties[property]
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
