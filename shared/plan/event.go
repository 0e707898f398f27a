package plan

import (
	"time"

	"entrasync/shared/directory"
)

// EventType is the type of an event in the log.
type EventType string

// The types of events that JumpCloud's own integration with Microsoft 365 logs
// (JumpCloud support, "Sync users and groups from JumpCloud to M365/Azure AD").
// A user whose account was disabled is deprovisioned, and so is one whose account was deleted.
const (
	UserCreateProvision         EventType = "user_create_provision"
	UserUpdateProvision         EventType = "user_update_provision"
	UserPasswordUpdateProvision EventType = "user_password_update_provision"
	UserDeprovision             EventType = "user_deprovision"
)

// The types of events about what somebody else changed in Entra. JumpCloud has none.
const (
	UserDrift  EventType = "user_drift"
	GroupDrift EventType = "group_drift"
)

// UserTakeOverConfirmed is the type of the event that an administrator said that a user may have
// an account that belonged to another one. JumpCloud has none.
const UserTakeOverConfirmed EventType = "user_take_over_confirmed"

// EventTypes lists all types of events.
var EventTypes = []EventType{UserCreateProvision, UserUpdateProvision, UserPasswordUpdateProvision, UserDeprovision, UserDrift, GroupDrift, UserTakeOverConfirmed}

// eventTypes say as which event each type of action is logged. JumpCloud has no event for
// an account that is taken over, enabled, restored, moved, signed out or that gets or loses
// licenses, its place in the address lists or its manager: they are logged as updates (our choice).
var eventTypes = map[Type]EventType{
	Provision:   UserCreateProvision,
	TakeOver:    UserUpdateProvision,
	Update:      UserUpdateProvision,
	Enable:      UserUpdateProvision,
	Restore:     UserUpdateProvision,
	LeaveDomain: UserUpdateProvision,
	JoinDomain:  UserUpdateProvision,
	EndSessions: UserUpdateProvision,

	RemoveLicenses:       UserUpdateProvision,
	AssignLicenses:       UserUpdateProvision,
	HideFromAddressLists: UserUpdateProvision,
	ShowInAddressLists:   UserUpdateProvision,
	ClearManager:         UserUpdateProvision,
	DeleteAccount:        UserDeprovision,

	SetPassword: UserPasswordUpdateProvision,
	Deprovision: UserDeprovision,
	Drift:       UserDrift,

	ConfirmTakeOver: UserTakeOverConfirmed,
}

// Event is a completed action as an event of Directory Insights: the envelope of the
// service "directory" (JumpCloud Directory Insights API), as JumpCloud fills it when it
// writes to an application. JumpCloud documents no such event of its Microsoft 365
// integration, so the content of each field is our choice.
type Event struct {
	ID           string                   `json:"id" doc:"The id of the action"`
	Version      string                   `json:"@version" enum:"1"`
	Service      string                   `json:"service" enum:"directory"`
	Type         EventType                `json:"event_type" enum:"user_create_provision,user_update_provision,user_password_update_provision,user_deprovision,user_drift,group_drift,user_take_over_confirmed"`
	Timestamp    time.Time                `json:"timestamp" doc:"When it was completed, to the millisecond"`
	Organization directory.OrganizationID `json:"organization"`
	Resource     EventResource            `json:"resource" doc:"The JumpCloud user or group"`
	Application  EventApplication         `json:"application" doc:"The directory that was written to"`
	Changes      []EventChange            `json:"changes"`
	Reason       directory.Reason         `json:"reason,omitempty" doc:"Why the account was disabled, as one typed word; JumpCloud has no such field"`
	Correlation  EventCorrelation         `json:"correlation" doc:"Why the user was checked"`
	InitiatedBy  *EventInitiator          `json:"initiated_by,omitempty" doc:"Who asked for it, where that is kept: of user_take_over_confirmed, and of what the task after it did"`
	MessageChain EventMessages            `json:"message_chain"`
	Success      bool                     `json:"success"`
	ErrorMessage string                   `json:"error_message,omitempty" doc:"Why it failed, with what to do"`
}

// EventResource is the object that an event is about.
type EventResource struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Username string `json:"username"`
}

// EventApplication is the directory of an event.
type EventApplication struct {
	ID   directory.ID `json:"id"`
	Name string       `json:"name,omitempty" doc:"As it is called now; missing when it is gone"`
}

// EventChange is one field that was written, or found to differ. It has no values if they are secret or not
// known.
type EventChange struct {
	Field directory.Attribute `json:"field" doc:"The property in Microsoft Graph"`
	From  any                 `json:"from,omitempty" doc:"Missing when there was nothing, or it was not known"`
	To    any                 `json:"to,omitempty" doc:"null when the property was cleared"`
}

// EventCorrelation is the cause of an event: the JumpCloud event or the request
// of an administrator.
type EventCorrelation struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type"`
}

// EventInitiator is who asked for what an event is about.
type EventInitiator struct {
	Type     string `json:"type" enum:"admin"`
	Username string `json:"username" doc:"As the request or its token says"`
}

// EventMessages are the result of the write.
type EventMessages struct {
	Code    string `json:"response_code" doc:"The HTTP status of a success, otherwise the kind of the failure"`
	Message string `json:"response_message" doc:"The status in words, otherwise why it failed"`
	Details string `json:"message_details" doc:"OK, otherwise the reason of the failure as one typed word"`
}

// The fields of changes that have no attribute of ours.
const (
	// passwordField is JumpCloud's name for a password in an event, which never has
	// its value (Directory Insights API).
	passwordField directory.Attribute = "password"
	// sessionsField is the property that Graph sets to the current time when it ends
	// sessions, and deletedField the one that an account has as long as it is deleted
	// (Microsoft Graph documentation, user resource type).
	sessionsField directory.Attribute = "signInSessionsValidFromDateTime"
	deletedField                      = directory.DeletedAt
)

// EventType is the event as which the action is logged; "" if it is not logged as one.
func (a Action) EventType() EventType {
	if a.Type == Drift && a.Subject.Kind == OfGroup {
		return GroupDrift
	}
	return eventTypes[a.Type]
}

// Completed reports whether the result of the action is known.
func (a Action) Completed() bool { return a.Status == Succeeded || a.Status == Failed }

// Event is a completed action as an event. The caller gives the name of the directory,
// because the action has only its id.
func (a Action) Event(directoryName string) Event {
	event := Event{
		ID: a.ID, Version: "1", Service: "directory", Type: a.EventType(),
		Timestamp: a.EventTime(), Organization: a.Directory.Organization(),
		Resource:     EventResource{ID: a.Subject.ID, Type: a.Subject.Kind, Username: a.Subject.Name},
		Application:  EventApplication{ID: a.Directory, Name: directoryName},
		Changes:      a.eventChanges(),
		Reason:       a.Reason,
		Correlation:  EventCorrelation{ID: a.Cause.ID, Type: a.Cause.Type},
		MessageChain: a.eventMessages(),
		Success:      a.Status == Succeeded,
	}
	if a.Cause.By != "" {
		event.InitiatedBy = &EventInitiator{Type: "admin", Username: a.Cause.By}
	}
	if a.Error != nil {
		event.ErrorMessage = a.Error.Message
	}
	return event
}

// EventTime is the timestamp of the action's event. Events of the directory have
// milliseconds (recorded events).
func (a Action) EventTime() time.Time { return a.CompletedAt.UTC().Truncate(time.Millisecond) }

// eventChanges are the fields that the action wrote or would have written.
func (a Action) eventChanges() []EventChange {
	changes := []EventChange{}
	switch a.Type {
	case SetPassword:
		return []EventChange{{Field: passwordField}} // and never its value
	case EndSessions:
		changes = append(changes, EventChange{Field: sessionsField})
	case Restore:
		changes = append(changes, EventChange{Field: deletedField, To: directory.Value(nil)})
	case DeleteAccount:
		changes = append(changes, EventChange{Field: deletedField})
	}
	for _, c := range a.Changes {
		change := EventChange{Field: c.Attribute, To: eventValue(c.Attribute, c.To)}
		if len(c.From) > 0 {
			change.From = eventValue(c.Attribute, c.From)
		}
		changes = append(changes, change)
	}
	return changes
}

// eventValue is a value as Graph shows it: a flag is a boolean there.
func eventValue(name directory.Attribute, value directory.Value) any {
	if name.Facts().Form == directory.FlagForm && len(value) > 0 {
		return value.String() == "true"
	}
	return value
}

// eventMessages say the result of the action. The status of a success is the one that Graph
// documents for the request; the status of a failure is not recorded, because its kind and
// its reason say more.
func (a Action) eventMessages() EventMessages {
	switch {
	case a.Error != nil:
		return EventMessages{Code: a.Error.Kind, Message: a.Error.Message, Details: string(a.Error.Reason)}
	case a.Type == Provision:
		return EventMessages{Code: "201", Message: "Created", Details: "OK"}
	case a.Type == RemoveLicenses, a.Type == AssignLicenses:
		return EventMessages{Code: "200", Message: "OK", Details: "OK"}
	case a.Type == Restore, a.Type == Drift, a.Type == ConfirmTakeOver: // nothing was written to Entra, or it was read
		return EventMessages{Code: "200", Message: "OK", Details: "OK"}
	default:
		return EventMessages{Code: "204", Message: "No Content", Details: "OK"}
	}
}
