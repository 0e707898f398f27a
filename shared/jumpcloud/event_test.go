package jumpcloud_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
)

const (
	userID  = "64a1b2c3d4e5f60718293a4b"
	groupID = "64a1b2c3d4e5f60718293b00"
	m365ID  = "63f1a2b3c4d5e6f708192a3b"
)

// bare is an event with every field that a receiver may get.
func bare(eventType, more string) string {
	return `{"id":"6650a1b2c3d4e5f607180003","@version":"1","service":"directory","event_type":"` + eventType + `",
	"timestamp":"2026-03-02T09:14:07.498Z","organization":"5f0c1e2d3a4b5c6d7e8f9012",
	"initiated_by":{"id":"60aa11bb22cc33dd44ee55ff","type":"admin","email":"admin@example.com"},
	"auth_method":"session","provider":null,"correlation":{},"message_chain":{}` + more + `}`
}

const onUser = `,"resource":{"id":"` + userID + `","type":"user","username":"mira.okafor"}`

func edge(fromType, fromID, toType, toID string) string {
	return fmt.Sprintf(`,"association":{"op":"add","action_source":"manual","attributes":null,"connection":{
		"from":{"type":%q,"object_id":%q,"name":"Partner Sales"},"to":{"type":%q,"object_id":%q,"name":"mira.okafor"}}}`, fromType, fromID, toType, toID)
}

func parse(t *testing.T, body string) jumpcloud.ParsedBody {
	t.Helper()
	parsed, err := jumpcloud.ParseBody([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return parsed
}

func TestShapes(t *testing.T) {
	event := bare("user_suspended", onUser)
	quoted, _ := json.Marshal(event)
	notification := `{"alert_id":"66d1f0a2b3c4d5e6f7080910","rule_id":"r","priority":"Low","di_event":` + event + `}`
	const test = `{"type":"user_lockout","tags":[{"key":"user_id_123","value":"user_123"}],"channels":{"channel_object_ids":["channel_456"]},"organization_object_id":"org_789"}`
	for name, c := range map[string]struct {
		body   string
		shapes []jumpcloud.Shape
		events int
	}{
		"rule notification":               {notification, []jumpcloud.Shape{jumpcloud.RuleNotification}, 1},
		"notification with service":       {`{"service":"alerts","event_type":"x","di_event":` + event + `}`, []jumpcloud.Shape{jumpcloud.RuleNotification}, 1},
		"notification with several":       {`{"di_event":[` + event + `,` + event + `]}`, []jumpcloud.Shape{jumpcloud.RuleNotification, jumpcloud.RuleNotification}, 2},
		"notification with text":          {`{"di_event":` + string(quoted) + `}`, []jumpcloud.Shape{jumpcloud.RuleNotification}, 1},
		"notification without its event":  {`{"alert_id":"a","di_event":null}`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"notification with a bare number": {`{"alert_id":"a","di_event":5}`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"bare event":                      {event, []jumpcloud.Shape{jumpcloud.BareEvent}, 1},
		"event without service":           {`{"event_type":"user_update"}`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"test":                            {test, []jumpcloud.Shape{jumpcloud.Test}, 0},
		"channels of something else":      {`{"channels":{"x":1}}`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"channels beside an event type":   {`{"event_type":"x","channels":{"channel_object_ids":[]}}`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"array": {`[` + notification + `,` + event + `,` + test + `,{},7]`, []jumpcloud.Shape{jumpcloud.RuleNotification, jumpcloud.BareEvent,
			jumpcloud.Test, jumpcloud.Unrecognized, jumpcloud.Unrecognized}, 2},
		"array in an array": {`[[` + event + `]]`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"empty array":       {`[]`, nil, 0},
		"empty object":      {`{}`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"null":              {`null`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"number":            {`5`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
		"text":              {`"di_event"`, []jumpcloud.Shape{jumpcloud.Unrecognized}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			parsed := parse(t, c.body)
			var shapes []jumpcloud.Shape
			for _, element := range parsed.Elements {
				shapes = append(shapes, element.Shape)
			}
			if !slices.Equal(shapes, c.shapes) || len(parsed.Events()) != c.events {
				t.Errorf("shapes %v with %d events, want %v with %d", shapes, len(parsed.Events()), c.shapes, c.events)
			}
			for _, event := range parsed.Events() {
				if event.Type != "user_suspended" || !slices.Equal(event.Users(), []directory.UserID{userID}) {
					t.Errorf("event %+v, want user_suspended of the user", event)
				}
			}
		})
	}
}

func TestNotJSON(t *testing.T) {
	for _, body := range []string{"", " ", "{", `{"di_event":`, "a=b", "<xml/>", "{}{}", "\xff", strings.Repeat("[", 20000) + strings.Repeat("]", 20000)} {
		if parsed, err := jumpcloud.ParseBody([]byte(body)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %+v, %v, want a fault of kind Invalid", body, parsed, err)
		}
	}
}

func TestUnrecognizedNamesFieldsOnly(t *testing.T) {
	parsed := parse(t, `{"zeta":"secret value","alpha":{"inner":1},"`+strings.Repeat("x", 1000)+`":1}`)
	got := parsed.Elements[0].Fields
	if len(got) != 3 || got[0] != "alpha" || len(got[1]) != 64 || got[2] != "zeta" {
		t.Errorf("fields %v, want alpha, one of 64 characters, and zeta", got)
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf(`"f%d":1`, i))
	}
	if got := parse(t, `{`+strings.Join(many, ",")+`}`).Elements[0].Fields; len(got) != 40 {
		t.Errorf("%d fields, want 40", len(got))
	}
}

func TestConcerns(t *testing.T) {
	for eventType, want := range map[string]jumpcloud.Concern{
		"user_create": jumpcloud.UserChanged, "user_update": jumpcloud.UserChanged, "user_suspended": jumpcloud.UserChanged,
		"user_unsuspended": jumpcloud.UserChanged, "user_activated": jumpcloud.UserChanged, "user_lockout": jumpcloud.UserChanged,
		"user_unlocked": jumpcloud.UserChanged, "user_password_expired": jumpcloud.UserChanged, "user_delete": jumpcloud.UserDeleted,
		"user_password_change": jumpcloud.PasswordChanged, "user_password_set": jumpcloud.PasswordChanged,
		"user_create_provision": jumpcloud.OwnWrite, "user_update_provision": jumpcloud.OwnWrite, "user_delete_provision": jumpcloud.OwnWrite,
		"user_deprovision": jumpcloud.OwnWrite, "user_password_update_provision": jumpcloud.OwnWrite,
		"organization_update": jumpcloud.SettingsChanged, "o365_directory_update": jumpcloud.SettingsChanged,
		"integration_domain_add": jumpcloud.SettingsChanged, "integrationattribute_exclude": jumpcloud.SettingsChanged,
		"attributemappings_update": jumpcloud.SettingsChanged, "group_create": jumpcloud.GroupChanged,
		"user_login_attempt": jumpcloud.Irrelevant, "admin_update": jumpcloud.Irrelevant, "user_password_warning_email": jumpcloud.Irrelevant,
		"user_activation_schedule_create": jumpcloud.Irrelevant, "never_seen": jumpcloud.Irrelevant, "": jumpcloud.Irrelevant,
	} {
		if got := (jumpcloud.Event{Type: eventType}).Concern(); got != want {
			t.Errorf("%q: %s, want %s", eventType, got, want)
		}
		acted := want != jumpcloud.Irrelevant && want != jumpcloud.OwnWrite
		if slices.Contains(jumpcloud.EventTypes(), eventType) != acted {
			t.Errorf("EventTypes has %q: %v, want the opposite", eventType, !acted)
		}
	}
	if failed := parse(t, bare("user_password_change", onUser+`,"success":false`)).Events()[0]; failed.Concern() != jumpcloud.Irrelevant {
		t.Error("a failed change is acted on, want it irrelevant")
	}
}

func TestWhomAnEventConcerns(t *testing.T) {
	for name, c := range map[string]struct {
		event   string
		concern jumpcloud.Concern
		users   []directory.UserID
		groups  []directory.GroupID
	}{
		"user":             {bare("user_update", onUser), jumpcloud.UserChanged, []directory.UserID{userID}, nil},
		"systemuser":       {bare("user_update", `,"resource":{"id":"`+userID+`","type":"systemuser"}`), jumpcloud.UserChanged, []directory.UserID{userID}, nil},
		"user, _id":        {bare("user_update", `,"resource":{"_id":"`+userID+`","type":"user"}`), jumpcloud.UserChanged, []directory.UserID{userID}, nil},
		"user untyped":     {bare("user_update", `,"resource":{"id":"`+userID+`"}`), jumpcloud.UserChanged, []directory.UserID{userID}, nil},
		"no resource":      {bare("user_update", ``), jumpcloud.UserChanged, nil, nil},
		"null resource":    {bare("user_update", `,"resource":null`), jumpcloud.UserChanged, nil, nil},
		"resource is text": {bare("user_update", `,"resource":"`+userID+`"`), jumpcloud.UserChanged, nil, nil},
		"e-mail as id":     {bare("user_update", `,"resource":{"id":"mira@example.com","type":"user"}`), jumpcloud.UserChanged, nil, nil},
		"number as id":     {bare("user_update", `,"resource":{"id":42,"type":"user"}`), jumpcloud.UserChanged, []directory.UserID{"42"}, nil},
		"admin":            {bare("admin_update", `,"resource":{"id":"`+userID+`","type":"admin"}`), jumpcloud.Irrelevant, nil, nil},
		"group":            {bare("group_update", `,"resource":{"id":"`+groupID+`","type":"user_group","name":"Sales"}`), jumpcloud.GroupChanged, nil, []directory.GroupID{groupID}},
		"group untyped":    {bare("group_delete", `,"resource":{"id":"`+groupID+`","name":"Sales"}`), jumpcloud.GroupChanged, nil, []directory.GroupID{groupID}},
		"device group":     {bare("group_update", `,"resource":{"id":"`+groupID+`","type":"system_group"}`), jumpcloud.Irrelevant, nil, nil},
		"membership":       {bare("association_change", edge("user_group", groupID, "user", userID)), jumpcloud.AssociationChanged, []directory.UserID{userID}, []directory.GroupID{groupID}},
		"membership back":  {bare("association_change", edge("user", userID, "user_group", groupID)), jumpcloud.AssociationChanged, []directory.UserID{userID}, []directory.GroupID{groupID}},
		"user, M365":       {bare("association_change", edge("user", userID, "office_365", m365ID)), jumpcloud.AssociationChanged, []directory.UserID{userID}, nil},
		"M365, group":      {bare("association_change", edge("office_365", m365ID, "user_group", groupID)), jumpcloud.AssociationChanged, nil, []directory.GroupID{groupID}},
		"group, app":       {bare("association_change", edge("user_group", groupID, "application", m365ID)), jumpcloud.AssociationChanged, nil, []directory.GroupID{groupID}},
		"device, user":     {bare("association_change", edge("system", m365ID, "user", userID)), jumpcloud.Irrelevant, []directory.UserID{userID}, nil},
		"no association":   {bare("association_change", ``), jumpcloud.Irrelevant, nil, nil},
		"null association": {bare("association_change", `,"association":null`), jumpcloud.Irrelevant, nil, nil},
		"half association": {bare("association_change", `,"association":{"op":5,"connection":{"from":null,"to":[]}}`), jumpcloud.Irrelevant, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			event := parse(t, c.event).Events()[0]
			if event.Concern() != c.concern || !slices.Equal(event.Users(), c.users) || !slices.Equal(event.Groups(), c.groups) {
				t.Errorf("%s users %v groups %v; want %s %v %v", event.Concern(), event.Users(), event.Groups(), c.concern, c.users, c.groups)
			}
		})
	}
}

func TestRecordedEvents(t *testing.T) {
	for file, c := range map[string]struct {
		id, timestamp string
		concern       jumpcloud.Concern
		users         []directory.UserID
	}{
		"sekoia-user_update.json":        {"6490f0f5a2d539837a30aaad", "2023-06-20T00:21:09.162Z", jumpcloud.UserChanged, []directory.UserID{"6127579ec58b6d6144c06492"}},
		"sekoia-user_update2.json":       {"64907cb6e968be7fe5b14d80", "2023-06-19T16:05:10.657Z", jumpcloud.UserChanged, []directory.UserID{"627232d9c2bb20373d84eb63"}},
		"sekoia-user_update3.json":       {"64908c2ef675033f5a7a5e1e", "2023-06-19T17:11:10.381Z", jumpcloud.UserChanged, []directory.UserID{"628cf9c0d6f4831f8192fa8d"}},
		"sekoia-association_change.json": {"64930a6d00466f31842811a1", "2023-06-21T14:34:21.089Z", jumpcloud.Irrelevant, []directory.UserID{"636b8c40f03d374a5c7f6ceb"}},
		"sekoia-admin_login.json":        {"648c6c758c2ac07fa1fdee94", "2023-06-16T14:06:45.921Z", jumpcloud.Irrelevant, nil},
	} {
		t.Run(file, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", "events", file))
			if err != nil {
				t.Fatal(err)
			}
			at, _ := time.Parse(time.RFC3339, c.timestamp)
			alone := parse(t, string(raw)).Events()[0]
			if alone.ID != c.id || !alone.Timestamp.Equal(at) || alone.Concern() != c.concern || !slices.Equal(alone.Users(), c.users) ||
				alone.Organization != "641b3db57090821c0b2f8183" || alone.Failed {
				t.Errorf("event %+v, want the id, time, concern, users and organization of the row", alone)
			}
			notified := parse(t, `{"alert_id":"a","di_event":`+string(raw)+`}`).Events()[0]
			if diff := cmp.Diff(alone, notified); diff != "" {
				t.Errorf("differs in a notification:\n%s", diff)
			}
			encoded, err := json.Marshal(alone)
			if err != nil {
				t.Fatal(err)
			}
			for _, private := range []string{"sekoia", "john", "jane", "Paris", "JDOE", "75010", "Marketing", "FR"} {
				if strings.Contains(string(encoded), private) {
					t.Errorf("%q is in %s, want no private value", private, encoded)
				}
			}
			if len(encoded) > 400 {
				t.Errorf("%d bytes, want at most 400", len(encoded))
			}
		})
	}
}

// Only an event that says what changed, and names nothing but attributes, is about attributes
// only: what is about access is never kept waiting because of a field that nobody knows.
func TestEventsAboutAttributesOnly(t *testing.T) {
	changes := func(list string) string { return onUser + `,"changes":` + list }
	for name, c := range map[string]struct {
		event string
		want  bool
	}{
		"a last name":             {bare("user_update", changes(`[{"field":"lastname","from":"A","to":"B"}]`)), true},
		"several attributes":      {bare("user_update", changes(`[{"field":"department","to":"B"},{"field":"addresses","to":[]},{"field":"manager","to":null}]`)), true},
		"an address":              {bare("user_update", changes(`[{"field":"email","to":"mira@example.com"}]`)), true},
		"suspended as well":       {bare("user_update", changes(`[{"field":"lastname","to":"B"},{"field":"state","to":"SUSPENDED"}]`)), false},
		"in a state nobody knows": {bare("user_update", changes(`[{"field":"lastname","to":"B"},{"field":"state","to":"GONE"}]`)), false},
		"the older field":         {bare("user_update", changes(`[{"field":"suspended","to":true}]`)), false},
		"locked":                  {bare("user_update", changes(`[{"field":"account_locked","to":true}]`)), false},
		"expired":                 {bare("user_update", changes(`[{"field":"password_expired","to":true}]`)), false},
		"activated":               {bare("user_update", changes(`[{"field":"activated","to":true}]`)), false},
		"a password":              {bare("user_update", changes(`[{"field":"password"}]`)), false},
		"a field nobody knows":    {bare("user_update", changes(`[{"field":"lastname","to":"B"},{"field":"barred","to":true}]`)), false},
		"a change without a name": {bare("user_update", changes(`[{"field":"lastname","to":"B"},null]`)), false},
		"a change that is a word": {bare("user_update", changes(`[{"field":"lastname","to":"B"},"state"]`)), false},
		"no list":                 {bare("user_update", changes(`{"field":"lastname"}`)), false},
		"nothing in the list":     {bare("user_update", changes(`[]`)), false},
		"no changes":              {bare("user_update", onUser), false},
		"an event of suspension":  {bare("user_suspended", changes(`[{"field":"lastname","to":"B"}]`)), false},
		"an event of deletion":    {bare("user_delete", changes(`[{"field":"lastname","from":"B"}]`)), false},
		"a group":                 {bare("group_update", changes(`[{"field":"displayname","to":"B"}]`)), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parse(t, c.event).Events()[0].OnlyAttributes; got != c.want {
				t.Errorf("only attributes: %t, want %t", got, c.want)
			}
		})
	}
}

func TestDeduplicationID(t *testing.T) {
	id := func(body string) string { return parse(t, body).Events()[0].ID }
	without := func(body string) string { return strings.Replace(body, `"id":"6650a1b2c3d4e5f607180003",`, ``, 1) }
	update := bare("user_update", onUser+`,"changes":[{"field":"department","from":"A","to":"B"}]`)
	other := strings.Replace(update, `"to":"B"`, `"to":"C"`, 1)
	notified := func(alert, event string) string { return `{"alert_id":"` + alert + `","di_event":` + event + `}` }

	if got := id(notified("a1", update)); got != "6650a1b2c3d4e5f607180003" {
		t.Errorf("the id of the event is not used: %s, want the id of the event", got)
	}
	reordered := `{"event_type":"user_update","changes":[{"to":"B","field":"department","from":"A"}],"service":"directory",
		"resource":{"type":"user","username":"mira.okafor","id":"` + userID + `"},"timestamp":"2026-03-02T09:14:07.498Z"}`
	same := []string{id(without(update)), id(notified("a1", without(update))), id(notified("a2", without(update))), id(reordered)}
	for _, got := range same {
		if got != same[0] || !strings.HasPrefix(got, "h-") {
			t.Errorf("copies without id have the ids %v, want one hash", same)
		}
	}
	if id(without(other)) == same[0] || id(without(strings.Replace(update, ".498Z", ".499Z", 1))) == same[0] {
		t.Error("different events have one id")
	}
	// Two events collected in one alert stay two.
	if id(notified("a1", without(other))) == id(notified("a1", without(update))) {
		t.Error("events of one alert have one id, want two")
	}
	if got := id(notified("a1", `{"event_type":"user_update"}`)); got != "a1" {
		t.Errorf("without anything else the id is %s, want that of the alert", got)
	}
	if one, two := id(`{"event_type":"x","service":"y","z":1}`), id(`{"event_type":"x","service":"y","z":2}`); one == two {
		t.Error("bodies that differ have one id")
	}
	for _, odd := range []string{`"` + strings.Repeat("x", 65) + `"`, `"a b"`, `"ünique"`, `"a\nb"`, `"mira@example.com"`} {
		got := id(strings.Replace(update, `"6650a1b2c3d4e5f607180003"`, odd, 1))
		if !strings.HasPrefix(got, "h-") || len(got) > 64 {
			t.Errorf("id %s became %s, want a hash of at most 64 characters", odd, got)
		}
	}
	if got := id(strings.Replace(update, `"6650a1b2c3d4e5f607180003"`, `12345678901234567890`, 1)); got != "12345678901234567890" {
		t.Errorf("a number as id became %s, want 12345678901234567890", got)
	}
}

func TestWrongTypesAreMissing(t *testing.T) {
	for timestamp, want := range map[string]string{
		`"2026-03-02T09:14:07.498123456Z"`: "2026-03-02T09:14:07.498123456Z", `"2026-03-02T10:14:07+01:00"`: "2026-03-02T09:14:07Z",
		`"2026-03-02T09:14:07.5+0000"`: "2026-03-02T09:14:07.5Z", `"2026-03-02T09:14:07"`: "2026-03-02T09:14:07Z",
		`1772442847`: "2026-03-02T09:14:07Z", `1772442847500`: "2026-03-02T09:14:07.5Z", `"1772442847"`: "2026-03-02T09:14:07Z",
		`null`: "", `{}`: "", `"yesterday"`: "", `-5`: "", `1e300`: "", `"99999-01-01T00:00:00Z"`: "", `true`: "",
	} {
		event := parse(t, strings.Replace(bare("user_update", onUser), `"2026-03-02T09:14:07.498Z"`, timestamp, 1)).Events()[0]
		got := ""
		if !event.Timestamp.IsZero() {
			got = event.Timestamp.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("timestamp %s: %q, want %q", timestamp, got, want)
		}
	}
	for _, junk := range []string{`null`, `5`, `true`, `[]`, `{}`, `""`, `[[1]]`, `{"id":{}}`} {
		body := fmt.Sprintf(`{"service":%[1]s,"event_type":%[1]s,"id":%[1]s,"timestamp":%[1]s,"organization":%[1]s,"resource":%[1]s,
			"association":%[1]s,"changes":%[1]s,"success":%[1]s,"@version":%[1]s,"initiated_by":%[1]s}`, junk)
		if events := parse(t, body).Events(); len(events) != 1 || events[0].ID == "" || events[0].Concern() != jumpcloud.Irrelevant {
			t.Errorf("%s: %+v, want one irrelevant event with an id", junk, events)
		}
	}
}

func TestEventRoundTrip(t *testing.T) {
	token := rapid.StringMatching(`[0-9A-Za-z_.-]{0,64}`)
	end := rapid.Custom(func(t *rapid.T) jumpcloud.End {
		return jumpcloud.End{ID: token.Draw(t, "id"), Type: token.Draw(t, "type")}
	})
	rapid.Check(t, func(t *rapid.T) {
		event := jumpcloud.Event{
			ID: token.Draw(t, "id"), Type: token.Draw(t, "type"),
			Organization: directory.OrganizationID(token.Draw(t, "org")),
			Resource:     jumpcloud.Resource{ID: token.Draw(t, "rid"), Type: token.Draw(t, "rtype")},
			Failed:       rapid.Bool().Draw(t, "failed"),
		}
		if rapid.Bool().Draw(t, "timed") {
			event.Timestamp = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		}
		if rapid.Bool().Draw(t, "associated") {
			event.Association = &jumpcloud.Association{Op: token.Draw(t, "op"), From: end.Draw(t, "from"), To: end.Draw(t, "to")}
		}
		encoded, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		var decoded jumpcloud.Event
		if err := json.Unmarshal(encoded, &decoded); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(event, decoded) {
			t.Fatalf("%+v became %+v by way of %s, want the same", event, decoded, encoded)
		}
	})
}

func FuzzParseBody(f *testing.F) {
	files, _ := filepath.Glob("testdata/events/*.json")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add([]byte(`[{"alert_id":5,"di_event":` + string(raw) + `}]`))
	}
	f.Add([]byte(`{"channels":{"channel_object_ids":["c"]}}`))
	f.Add([]byte(`{"di_event":"{\"event_type\":\"user_update\"}"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		parsed, err := jumpcloud.ParseBody(body)
		if (err == nil) != json.Valid(body) {
			t.Fatalf("valid JSON: %v, but %v, want an error only if it is not valid", json.Valid(body), err)
		}
		for _, event := range parsed.Events() {
			if event.ID == "" || len(event.ID) > 64 {
				t.Fatalf("id %q, want 1 to 64 characters", event.ID)
			}
			encoded, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			var decoded jumpcloud.Event
			if err := json.Unmarshal(encoded, &decoded); err != nil || !reflect.DeepEqual(event, decoded) {
				t.Fatalf("%+v became %+v, %v, want the same", event, decoded, err)
			}
		}
	})
}
