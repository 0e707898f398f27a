package entratest_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"entrasync/shared/entra/entratest"
)

// The account of an agent is in the lists of users, and only its type distinguishes it,
// also where nothing but a name is selected.
func TestAccountsOfAgents(t *testing.T) {
	g := start(t)
	agent := g.seed(entratest.User{UserPrincipalName: "agent@contoso.example", Agent: true}).ID
	ann := g.seed(entratest.User{UserPrincipalName: "ann@contoso.example", Manager: agent}).ID
	const agentType = "#microsoft.graph.agentUser"
	list := g.must(http.StatusOK, http.MethodGet, "/users?$select=displayName&$filter="+url.QueryEscape("accountEnabled eq true and (startswith(mail,'a') or startswith(displayName,'a'))"), nil)
	if kinds := texts(list.body["value"], "@odata.type"); !slices.Equal(kinds, []string{agentType, ""}) {
		t.Errorf("the types in a list: %q, want that of the agent and none for the other", kinds)
	}
	for path, want := range map[string]string{"/users/" + agent: agentType, "/users/" + ann: "", "/directoryObjects/" + agent: agentType, "/users/" + ann + "/manager": agentType} {
		if got := text(g.must(http.StatusOK, http.MethodGet, path, nil).body, "@odata.type"); got != want {
			t.Errorf("%s: the type %q, want %q", path, got, want)
		}
	}
	byID := g.must(http.StatusOK, http.MethodPost, "/directoryObjects/getByIds?$select=displayName", object{"ids": []string{agent, ann}, "types": []string{"user"}})
	if kinds := texts(byID.body["value"], "@odata.type"); !slices.Equal(kinds, []string{agentType, "#microsoft.graph.user"}) {
		t.Errorf("the types by id: %q, want both", kinds)
	}
	delta := g.must(http.StatusOK, http.MethodGet, "/users/delta?$select=displayName", nil)
	if kinds := texts(delta.body["value"], "@odata.type"); !slices.Equal(kinds, []string{agentType, ""}) {
		t.Errorf("the types in a delta query: %q, want that of the agent and none for the other", kinds)
	}
}

// getByIds shows objects that the app may not read with their ids alone, and leaves out
// accountEnabled where the world is so.
func TestWhatGetByIdsShows(t *testing.T) {
	g := start(t)
	ann := g.seed(entratest.User{UserPrincipalName: "ann@contoso.example"}).ID
	read := func() map[string]any {
		t.Helper()
		r := g.must(http.StatusOK, http.MethodPost, "/directoryObjects/getByIds?$select=id,displayName,accountEnabled", object{"ids": []string{ann}})
		shown, _ := at(r.body, "value", 0).(map[string]any)
		return shown
	}
	if shown := read(); shown["displayName"] != "ann" || shown["accountEnabled"] != true {
		t.Errorf("with the permission: %v, want the name and the state", shown)
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.World.SparseByIDs = true })
	if shown := read(); shown["displayName"] != "ann" || len(shown) != 3 {
		t.Errorf("in the sparse world: %v, want type, id and name", shown)
	}
	g.sim.Set(func(b *entratest.Behaviour) { b.World.SparseByIDs = false })
	if err := g.sim.SetApp(clientID, func(a *entratest.App) { a.Roles = []string{"Group.Read.All"} }); err != nil {
		t.Fatal(err)
	}
	g.token = g.sim.Token(clientID, tenantID)
	if shown := read(); shown["id"] != ann || shown["displayName"] != nil || shown["accountEnabled"] != nil || len(shown) != 4 {
		t.Errorf("without the permission for users: %v, want the id and nulls", shown)
	}
}
