package entra_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// refusalBody is an error of Graph with details of code and target.
func refusalBody(code, message string, details ...string) map[string]any {
	var list []map[string]string
	for i := 0; i+1 < len(details); i += 2 {
		list = append(list, map[string]string{"code": details[i], "target": details[i+1], "message": message})
	}
	return map[string]any{"error": map[string]any{"code": code, "message": message, "details": list}}
}

// An answer of a proxy in front of Graph is no fault of a user.
func TestRefusedBatch(t *testing.T) {
	for status, kind := range map[int]fault.Kind{400: fault.Transient, 403: fault.Transient, 404: fault.Transient, 500: fault.Transient, 502: fault.Transient, 503: fault.Transient} {
		s := &stub{t: t, answer: func(int, sent) (int, http.Header, string) { return status, nil, "<html>" }}
		for i, found := range s.client().FindByUPN(t.Context(), []directory.UPN{"a@corp.example", "b@corp.example"}, nil) {
			if fault.KindOf(found.Err) != kind {
				t.Errorf("%d: answer %d is %v, want %s", status, i, found.Err, kind)
			}
		}
	}
}

func TestLookUp(t *testing.T) {
	s := &stub{t: t}
	s.answer = func(_ int, r sent) (int, http.Header, string) {
		return 200, nil, reply(t, r, func(i item) map[string]any {
			switch {
			case strings.HasPrefix(i.URL, "/directory/deletedItems/"):
				return map[string]any{"status": 200, "body": map[string]any{"value": []any{}}}
			case strings.HasPrefix(i.URL, "/users/none%40"):
				return map[string]any{"status": 404, "body": refusalBody("Request_ResourceNotFound", "x")}
			case strings.HasPrefix(i.URL, "/users/o%27neil%23x%40corp.example?"):
				return map[string]any{"status": 200, "body": map[string]any{"id": "e1", "userPrincipalName": "O'Neil#x@corp.example", "accountEnabled": true, "onPremisesSyncEnabled": nil, "jobTitle": nil, "businessPhones": []string{"1"}, "userType": "Member", "onPremisesImmutableId": "u1"}}
			default:
				return map[string]any{"status": 200, "body": map[string]any{"id": "e2", "userPrincipalName": "s@corp.example", "onPremisesSyncEnabled": true, "isManagementRestricted": true}}
			}
		})
	}
	found := s.client().FindByUPN(t.Context(), []directory.UPN{"none@corp.example", "o'neil#x@corp.example", "s@corp.example"}, []directory.Attribute{"jobTitle", "businessPhones"})
	if found[0].Account != nil || found[0].Err != nil {
		t.Errorf("an unknown account: %+v, want no account and no error", found[0])
	}
	got, err := json.Marshal(found[1].Account)
	want := `{"ID":"e1","UPN":"O'Neil#x@corp.example","ImmutableID":"u1","Enabled":true,"SyncedFromOnPremises":false,"ManagementRestricted":false,"Guest":false,"Agent":false,"Attributes":{"businessPhones":"1","jobTitle":null},"Licenses":null,"GroupLicenses":null}`
	if err != nil || string(got) != want {
		t.Errorf("account %s, %v\nwant %s", got, err, want)
	}
	if a := found[2].Account; a == nil || !a.SyncedFromOnPremises || !a.ManagementRestricted {
		t.Errorf("synchronised account: %+v, want it synchronised and under restricted management", a)
	}
	if len(s.requests) != 1 {
		t.Errorf("%d requests for three lookups, want one", len(s.requests))
	}
	if url := s.requests[0].items(t)[0].URL; !strings.Contains(url, "select=") {
		t.Errorf("%s selects nothing: it would cost a resource unit more", url)
	}
}
