package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// Which changes of a refused action are still written, and which are given up.
func TestRestOfARefusedAction(t *testing.T) {
	changes := func(names ...directory.Attribute) (list []directory.Change) {
		for _, name := range names {
			list = append(list, directory.Change{Attribute: name, To: directory.Value{"x"}})
		}
		return list
	}
	const title, phone, mails, upn, nickname, badge, car = directory.JobTitle, directory.MobilePhone, directory.OtherMails, directory.UserPrincipalName, directory.MailNickname,
		directory.Attribute("onPremisesExtensionAttributes.extensionAttribute1"), directory.Attribute("onPremisesExtensionAttributes.extensionAttribute2")
	invalid := func(subject string) *fault.Error {
		return &fault.Error{Kind: fault.Invalid, Subject: subject, Reason: directory.InvalidValue}
	}
	forbidden := &fault.Error{Kind: fault.Forbidden, Reason: directory.ProtectedAccount}
	conflict := &fault.Error{Kind: fault.Conflict, Subject: "userPrincipalName", Reason: directory.UPNConflict}
	for _, tc := range []struct {
		name     string
		action   plan.Type
		changes  []directory.Change
		refused  *fault.Error
		possible bool
		rest     [][]string
		given    []directory.Attribute
	}{
		{"one named", plan.Update, changes(title, phone), invalid("jobTitle"), true, [][]string{{"update", "mobilePhone=x"}}, []directory.Attribute{title}},
		{"the only one", plan.Update, changes(title), invalid("jobTitle"), true, nil, []directory.Attribute{title}},
		{"the only one, unnamed", plan.Update, changes(title), invalid(""), true, nil, []directory.Attribute{title}},
		{"none named", plan.Update, changes(title, phone), invalid(""), true, [][]string{{"update", "jobTitle=x"}, {"update", "mobilePhone=x"}}, nil},
		{"the alias goes with the name", plan.Update, changes(title, nickname, upn), conflict, true, [][]string{{"update", "jobTitle=x"}}, []directory.Attribute{nickname, upn}},
		{"a property with parts", plan.Update, changes(title, badge, car), invalid("onPremisesExtensionAttributes"), true, [][]string{{"update", "jobTitle=x"}, {"update", string(badge) + "=x"}, {"update", string(car) + "=x"}}, nil},
		{"one part of it", plan.Update, changes(title, badge), invalid("onPremisesExtensionAttributes"), true, [][]string{{"update", "jobTitle=x"}}, []directory.Attribute{badge}},
		{"something else is in the way", plan.Update, changes(title, phone), invalid("proxyAddresses"), false, nil, nil},
		{"not allowed, some sensitive", plan.Update, changes(title, phone, mails), forbidden, true, [][]string{{"update", "jobTitle=x"}, {"update", "mobilePhone=x"}, {"update", "otherMails=x"}}, nil},
		{"not allowed, only one sensitive", plan.Update, changes(phone), forbidden, true, nil, []directory.Attribute{phone}},
		{"not allowed at all", plan.Update, changes(title), forbidden, false, nil, nil},
		{"synchronised", plan.Update, changes(title, phone), &fault.Error{Kind: fault.Forbidden, Reason: directory.SyncedFromOnPremises}, false, nil, nil},
		{"one mastered elsewhere, and not which", plan.TakeOver, changes(title, badge), &fault.Error{Kind: fault.Invalid, Reason: directory.MasteredElsewhere}, true, [][]string{{"take_over"}, {"update", "jobTitle=x"}, {"update", string(badge) + "=x"}}, nil},
		{"one in conflict, and not which", plan.Update, changes(title, upn), &fault.Error{Kind: fault.Conflict, Reason: directory.UPNConflict}, true, [][]string{{"update", "jobTitle=x"}, {"update", "userPrincipalName=x"}}, nil},
		{"the one in conflict", plan.Update, changes(upn, nickname), &fault.Error{Kind: fault.Conflict, Reason: directory.UPNConflict}, true, nil, []directory.Attribute{upn, nickname}},
		{"another one in conflict", plan.Update, changes(title, upn), &fault.Error{Kind: fault.Conflict, Subject: "proxyAddresses", Reason: directory.UPNConflict}, false, nil, nil},
		{"create without it", plan.Provision, changes(title, phone, upn), invalid("jobTitle"), true, [][]string{{"provision", "mobilePhone=x", "userPrincipalName=x"}}, []directory.Attribute{title}},
		{"create what must be, the rest apart", plan.Provision, changes(title, phone, upn), invalid(""), true, [][]string{{"provision", "userPrincipalName=x"}, {"update", "jobTitle=x"}, {"update", "mobilePhone=x"}}, nil},
		{"nothing to create it without", plan.Provision, changes(nickname, upn), invalid(""), false, nil, nil},
		{"no account without its name", plan.Provision, changes(title, upn), invalid("userPrincipalName"), false, nil, nil},
		{"no account under a taken name", plan.Provision, changes(title, upn), conflict, false, nil, nil},
		{"taken over all the same", plan.TakeOver, changes(title), invalid("jobTitle"), true, [][]string{{"take_over"}}, []directory.Attribute{title}},
		{"not taken over in part", plan.TakeOver, changes(title, phone), forbidden, false, nil, nil},
		{"the state is no attribute", plan.Enable, changes(directory.AccountEnabled), forbidden, false, nil, nil},
		{"an outage is no refusal", plan.Update, changes(title, phone), &fault.Error{Kind: fault.Transient}, false, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rest, possible := plan.Action{Type: tc.action, EntraID: "e1", Changes: tc.changes}.SplitChanges(tc.refused)
			if possible != tc.possible || !cmp.Equal(written(rest.Actions), tc.rest) || !cmp.Equal(rest.Refused, tc.given) {
				t.Errorf("got possible %v, refused %v; want %v, %v; actions %s", possible, rest.Refused, tc.possible, tc.given, cmp.Diff(tc.rest, written(rest.Actions)))
			}
		})
	}
}
