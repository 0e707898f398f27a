package entra_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// The password of a new account never contains the user's name, which Entra would
// refuse.
func TestANewAccountsPasswordHoldsNoName(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		s := &stub{t: t, answer: func(_ int, r sent) (int, http.Header, string) {
			return 200, nil, reply(t, r, func(item) map[string]any { return map[string]any{"status": 201, "body": map[string]any{"id": "e1"}} })
		}}
		s.client().Apply(t.Context(), []plan.Action{{Type: plan.Provision, Changes: []directory.Change{
			{Attribute: directory.UserPrincipalName, To: directory.Text("anna@contoso.example")}, {Attribute: directory.DisplayName, To: directory.Text("Anna")},
		}}})
		password := ""
		for _, r := range s.requests {
			for _, i := range r.items(t) {
				profile, _ := i.Body["passwordProfile"].(map[string]any)
				password, _ = profile["password"].(string)
			}
		}
		if len(password) < 30 || len(password) > 256 || seen[password] {
			t.Fatalf("the password has %d characters, or was used before; want 30 to 256 and a new one", len(password))
		}
		seen[password] = true
		for part := range strings.FieldsFuncSeq(password, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(part) > 2 {
				t.Fatal("a part of the password has more than two characters")
			}
		}
	}
}
