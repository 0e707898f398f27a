package jumpcloud

import (
	"strconv"
	"strings"
	"time"

	"entrasync/shared/directory"
)

// Event is the part of a Directory Insights event that entrasync uses: what happened to
// which objects, and states, but never names, addresses or other values. So a queue of
// events has only ids and words of a closed list. It encodes to compact JSON and
// decodes from it unchanged.
type Event struct {
	// ID is the same for every copy of the same event and is safe as a de-duplication
	// id: at most 64 characters of [0-9A-Za-z_.-]. See dedup.go.
	ID string `json:"id"`
	// Type is JumpCloud's event_type, "" if it is missing or cannot be read.
	Type string `json:"type,omitempty"`
	// Timestamp is when it happened, UTC; zero if it cannot be read.
	Timestamp time.Time `json:"time,omitzero"`
	// Organization is the organization it happened in, "" if the event does not say.
	Organization directory.OrganizationID `json:"org,omitempty"`
	// Resource is the object that changed; empty on association events.
	Resource Resource `json:"resource,omitzero"`
	// Association is the edge that changed, nil if the event is about none.
	Association *Association `json:"association,omitempty"`
	// Vague is set when nothing distinguishes the event from a similar one: then both
	// have the same ID.
	Vague bool `json:"vague,omitempty"`
	// Says are the words of the changes of the event, sorted, nil for none.
	// [Event.Claims] explains them.
	Says []Word `json:"says,omitempty"`
	// Altered are the other changed fields that the rules use.
	Altered []Alteration `json:"altered,omitempty"`
	// OnlyAttributes is set when the event says what changed of a user, and none of that
	// is about access. It is not set when a change is of a field that is not known.
	OnlyAttributes bool `json:"onlyAttributes,omitempty"`
	// Failed is set when the event reports an attempt without success. It is not the
	// opposite, because some successful events do not report success.
	Failed bool `json:"failed,omitempty"`
}

// Resource is the object an event is about.
type Resource struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type,omitempty"` // user, systemuser, user_group, system_group, admin …
}

// Association is an edge between two objects. The direction of from and to is known
// only for memberships (from the group to the user), so neither end has a meaning of
// its own.
type Association struct {
	Op   string `json:"op,omitempty"` // add, remove or update
	From End    `json:"from,omitzero"`
	To   End    `json:"to,omitzero"`
}

// End is one end of an association.
type End struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type,omitempty"` // user, user_group, office_365, application …
}

// The types of objects as events and associations name them (JumpCloud API
// documentation, GraphType). A user's resource type is "user" in every recorded
// event and "systemuser" in the specification's example.
const (
	typeUser        = "user"
	typeSystemUser  = "systemuser"
	typeUserGroup   = "user_group"
	typeOffice365   = "office_365"
	typeApplication = "application"
)

// Users are the users that the event may concern: the resource if it is a user, and the
// ends of the association that are users. A resource without a type counts if the event
// type is about users.
func (e Event) Users() []directory.UserID {
	var users []directory.UserID
	for _, id := range e.named(func(kind string) bool { return kind == typeUser || kind == typeSystemUser }, "user_") {
		users = append(users, directory.UserID(id))
	}
	return users
}

// Groups are the user groups that the event may concern, as [Event.Users] for users.
func (e Event) Groups() []directory.GroupID {
	var groups []directory.GroupID
	for _, id := range e.named(func(kind string) bool { return kind == typeUserGroup }, "group_") {
		groups = append(groups, directory.GroupID(id))
	}
	return groups
}

// named collects, each once, the ids of the objects of the wanted type.
func (e Event) named(wanted func(kind string) bool, prefix string) []string {
	var ids []string
	add := func(id string) {
		if id != "" && (len(ids) == 0 || ids[0] != id) {
			ids = append(ids, id)
		}
	}
	if wanted(e.Resource.Type) || e.Resource.Type == "" && concerns[e.Type] != "" && strings.HasPrefix(e.Type, prefix) {
		add(e.Resource.ID)
	}
	if e.Association != nil {
		for _, end := range []End{e.Association.From, e.Association.To} {
			if wanted(end.Type) {
				add(end.ID)
			}
		}
	}
	return ids
}

// Occurrence is the ID of an event, "" if the event is vague.
func (e Event) Occurrence() string {
	if e.Vague {
		return ""
	}
	return e.ID
}

// eventOf reads an event in the form of the Directory Insights API. alert is the id of
// the alert with the event, or "". A field of a wrong type counts as missing.
func eventOf(o object, alert string) Event {
	event := Event{
		Type:         key(o.text("event_type")),
		Timestamp:    timeOf(o.text("timestamp")),
		Organization: directory.OrganizationID(key(o.text("organization"))),
		Resource:     resourceOf(objectOf(o["resource"])),
	}
	if success, known := o.flag("success"); known {
		event.Failed = !success
	}
	if association := objectOf(o["association"]); association != nil {
		connection := objectOf(association["connection"])
		found := Association{
			Op:   key(association.text("op")),
			From: endOf(objectOf(connection["from"])),
			To:   endOf(objectOf(connection["to"])),
		}
		if found != (Association{}) {
			event.Association = &found
		}
	}
	event.Says, event.Altered = wordsOf(o["changes"]), event.alterationsOf(o["changes"])
	event.OnlyAttributes = event.isOnlyAttributes(o["changes"])
	event.ID, event.Vague = identify(o, event, alert)
	return event
}

func resourceOf(o object) Resource {
	id := o.text("id")
	if id == "" {
		id = o.text("_id")
	}
	return Resource{ID: key(id), Type: key(o.text("type"))}
}

// endOf reads one end; recordings name the id object_id, the API's connections name it
// id.
func endOf(o object) End {
	id := o.text("object_id")
	if id == "" {
		id = o.text("id")
	}
	return End{ID: key(id), Type: key(o.text("type"))}
}

// key returns s if it can be an id or a type, and "" for anything else, such as an
// e-mail address in the wrong field.
func key(s string) string {
	const longest = 64
	if len(s) > longest || !isToken(s) {
		return ""
	}
	return s
}

// isToken reports whether s has only characters of ids and types.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}

// timeOf reads a timestamp: RFC 3339 with any number of decimals, as in all recordings,
// or a Unix time in seconds or milliseconds.
func timeOf(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 && t.Year() < 9999 {
			return t.UTC()
		}
	}
	const firstMillisecond = 1e11 // as seconds this would be the year 5138
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 && n < 1e14 {
		if n < firstMillisecond {
			return time.Unix(n, 0).UTC()
		}
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}
