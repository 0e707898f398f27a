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
	of := func(kinds ...jumpcloud.ClaimKind) (claims []jumpcloud.Claim) {
		for _, kind := range kinds {
			claims = append(claims, jumpcloud.Claim{Kind: kind, User: userID})
		}
		return claims
	}
	in := func(state directory.UserState, more ...jumpcloud.ClaimKind) []jumpcloud.Claim {
		return append([]jumpcloud.Claim{{Kind: jumpcloud.InState, User: userID, State: state}}, of(more...)...)
	}
	changes := func(list string) string { return onUser + `,"changes":[` + list + `]` }
	remove := func(edge string) string { return strings.Replace(edge, `"op":"add"`, `"op":"remove"`, 1) }
	onGroup := `,"resource":{"id":"` + groupID + `","name":"Sales","type":"user_group"}`
	group := func(kind jumpcloud.ClaimKind) []jumpcloud.Claim {
		return []jumpcloud.Claim{{Kind: kind, Group: groupID}}
	}
	const suspended = `{"field":"state","from":"ACTIVATED","to":"SUSPENDED"},{"field":"suspended","from":false,"to":true}`
	for name, c := range map[string]struct {
		event string
		want  []jumpcloud.Claim
	}{
		"suspended by an update":         {bare("user_update", changes(suspended)), in(directory.Suspended)},
		"suspended among other changes":  {bare("user_update", changes(`{"field":"company","to":"x"},`+suspended)), in(directory.Suspended, jumpcloud.Altered)},
		"suspended by the older field":   {bare("user_update", changes(`{"field":"suspended","from":false,"to":true}`)), in(directory.Suspended)},
		"the fields contradict":          {bare("user_update", changes(`{"field":"state","to":"ACTIVATED"},{"field":"suspended","to":true}`)), in(directory.Suspended)},
		"brought back":                   {bare("user_update", changes(`{"field":"state","from":"SUSPENDED","to":"ACTIVATED"},{"field":"suspended","from":true,"to":false}`)), in(directory.Activated)},
		"brought back by the older one":  {bare("user_update", changes(`{"field":"suspended","from":true,"to":false}`)), in(directory.Activated)},
		"suspended":                      {bare("user_suspended", changes(suspended)), in(directory.Suspended)},
		"suspended without changes":      {bare("user_suspended", onUser), in(directory.Suspended)},
		"unsuspended":                    {bare("user_unsuspended", onUser), in(directory.Activated)},
		"activated":                      {bare("user_activated", changes(`{"field":"state","from":"STAGED","to":"ACTIVATED"}`)), in(directory.Activated)},
		"a state nobody knows":           {bare("user_update", changes(`{"field":"state","to":"mira@example.com"}`)), of(jumpcloud.Altered)},
		"a state that is no text":        {bare("user_update", changes(`{"field":"state","to":{"x":1}},{"field":"suspended","to":null}`)), of(jumpcloud.Altered)},
		"locked":                         {bare("user_lockout", changes(`{"field":"account_locked","from":false,"to":true}`)), of(jumpcloud.Locked)},
		"locked without changes":         {bare("user_lockout", onUser), of(jumpcloud.Locked)},
		"locked by an update":            {bare("user_update", changes(`{"field":"account_locked","to":true}`)), of(jumpcloud.Locked)},
		"unlocked":                       {bare("user_unlocked", onUser), of(jumpcloud.Unlocked)},
		"unlocked by an update":          {bare("user_update", changes(`{"field":"account_locked","to":"false"}`)), of(jumpcloud.Unlocked)},
		"password expired":               {bare("user_password_expired", onUser), of(jumpcloud.Expired)},
		"password valid again":           {bare("user_update", changes(`{"field":"password_expired","from":true,"to":false}`)), of(jumpcloud.Renewed)},
		"password changed":               {bare("user_password_change", changes(`{"field":"password"}`)), of(jumpcloud.NewPassword)},
		"first password":                 {bare("user_password_set", onUser), of(jumpcloud.NewPassword)},
		"password in an update":          {bare("user_update", changes(`{"field":"password"},{"field":"jobTitle","to":"Lead"}`)), of(jumpcloud.Altered, jumpcloud.NewPassword)},
		"created staged":                 {bare("user_create", changes(`{"field":"state","to":"STAGED"},{"field":"suspended","to":false},{"field":"email","to":"mira@example.com"}`)), append(of(jumpcloud.Created), in(directory.Staged)...)},
		"created, of no state":           {bare("user_create", changes(`{"field":"suspended","to":false},{"field":"activated","to":false}`)), of(jumpcloud.Created)},
		"deleted":                        {bare("user_delete", onUser), of(jumpcloud.Deleted)},
		"deleted, with what it was":      {bare("user_delete", changes(`{"field":"state","from":"ACTIVATED"},{"field":"suspended","from":false}`)), of(jumpcloud.Deleted)},
		"attributes":                     {bare("user_update", changes(`{"field":"department","from":"A","to":"B"}`)), of(jumpcloud.Altered)},
		"update without changes":         {bare("user_update", onUser), of(jumpcloud.Altered)},
		"an attempt that failed":         {bare("user_delete", onUser+`,"success":false`), nil},
		"nobody":                         {bare("user_delete", ``), nil},
		"a warning":                      {bare("user_password_warning_email", onUser), nil},
		"JumpCloud's own write":          {bare("user_deprovision", onUser), nil},
		"group created":                  {bare("group_create", onGroup), group(jumpcloud.Created)},
		"group renamed":                  {bare("group_update", onGroup), group(jumpcloud.Altered)},
		"group deleted":                  {bare("group_delete", onGroup), group(jumpcloud.Deleted)},
		"group of devices deleted":       {bare("group_delete", strings.Replace(onGroup, "user_group", "system_group", 1)), nil},
		"joined":                         {bare("association_change", edge("user_group", groupID, "user", userID)), []jumpcloud.Claim{{Kind: jumpcloud.Joined, User: userID, Group: groupID}}},
		"joined, the other way":          {bare("association_change", edge("user", userID, "user_group", groupID)), []jumpcloud.Claim{{Kind: jumpcloud.Joined, User: userID, Group: groupID}}},
		"left":                           {bare("association_change", remove(edge("user_group", groupID, "systemuser", userID))), []jumpcloud.Claim{{Kind: jumpcloud.Left, User: userID, Group: groupID}}},
		"a failed removal":               {bare("association_change", remove(edge("user_group", groupID, "user", userID))+`,"success":false`), nil},
		"a group in a group":             {bare("association_change", edge("user_group", groupID, "user_group", m365ID)), nil},
		"user associated":                {bare("association_change", edge("user", userID, "office_365", m365ID)), []jumpcloud.Claim{{Kind: jumpcloud.Associated, User: userID, Source: m365}}},
		"user dissociated, other way":    {bare("association_change", remove(edge("office_365", m365ID, "user", userID))), []jumpcloud.Claim{{Kind: jumpcloud.Dissociated, User: userID, Source: m365}}},
		"group associated":               {bare("association_change", edge("application", m365ID, "user_group", groupID)), []jumpcloud.Claim{{Kind: jumpcloud.Associated, Group: groupID, Source: app}}},
		"group dissociated":              {bare("association_change", strings.Replace(edge("user_group", groupID, "application", m365ID), `"add"`, `"REMOVE"`, 1)), []jumpcloud.Claim{{Kind: jumpcloud.Dissociated, Group: groupID, Source: app}}},
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
	for file, want := range map[string][]jumpcloud.Claim{
		"sekoia-user_update.json":  {{Kind: jumpcloud.Altered, User: "6127579ec58b6d6144c06492"}},
		"sekoia-user_update2.json": {{Kind: jumpcloud.Altered, User: "627232d9c2bb20373d84eb63"}},
		"sekoia-user_update3.json": {{Kind: jumpcloud.InState, User: "628cf9c0d6f4831f8192fa8d", State: directory.Suspended},
			{Kind: jumpcloud.Altered, User: "628cf9c0d6f4831f8192fa8d"}},
		"sekoia-association_change.json": nil, // of a device
		"sekoia-admin_login.json":        nil,
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", "events", file))
		must(t, err)
		if diff := cmp.Diff(want, parse(t, string(raw)).Events()[0].Claims()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// What the simulator emits claims what was done, however it reports states and
// whichever way associations run.
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
				want jumpcloud.Claim
			}{
				{sim.ActivateUser(string(user)), jumpcloud.Claim{Kind: jumpcloud.InState, User: user, State: directory.Activated}},
				{sim.SuspendUser(string(user)), jumpcloud.Claim{Kind: jumpcloud.InState, User: user, State: directory.Suspended}},
				{sim.LockUser(string(user)), jumpcloud.Claim{Kind: jumpcloud.Locked, User: user}},
				{sim.ExpirePassword(string(user)), jumpcloud.Claim{Kind: jumpcloud.Expired, User: user}},
				{sim.SetPassword(string(user), "Canary-7f3a!"), jumpcloud.Claim{Kind: jumpcloud.NewPassword, User: user}},
				{sim.AddMember(string(group), string(user)), jumpcloud.Claim{Kind: jumpcloud.Joined, User: user, Group: group}},
				{sim.RemoveMember(string(group), string(user)), jumpcloud.Claim{Kind: jumpcloud.Left, User: user, Group: group}},
				{sim.Associate(string(group), app), jumpcloud.Claim{Kind: jumpcloud.Associated, Group: group, Source: source}},
				{sim.Dissociate(string(group), app), jumpcloud.Claim{Kind: jumpcloud.Dissociated, Group: group, Source: source}},
				{sim.DeleteGroup(string(group)), jumpcloud.Claim{Kind: jumpcloud.Deleted, Group: group}},
				{sim.DeleteUser(string(user)), jumpcloud.Claim{Kind: jumpcloud.Deleted, User: user}},
			}
			time.Sleep(time.Second)
			var claims []jumpcloud.Claim
			must(t, client.EachEventPage(t.Context(), jumpcloud.EventQuery{From: time.Now().Add(-time.Hour)}, func(events []jumpcloud.Event) error {
				for _, event := range events {
					claims = append(claims, event.Claims()...)
				}
				return nil
			}))
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

// Whatever changes say, only words of the list come out.
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
			t.Fatalf("%s, %v", encoded, err)
		}
	})
}
