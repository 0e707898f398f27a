package jumpcloudtest

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
)

// listFields are the fields of a user that are lists of objects. JumpCloud gives their
// elements new ids on every write, so they can seem changed although they are not
// (recorded events).
var listFields = []string{"addresses", "phoneNumbers", "attributes"}

// newUser is a user with every field that JumpCloud returns for an empty one.
func (tx *tx) newUser(id string) Fields {
	user := Fields{"_id": id, "id": id, "organization": tx.s.organization, "created": timestamp(tx.now),
		"activated": false, "suspended": false, "account_locked": false, "account_locked_date": nil,
		"password_expired": false, "password_never_expires": false, "password_expiration_date": nil,
		"password_date": nil, "badLoginAttempts": 0.0, "totp_enabled": false, "externally_managed": false,
		"external_dn": "", "external_source_type": "", "creationSource": "", "manager": "",
		"mfa":           map[string]any{"configured": false, "exclusion": false},
		"mfaEnrollment": map[string]any{"overallStatus": "NOT_ENROLLED", "totpStatus": "NOT_ENROLLED"}}
	for _, name := range listFields {
		user[name] = []any{}
	}
	for _, name := range []string{"username", "email", "alternateEmail", "firstname", "middlename", "lastname",
		"displayname", "jobTitle", "department", "costCenter", "company", "location", "employeeType",
		"employeeIdentifier", "description"} {
		user[name] = ""
	}
	return user
}

// createUser adds a user with an unused id. source decides the state if the input has
// none.
func (tx *tx) createUser(id string, input Fields, source string, validation bool) (Fields, error) {
	user := tx.newUser(id)
	user["creationSource"] = source
	state := directory.UserState(tx.defaultState(source))
	tx.fill(user, input, "systemuserputpost")
	if err := setState(user, input, state); err != nil {
		return nil, err
	}
	if err := tx.checkUser(user); err != nil {
		return nil, err
	}
	password := input.Text("password")
	if password != "" {
		if err := tx.checkPassword(user, password, validation); err != nil {
			return nil, err
		}
		tx.renewPassword(user, password)
	}
	tx.put(kindUser, user.Text("_id"), user)
	tx.emitUser("user_create", user, createChanges(user))
	if password != "" {
		tx.emitUser("user_password_set", user, passwordChange)
	}
	return user, nil
}

// updateUser changes the fields in the input.
func (tx *tx) updateUser(id string, input Fields, validation bool) (Fields, error) {
	before := tx.get(kindUser, id)
	if before == nil {
		return nil, notFound("user", id)
	}
	user := copyOf(before)
	tx.fill(user, input, "systemuserput")
	if err := setState(user, input, directory.UserState(before.Text("state"))); err != nil {
		return nil, err
	}
	if err := tx.checkUser(user); err != nil {
		return nil, err
	}
	if locked, given := input["account_locked"].(bool); given {
		lock(user, locked, tx.now)
	}
	password := input.Text("password")
	if password != "" {
		if err := tx.checkPassword(user, password, validation); err != nil {
			return nil, err
		}
		tx.renewPassword(user, password)
	}
	tx.replaceUser(before, user)
	if password != "" {
		tx.emitPassword(before, user)
	}
	return user, nil
}

// replaceUser stores a changed user and emits the changes.
func (tx *tx) replaceUser(before, user Fields) {
	if reflect.DeepEqual(before, user) {
		return
	}
	tx.put(kindUser, user.Text("_id"), user)
	tx.emitUserChange(before, user)
}

// fill copies the fields that the schema lets a client write and ignores others. State,
// lock and password have rules of their own. The portal stores the company e-mail address
// in lower case (JumpCloud documentation); that the API does so too is assumed.
func (tx *tx) fill(user, input Fields, schema string) {
	for name := range tx.s.schemas.userSchema(schema).Properties {
		value, given := input[name]
		if !given || slices.Contains([]string{"state", "suspended", "activated", "account_locked", "password"}, name) {
			continue
		}
		if slices.Contains(listFields, name) {
			elements, _ := value.([]any)
			value = tx.withIDs(elements)
		}
		if address, isText := value.(string); isText && name == "email" && !tx.s.behaviour.KeepEmailCase {
			value = strings.ToLower(address)
		}
		user[name] = value
	}
}

// withIDs gives every element of a list a new id.
func (tx *tx) withIDs(elements []any) []any {
	list := make([]any, 0, len(elements))
	for _, element := range elements {
		if object, ok := element.(map[string]any); ok {
			renewed := map[string]any{}
			for name, value := range object {
				renewed[name] = value
			}
			renewed["id"] = tx.newID()
			delete(renewed, "_id")
			list = append(list, renewed)
		}
	}
	return list
}

// setState sets the state and the older field suspended from the input; fallback is the
// state if the input has neither. Contradictory values are refused (JumpCloud's
// PowerShell module).
func setState(user, input Fields, fallback directory.UserState) error {
	state := directory.UserState(input.Text("state"))
	suspended, given := input["suspended"].(bool)
	switch {
	case state == "" && given && suspended:
		state = directory.Suspended
	case state == "" && given && fallback == directory.Suspended:
		state = directory.Activated
	case state == "":
		state = fallback
	case given && suspended != (state == directory.Suspended):
		return refuse(http.StatusBadRequest, textConflictingState)
	}
	user["state"] = string(state)
	user["suspended"] = state == directory.Suspended
	return nil
}

// lock sets or clears the lock after too many failed sign-ins.
func lock(user Fields, locked bool, now time.Time) {
	if user.Flag("account_locked") == locked {
		return
	}
	user["account_locked"] = locked
	user["account_locked_date"] = nil
	if locked {
		user["account_locked_date"] = timestamp(now)
	}
}

// checkUser checks the rules that no schema has.
func (tx *tx) checkUser(user Fields) error {
	email, username, id := user.Text("email"), user.Text("username"), user.Text("_id")
	taken := func(field string) bool {
		holder := tx.s.store.holder(field, user.Text(field))
		return user.Text(field) != "" && holder != "" && holder != id
	}
	switch {
	case email == "":
		return refuse(http.StatusBadRequest, assumedMissingEmail)
	case !strings.Contains(email, "@"):
		return refuse(http.StatusBadRequest, "Invalid email")
	case !assumedUsername.MatchString(username), tx.s.behaviour.PortalUsernames && !portalUsername.MatchString(username):
		return refuse(http.StatusBadRequest, assumedInvalidUsername)
	case taken("username") && taken("email"):
		return refuse(http.StatusBadRequest, assumedUserExists)
	case taken("username"):
		return refuse(http.StatusBadRequest, assumedUsernameInUse)
	case taken("email"):
		return refuse(http.StatusBadRequest, assumedEmailInUse)
	case taken("employeeIdentifier"):
		return refuse(http.StatusBadRequest, assumedEmployeeInUse)
	case len(user.Text("employeeIdentifier")) > maxEmployeeID:
		return refuse(http.StatusBadRequest, "employeeIdentifier is longer than %d", maxEmployeeID)
	case user.Text("manager") == id:
		return refuse(http.StatusBadRequest, "a user cannot be the own manager")
	case user.Text("manager") != "" && tx.get(kindUser, user.Text("manager")) == nil:
		return refuse(http.StatusBadRequest, "manager does not exist")
	}
	for name, value := range user {
		if text, ok := value.(string); ok && len(text) > maxUserText {
			return refuse(http.StatusBadRequest, "%s is longer than %d", name, maxUserText)
		}
	}
	return nil
}

// deleteUser removes a user with its edges. A user who is a manager can be removed only
// if the reports lose their manager (cascade_manager=null).
func (tx *tx) deleteUser(id string, clearReports bool) (Fields, error) {
	user := tx.get(kindUser, id)
	if user == nil {
		return nil, notFound("user", id)
	}
	var reports []Fields
	for _, other := range tx.s.store.all(kindUser) {
		if other.Text("manager") == id {
			reports = append(reports, other)
		}
	}
	if len(reports) > 0 && !clearReports {
		return nil, refuse(http.StatusConflict, "the user is the manager of %d users", len(reports))
	}
	for _, report := range reports {
		changed := copyOf(report)
		changed["manager"] = ""
		tx.replaceUser(report, changed)
	}
	tx.dropEdges(node{string(kindUser), id})
	tx.put(kindUser, id, nil)
	delete(tx.s.digests, id)
	tx.emitUser("user_delete", user, nil)
	return user, nil
}

// alter changes one user by a function.
func (tx *tx) alter(id string, rule func(user Fields) error) (Fields, error) {
	before := tx.get(kindUser, id)
	if before == nil {
		return nil, notFound("user", id)
	}
	user := copyOf(before)
	if err := rule(user); err != nil {
		return nil, err
	}
	tx.replaceUser(before, user)
	return user, nil
}

// suspend and activate are the state calls. activate is for staged users; a suspended
// user is activated by an update (JumpCloud API documentation for the first, assumed
// for the refusal).
func (tx *tx) suspend(id string) (Fields, error) {
	return tx.alter(id, func(user Fields) error { return setState(user, nil, directory.Suspended) })
}

func (tx *tx) activate(id string) (Fields, error) {
	return tx.alter(id, func(user Fields) error {
		if user.Flag("suspended") {
			return refuse(http.StatusConflict, "the user is suspended, not staged")
		}
		return setState(user, nil, directory.Activated)
	})
}

// expire ends the validity of the password.
func (tx *tx) expire(id string) (Fields, error) {
	return tx.alter(id, func(user Fields) error {
		if !user.Flag("password_expired") {
			user["password_expired"] = true
			user["password_expiration_date"] = timestamp(tx.now)
		}
		return nil
	})
}
