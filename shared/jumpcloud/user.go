package jumpcloud

import (
	"strings"

	"entrasync/shared/directory"
)

// userOf converts a user of JumpCloud into ours. ok is false if it has no id or no
// username, which every user has: such an answer is incomplete, and reading it as a
// user without values would clear the account. The fields are those of the API's
// systemuserreturn.
func userOf(o object) (user directory.User, ok bool) {
	id := o.text("_id")
	if id == "" {
		id = o.text("id") // JumpCloud sends both in practice
	}
	locked, _ := o.flag("account_locked")
	expired, _ := o.flag("password_expired")
	return directory.User{
		ID:              directory.UserID(id),
		Username:        o.text("username"),
		Email:           o.text("email"),
		AlternateEmail:  o.text("alternateEmail"),
		FirstName:       o.text("firstname"),
		LastName:        o.text("lastname"),
		DisplayName:     o.text("displayname"),
		State:           stateOf(o),
		AccountLocked:   locked,
		PasswordExpired: expired,
		PasswordDate:    timeOf(o.text("password_date")),
		CreationSource:  o.text("creationSource"),

		Fields:     present(directory.PlainFields(), o.text),
		Phones:     present(directory.PhoneTypes(), func(kind string) string { return phoneOf(o, kind) }),
		Manager:    directory.UserID(o.text("manager")),
		Work:       workAddressOf(o),
		Attributes: attributesOf(o),
	}, id != "" && o.text("username") != ""
}

// stateOf reads the state with its older twin, the boolean suspended. The
// choices are ours where JumpCloud publishes nothing:
//   - either one saying suspended means suspended;
//   - without a state a user is activated, unless activated (true once a
//     password is set) says false: such an account is pending, as a staged one;
//   - a state we do not know is passed on, in capitals: only ACTIVATED enables.
func stateOf(o object) directory.UserState {
	state := directory.UserState(strings.ToUpper(strings.TrimSpace(o.text("state"))))
	suspended, _ := o.flag("suspended")
	activated, known := o.flag("activated")
	switch {
	case suspended || state == directory.Suspended:
		return directory.Suspended
	case state != "":
		return state
	case known && !activated:
		return directory.Staged
	default:
		return directory.Activated
	}
}

// workAddressOf is the first address of type work.
func workAddressOf(o object) directory.Address {
	for _, address := range o.objects("addresses") {
		if strings.EqualFold(address.text("type"), "work") {
			return directory.Address{
				StreetAddress:   address.text("streetAddress"),
				ExtendedAddress: address.text("extendedAddress"),
				POBox:           address.text("poBox"),
				Locality:        address.text("locality"),
				Region:          address.text("region"),
				PostalCode:      address.text("postalCode"),
				Country:         address.text("country"),
			}
		}
	}
	return directory.Address{}
}

// present are the names that have a value, with their values; nil for none.
func present(names []string, value func(string) string) map[string]string {
	var found map[string]string
	for _, name := range names {
		if text := value(name); text != "" {
			if found == nil {
				found = map[string]string{}
			}
			found[name] = text
		}
	}
	return found
}

// phoneOf is the number of the first phone of the type that has a number.
func phoneOf(o object, kind string) string {
	for _, phone := range o.objects("phoneNumbers") {
		if number := phone.text("number"); number != "" && strings.EqualFold(phone.text("type"), kind) {
			return number
		}
	}
	return ""
}

// attributesOf are the user's custom attributes by name, nil for none.
func attributesOf(o object) map[string]string {
	var attributes map[string]string
	for _, attribute := range o.objects("attributes") {
		if name := attribute.text("name"); name != "" {
			if attributes == nil {
				attributes = map[string]string{}
			}
			attributes[name] = attribute.text("value")
		}
	}
	return attributes
}
