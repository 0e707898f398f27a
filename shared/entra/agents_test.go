package entra_test

import (
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
)

// However an account is looked up, that of an agent is recognised.
func TestAgentsAreRecognised(t *testing.T) {
	n := simulated(t)
	agent := directory.EntraID(n.person(t, entratest.User{UserPrincipalName: "agent@contoso.example", Agent: true, Properties: map[string]any{"onPremisesImmutableId": "jc1"}}))
	person := directory.EntraID(n.person(t, entratest.User{UserPrincipalName: "ann@contoso.example", Properties: map[string]any{"onPremisesImmutableId": "jc2"}}))
	byName := n.client.FindByUPN(t.Context(), []directory.UPN{"agent@contoso.example", "ann@contoso.example"}, managed)
	byID := n.client.Read(t.Context(), []directory.EntraID{agent, person}, nil)
	byKey := n.client.FindByImmutableID(t.Context(), []string{"jc1", "jc2"})
	for _, id := range []directory.EntraID{agent, person} {
		if _, err := n.dir.DeleteUser(string(id)); err != nil {
			t.Fatal(err)
		}
	}
	deletedByName := n.client.FindByUPN(t.Context(), []directory.UPN{"agent@contoso.example", "ann@contoso.example"}, nil)
	deletedByID := n.client.FindDeleted(t.Context(), []directory.EntraID{agent, person})
	for i, wanted := range []bool{true, false} {
		for what, account := range map[string]*directory.Account{"name": byName[i].Account, "id": byID[i].Account, "immutable id": byKey[i].Account} {
			if account == nil || account.Agent != wanted || (account.Untouchable() != nil) != wanted {
				t.Errorf("by %s: %+v, want an account with Agent %t, untouchable if it is", what, account, wanted)
			}
		}
		for what, account := range map[string]*directory.DeletedAccount{"name": deletedByName[i].Deleted, "id": deletedByID[i].Deleted} {
			if account == nil || account.Agent != wanted || (account.Untouchable() != nil) != wanted {
				t.Errorf("deleted, by %s: %+v, want an account with Agent %t, untouchable if it is", what, account, wanted)
			}
		}
	}
}
