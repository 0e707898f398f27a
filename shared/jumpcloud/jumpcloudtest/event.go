package jumpcloudtest

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
)

// feedEvent is a Directory Insights event with the time from which the feed shows it.
type feedEvent struct {
	at, visible time.Time
	fields      Fields
}

func (e feedEvent) record() record {
	return record{kindEvent, e.fields.Text("id"), Fields{"visible": e.visible.UTC().Format(time.RFC3339Nano), "event": e.fields}}
}

func eventFromRecord(r record) feedEvent {
	fields, _ := r.Object["event"].(map[string]any)
	at, _ := time.Parse(time.RFC3339Nano, Fields(fields).Text("timestamp"))
	visible, _ := time.Parse(time.RFC3339Nano, r.Object.Text("visible"))
	return feedEvent{at, visible, fields}
}

// emit adds an event to the change. more has its special fields: resource, changes,
// association.
func (tx *tx) emit(name string, more Fields) {
	event := Fields{
		"id": tx.newID(), "@version": "1", "service": "directory", "event_type": name,
		"timestamp": timestamp(tx.now), "organization": tx.s.organization, "success": true,
		"auth_method": tx.actor.method, "provider": nil, "correlation": map[string]any{},
		"message_chain": map[string]any{}, "client_ip": assumedAddress,
		"geoip": map[string]any{"continent_code": "EU", "country_code": "DE", "region_code": "BE",
			"region_name": "Land Berlin", "timezone": "Europe/Berlin", "latitude": 52.52, "longitude": 13.40},
		"useragent": map[string]any{"name": "Other", "os": "Other", "os_name": "Other", "os_full": "Other", "device": "Other"},
	}
	if tx.actor.initiatedBy != nil {
		event["initiated_by"] = tx.actor.initiatedBy
	}
	if tx.correlation != nil {
		event["correlation"] = tx.correlation
	}
	for field, value := range more {
		event[field] = value
	}
	b := tx.s.behaviour
	lag := b.FeedLag
	if b.FeedLagSpread > 0 {
		lag += time.Duration(tx.s.random.Int64N(int64(b.FeedLagSpread)))
	}
	tx.events = append(tx.events, feedEvent{tx.now.Truncate(time.Millisecond), tx.now.Add(lag), copyOf(event)})
}

// userResource is a user as the resource of an event: without the e-mail address
// (recorded events).
func userResource(user Fields) Fields {
	return Fields{"id": user.Text("_id"), "type": "user", "username": user.Text("username")}
}

func (tx *tx) emitUser(name string, user Fields, changes []any) {
	more := Fields{"resource": userResource(user)}
	if changes != nil {
		more["changes"] = changes
	}
	if name == "user_activation_email" {
		more["resource"].(Fields)["recipient_email"] = user.Text("email")
		more["resource"].(Fields)["email_type"] = "company"
	}
	if name == "user_lockout" { // the actor is the user who failed to sign in
		more["initiated_by"] = userResource(user)
		more["auth_method"] = "session"
	}
	tx.emit(name, more)
}

// emitUserChange reports a changed user: attributes as user_update, a lock and an
// expired password by their own events, a state according to Behaviour.StateEvents.
func (tx *tx) emitUserChange(before, user Fields) {
	attributes := changesOf(before, user, func(name string) bool { return !silent[name] && !stateFields[name] })
	state := changesOf(before, user, func(name string) bool { return stateFields[name] })
	dedicated, how := stateEvent(before, user), tx.s.behaviour.StateEvents
	update := attributes
	if how != DedicatedOnly || dedicated == "" {
		update = append(update, state...)
	}
	if len(update) > 0 {
		tx.emitUser("user_update", user, update)
	}
	if dedicated == "user_activated" || dedicated != "" && how != UpdateOnly {
		tx.emitUser(dedicated, user, changesOf(before, user, func(name string) bool { return name == "state" }))
	}
	if locked := user.Flag("account_locked"); locked != before.Flag("account_locked") {
		name := map[bool]string{true: "user_lockout", false: "user_unlocked"}[locked]
		tx.emitUser(name, user, changesOf(before, user, func(name string) bool { return name == "account_locked" }))
	}
	if user.Flag("password_expired") && !before.Flag("password_expired") {
		tx.emitUser("user_password_expired", user, changesOf(before, user, func(name string) bool { return name == "password_expired" }))
	}
}

// stateFields are the two fields with the state of a user.
var stateFields = map[string]bool{"state": true, "suspended": true}

// silent are fields that change together with something that has its own event.
var silent = map[string]bool{"account_locked": true, "account_locked_date": true, "badLoginAttempts": true,
	"password_expired": true, "password_expiration_date": true, "password_date": true, "activated": true}

// stateEvent names the event of a change of state, "" if it has none.
func stateEvent(before, user Fields) string {
	from, to := directory.UserState(before.Text("state")), directory.UserState(user.Text("state"))
	switch {
	case from == to:
		return ""
	case to == directory.Suspended:
		return "user_suspended"
	case from == directory.Suspended:
		return "user_unsuspended"
	case from == directory.Staged && to == directory.Activated:
		return "user_activated"
	}
	return ""
}

// createChanges are the fields of a new user, without from (recorded events).
func createChanges(user Fields) []any {
	var changes []any
	for _, name := range fieldNames(user) {
		value := user[name]
		if name == "id" || name == "_id" || name == "created" || name == "organization" || value == nil || value == "" || value == 0.0 {
			continue
		}
		if elements, isList := value.([]any); isList && len(elements) == 0 {
			continue
		}
		changes = append(changes, Fields{"field": name, "to": withTwinIDs(value)})
	}
	return changes
}

// changesOf are the fields that differ.
func changesOf(before, after Fields, wanted func(name string) bool) []any {
	all := Fields{}
	for name := range before {
		all[name] = nil
	}
	for name := range after {
		all[name] = nil
	}
	var changes []any
	for _, name := range fieldNames(all) {
		if wanted(name) && !reflect.DeepEqual(before[name], after[name]) {
			changes = append(changes, Fields{"field": name, "from": withTwinIDs(before[name]), "to": withTwinIDs(after[name])})
		}
	}
	return changes
}

// withTwinIDs repeats the id of list elements as _id, as events do.
func withTwinIDs(value any) any {
	elements, isList := value.([]any)
	if !isList {
		return value
	}
	var list []any
	for _, element := range elements {
		if object, ok := element.(map[string]any); ok && object["id"] != nil {
			twin := map[string]any{"_id": object["id"]}
			for name, inner := range object {
				twin[name] = inner
			}
			element = twin
		}
		list = append(list, element)
	}
	return list
}

func fieldNames(object Fields) []string {
	var all []string
	for name := range object {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// emitNamed reports a change of an object that has a name.
func (tx *tx) emitNamed(event, id, kind, name string, changes []any) {
	more := Fields{"resource": Fields{"id": id, "type": kind, "name": name}}
	if changes != nil {
		more["changes"] = changes
	}
	tx.emit(event, more)
}

// emitAssociation reports an edge or a match. Memberships go from the group to the user
// (JumpCloud's workflow templates); for directories and applications no recording shows
// the direction, and it can be switched.
func (tx *tx) emitAssociation(op, action string, from, to node) {
	if rank[kind(to.Type)] == rank[kindDirectory] && tx.s.behaviour.ReverseAssociations {
		from, to = to, from
	}
	end := func(n node) Fields {
		return Fields{"type": n.Type, "object_id": n.ID, "name": nameOf(tx.get(kind(n.Type), n.ID))}
	}
	tx.emit("association_change", Fields{"association": Fields{"op": op, "action_source": action, "attributes": nil,
		"connection": Fields{"from": end(from), "to": end(to)}}})
}

// nameOf is the name of an object in an event.
func nameOf(object Fields) string {
	for _, field := range []string{"name", "username", "displayLabel"} {
		if name := strings.TrimSpace(object.Text(field)); name != "" {
			return name
		}
	}
	return ""
}
