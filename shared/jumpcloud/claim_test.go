package jumpcloud_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

func TestClaimsOfEvents(t *testing.T) {
	m365 := directory.ConnectionSource{Type: directory.Office365Source, ID: m365ID}
	app := directory.ConnectionSource{Type: directory.ApplicationSource, ID: m365ID}
	of := func(kinds ...directory.ClaimKind) (claims []directory.Claim) {
		for _, kind := range kinds {
			claims = append(claims, directory.Claim{Kind: kind, User: userID})
		}
		return claims
	}
	in := func(state directory.UserState, more ...directory.ClaimKind) []directory.Claim {
		return append([]directory.Claim{{Kind: directory.InState, User: userID, State: state}}, of(more...)...)
	}
	altered := func(field, from, to string) directory.Claim {
		return directory.Claim{Kind: directory.Altered, User: userID, Field: field,
			From: directory.Digest(userID, field, from), To: directory.Digest(userID, field, to)}
	}
	changes := func(list string) string { return onUser + `,"changes":[` + list + `]` }
	remove := func(edge string) string { return strings.Replace(edge, `"op":"add"`, `"op":"remove"`, 1) }
	onGroup := `,"resource":{"id":"` + groupID + `","name":"Sales","type":"user_group"}`
	group := func(kind directory.ClaimKind) []directory.Claim {
		return []directory.Claim{{Kind: kind, Group: groupID}}
	}
	const suspended = `{"field":"state","from":"ACTIVATED","to":"SUSPENDED"},{"field":"suspended","from":false,"to":true}`
	for name, c := range map[string]struct {
		event string
		want  []directory.Claim
	}{
		"suspended by an update":         {bare("user_update", changes(suspended)), in(directory.Suspended)},
		"suspended among other changes":  {bare("user_update", changes(`{"field":"company","from":"","to":"x"},`+suspended)), append(in(directory.Suspended), altered("company", "", "x"))},
		"suspended by the older field":   {bare("user_update", changes(`{"field":"suspended","from":false,"to":true}`)), in(directory.Suspended)},
		"the fields contradict":          {bare("user_update", changes(`{"field":"state","to":"ACTIVATED"},{"field":"suspended","to":true}`)), in(directory.Suspended)},
		"brought back":                   {bare("user_update", changes(`{"field":"state","from":"SUSPENDED","to":"ACTIVATED"},{"field":"suspended","from":true,"to":false}`)), in(directory.Activated)},
		"brought back by the older one":  {bare("user_update", changes(`{"field":"suspended","from":true,"to":false}`)), in(directory.Activated)},
		"suspended":                      {bare("user_suspended", changes(suspended)), in(directory.Suspended)},
		"suspended without changes":      {bare("user_suspended", onUser), in(directory.Suspended)},
		"unsuspended":                    {bare("user_unsuspended", onUser), in(directory.Activated)},
		"activated":                      {bare("user_activated", changes(`{"field":"state","from":"STAGED","to":"ACTIVATED"}`)), in(directory.Activated)},
		"a state nobody knows":           {bare("user_update", changes(`{"field":"state","to":"mira@example.com"}`)), nil},
		"a state that is no text":        {bare("user_update", changes(`{"field":"state","to":{"x":1}},{"field":"suspended","to":null}`)), nil},
		"locked":                         {bare("user_lockout", changes(`{"field":"account_locked","from":false,"to":true}`)), of(directory.LockedOut)},
		"locked without changes":         {bare("user_lockout", onUser), of(directory.LockedOut)},
		"locked by an update":            {bare("user_update", changes(`{"field":"account_locked","to":true}`)), of(directory.LockedOut)},
		"unlocked":                       {bare("user_unlocked", onUser), of(directory.Unlocked)},
		"unlocked by an update":          {bare("user_update", changes(`{"field":"account_locked","to":"false"}`)), of(directory.Unlocked)},
		"password expired":               {bare("user_password_expired", onUser), of(directory.Expired)},
		"password valid again":           {bare("user_update", changes(`{"field":"password_expired","from":true,"to":false}`)), of(directory.Renewed)},
		"password changed":               {bare("user_password_change", changes(`{"field":"password"}`)), of(directory.NewPassword)},
		"first password":                 {bare("user_password_set", onUser), of(directory.NewPassword)},
		"password in an update":          {bare("user_update", changes(`{"field":"password"},{"field":"jobTitle","from":null,"to":"Lead"}`)), append(of(directory.NewPassword), altered("jobTitle", "", "Lead"))},
		"created staged":                 {bare("user_create", changes(`{"field":"state","to":"STAGED"},{"field":"suspended","to":false},{"field":"email","to":"mira@example.com"}`)), append(of(directory.Created), in(directory.Staged)...)},
		"created, of no state":           {bare("user_create", changes(`{"field":"suspended","to":false},{"field":"activated","to":false}`)), of(directory.Created)},
		"deleted":                        {bare("user_delete", onUser), of(directory.Removed)},
		"deleted, with what it was":      {bare("user_delete", changes(`{"field":"state","from":"ACTIVATED"},{"field":"suspended","from":false}`)), of(directory.Removed)},
		"attributes":                     {bare("user_update", changes(`{"field":"department","from":"A","to":"B"},{"field":"tags","to":["x"]}`)), []directory.Claim{altered("department", "A", "B")}},
		"an attribute is emptied":        {bare("user_update", changes(`{"field":"department","from":"A","to":null}`)), []directory.Claim{altered("department", "A", "")}},
		"addresses":                      {bare("user_update", changes(`{"field":"addresses","from":[],"to":[{"_id":"6650a1b2c3d4e5f6071800b7","type":"home","locality":"Rom"},{"id":"1","type":"work","locality":"Berlin"}]}`)), []directory.Claim{altered("addresses", "\n\n\n\n\n\n", "\n\n\nBerlin\n\n\n")}},
		"phones":                         {bare("user_update", changes(`{"field":"phoneNumbers","from":[{"type":"mobile","number":"2"}],"to":[{"type":"work","number":"1"}]}`)), []directory.Claim{altered("phoneNumbers", `"mobile"=2`, `"work"=1`)}},
		"custom attributes":              {bare("user_update", changes(`{"field":"attributes","from":[],"to":[{"name":"b","value":"2"},{"name":"a","value":"1"}]}`)), []directory.Claim{altered("attributes", "", "\"a\"=1\n\"b\"=2")}},
		"a value without the one before": {bare("user_update", changes(`{"field":"jobTitle","to":"Lead"}`)), []directory.Claim{{Kind: directory.Altered, User: userID, Field: "jobTitle", To: directory.Digest(userID, "jobTitle", "Lead")}}},
		"update without changes":         {bare("user_update", onUser), nil},
		"an attempt that failed":         {bare("user_delete", onUser+`,"success":false`), nil},
		"nobody":                         {bare("user_delete", ``), nil},
		"a warning":                      {bare("user_password_warning_email", onUser), nil},
		"JumpCloud's own write":          {bare("user_deprovision", onUser), nil},
		"group created":                  {bare("group_create", onGroup), group(directory.Created)},
		"group renamed":                  {bare("group_update", onGroup+`,"changes":[{"field":"name","from":"Sale","to":"Sales"}]`), []directory.Claim{{Kind: directory.Altered, Group: groupID, Field: "name", From: directory.Digest(groupID, "name", "Sale"), To: directory.Digest(groupID, "name", "Sales")}}},
		"group changed somehow":          {bare("group_update", onGroup), nil},
		"group deleted":                  {bare("group_delete", onGroup), group(directory.Removed)},
		"group of devices deleted":       {bare("group_delete", strings.Replace(onGroup, "user_group", "system_group", 1)), nil},
		"joined":                         {bare("association_change", edge("user_group", groupID, "user", userID)), []directory.Claim{{Kind: directory.Joined, User: userID, Group: groupID}}},
		"joined, the other way":          {bare("association_change", edge("user", userID, "user_group", groupID)), []directory.Claim{{Kind: directory.Joined, User: userID, Group: groupID}}},
		"left":                           {bare("association_change", remove(edge("user_group", groupID, "systemuser", userID))), []directory.Claim{{Kind: directory.Left, User: userID, Group: groupID}}},
		"a failed removal":               {bare("association_change", remove(edge("user_group", groupID, "user", userID))+`,"success":false`), nil},
		"a group in a group":             {bare("association_change", edge("user_group", groupID, "user_group", m365ID)), nil},
		"user associated":                {bare("association_change", edge("user", userID, "office_365", m365ID)), []directory.Claim{{Kind: directory.Associated, User: userID, Source: m365}}},
		"user dissociated, other way":    {bare("association_change", remove(edge("office_365", m365ID, "user", userID))), []directory.Claim{{Kind: directory.Dissociated, User: userID, Source: m365}}},
		"group associated":               {bare("association_change", edge("application", m365ID, "user_group", groupID)), []directory.Claim{{Kind: directory.Associated, Group: groupID, Source: app}}},
		"group dissociated":              {bare("association_change", strings.Replace(edge("user_group", groupID, "application", m365ID), `"add"`, `"REMOVE"`, 1)), []directory.Claim{{Kind: directory.Dissociated, Group: groupID, Source: app}}},
		"an association is updated":      {bare("association_change", strings.Replace(edge("user_group", groupID, "office_365", m365ID), `"add"`, `"update"`, 1)), nil},
		"an association of no operation": {bare("association_change", strings.Replace(edge("user_group", groupID, "user", userID), `"add"`, `null`, 1)), nil},
		"a device":                       {bare("association_change", edge("system", m365ID, "user", userID)), nil},
		"settings":                       {bare("organization_update", ``), nil},
	} {
		t.Run(name, func(t *testing.T) {
			event := parse(t, c.event).Events()[0]
			if diff := cmp.Diff(c.want, event.Claims()); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			encoded, err := json.Marshal(event)
			must(t, err)
			var decoded jumpcloud.Event
			must(t, json.Unmarshal(encoded, &decoded))
			if diff := cmp.Diff(event.Claims(), decoded.Claims()); diff != "" || strings.Contains(string(encoded), "@") {
				t.Errorf("by way of a queue: %s\n%s", encoded, diff)
			}
		})
	}
}

func TestClaimsOfRecordedEvents(t *testing.T) {
	for file, want := range map[string][]string{ // about what, in words
		"sekoia-user_update.json":        {"altered field attributes"},
		"sekoia-user_update2.json":       {"altered field addresses", "altered field company", "altered field location"},
		"sekoia-user_update3.json":       {"in_state state", "altered field addresses", "altered field company", "altered field location"},
		"sekoia-association_change.json": nil, // of a device
		"sekoia-admin_login.json":        nil,
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", "events", file))
		must(t, err)
		var got []string
		for _, claim := range parse(t, string(raw)).Events()[0].Claims() {
			got = append(got, string(claim.Kind)+" "+claim.About())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// The events of the simulator claim what was done, however it reports states and in
// whichever direction associations are.
func TestClaimsOfWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, states := range []jumpcloudtest.StateEvents{jumpcloudtest.UpdateAndDedicated, jumpcloudtest.UpdateOnly, jumpcloudtest.DedicatedOnly} {
			sim, client := simulator(t)
			sim.Set(func(b *jumpcloudtest.Behaviour) {
				b.StateEvents, b.ReverseAssociations, b.FeedLag = states, states == jumpcloudtest.UpdateOnly, 0
			})
			user := addUser(t, sim, "mira", jumpcloudtest.Fields{"state": "STAGED"})
			group := addGroup(t, sim, "Sales")
			app, err := sim.CreateApplication("CRM")
			must(t, err)
			source := directory.ConnectionSource{Type: directory.ApplicationSource, ID: app}
			steps := []struct {
				did  error
				want directory.Claim
			}{
				{sim.ActivateUser(string(user)), directory.Claim{Kind: directory.InState, User: user, State: directory.Activated}},
				{sim.SuspendUser(string(user)), directory.Claim{Kind: directory.InState, User: user, State: directory.Suspended}},
				{sim.LockUser(string(user)), directory.Claim{Kind: directory.LockedOut, User: user}},
				{sim.ExpirePassword(string(user)), directory.Claim{Kind: directory.Expired, User: user}},
				{sim.SetPassword(string(user), "Canary-7f3a!"), directory.Claim{Kind: directory.NewPassword, User: user}},
				{sim.AddMember(string(group), string(user)), directory.Claim{Kind: directory.Joined, User: user, Group: group}},
				{sim.RemoveMember(string(group), string(user)), directory.Claim{Kind: directory.Left, User: user, Group: group}},
				{sim.Associate(string(group), app), directory.Claim{Kind: directory.Associated, Group: group, Source: source}},
				{sim.Dissociate(string(group), app), directory.Claim{Kind: directory.Dissociated, Group: group, Source: source}},
				{sim.DeleteGroup(string(group)), directory.Claim{Kind: directory.Removed, Group: group}},
				{sim.DeleteUser(string(user)), directory.Claim{Kind: directory.Removed, User: user}},
			}
			time.Sleep(time.Second)
			var claims []directory.Claim
			events, _ := read(t, client, jumpcloud.EventQuery{From: time.Now().Add(-time.Hour)})
			for _, event := range events {
				claims = append(claims, event.Claims()...)
			}
			for _, step := range steps {
				must(t, step.did)
				if !slices.Contains(claims, step.want) {
					t.Errorf("%s: %+v is not among %+v", states, step.want, claims)
				}
			}
			sim.Close()
		}
	})
}

// From any changes, only words of the list result.
func TestEventsCarryNoValues(t *testing.T) {
	const canary = "canary"
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.SampledFrom([]string{"state", "suspended", "account_locked", "password_expired", "password", "email", canary, ""})
		value := rapid.SampledFrom([]string{`"canary"`, `{"canary":"canary"}`, `["canary"]`, `true`, `"SUSPENDED canary"`, `" suspended "`, `null`, `1`})
		var list []string
		for range rapid.IntRange(0, 5).Draw(t, "changes") {
			list = append(list, `{"field":"`+field.Draw(t, "field")+`","from":`+value.Draw(t, "from")+`,"to":`+value.Draw(t, "to")+`}`)
		}
		kind := rapid.SampledFrom(jumpcloud.EventTypes()).Draw(t, "type")
		parsed, err := jumpcloud.ParseBody([]byte(bare(kind, onUser+`,"changes":[`+strings.Join(list, ",")+`]`)))
		if err != nil {
			t.Fatal(err)
		}
		event := parsed.Events()[0]
		encoded, err := json.Marshal([]any{event, event.Claims()})
		if err != nil || strings.Contains(string(encoded), canary) {
			t.Fatalf("%s, %v, want no text of the changes", encoded, err)
		}
	})
}
