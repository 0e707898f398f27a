package machine_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// Passwords that both sides take, that JumpCloud refuses, and that only Entra
// refuses: they must be nowhere afterwards.
const (
	goodPassword   = "Canary-Passw0rd-9"
	nextPassword   = "Canary-Passw0rd-10"
	plainPassword  = "Canary9Canary9"
	commonPassword = "P@ssw0rd!!"
)

// setPassword sets the password of a user through the gateway.
func (p *product) setPassword(user, password string, want int) map[string]any {
	p.t.Helper()
	answer := p.call("PUT", "/v1/organizations/"+string(p.machine.Config.Organization)+"/users/"+user+"/password", map[string]any{"password": password}, want)
	if strings.Contains(fmt.Sprint(answer), password) {
		p.t.Errorf("an answer of %d repeats a password", want)
	}
	return answer
}

// differs is why a user's account has another password than JumpCloud, as the API
// shows it; "" if it has the same.
func (p *product) differs(user string) string {
	p.t.Helper()
	why, _ := p.call("GET", "/v1/directories/"+p.directory+"/users/"+user, nil, 200)["passwordDiffers"].(map[string]any)
	reason, _ := why["reason"].(string)
	return reason
}

// A password set through the API is that of both sides, and where one refuses it
// the answer and the link say so. It is in no file, no log line and no answer.
func TestPasswordGateway(t *testing.T) {
	p := start(t)
	jc := p.machine.JumpCloud
	ada := jc.Users()[0]
	id, email := ada.Text("_id"), ada.Text("email")
	p.connect(id)
	p.settle()
	before := p.account(email).PasswordChanges
	sides := func(password string) string {
		return fmt.Sprintf("jumpcloud %v, entra %v", jc.HasPassword(id, password), p.account(email).HasPassword(password))
	}

	answer := p.setPassword(id, goodPassword, 200)
	if accounts, _ := answer["accounts"].([]any); answer["jumpcloud"] != "set" || len(accounts) != 1 || sides(goodPassword) != "jumpcloud true, entra true" {
		t.Errorf("%v; %s; want it set on both sides, in one account", answer, sides(goodPassword))
	}
	p.settle() // JumpCloud's own event about it starts a task that changes nothing
	if n := p.account(email).PasswordChanges; n != before+1 || p.differs(id) != "" {
		t.Errorf("the password was written %d times, differs %q; want once, no difference", n-before, p.differs(id))
	}

	for _, refused := range []string{"xq1x", plainPassword} { // by Entra's rules, by JumpCloud
		p.setPassword(id, refused, 422)
		if sides(goodPassword) != "jumpcloud true, entra true" || p.differs(id) != "" {
			t.Errorf("after a refusal of both: %s, differs %q; want the former one on both sides, no difference", sides(goodPassword), p.differs(id))
		}
	}
	problem := fmt.Sprint(p.setPassword(id, commonPassword, 422))
	if !strings.Contains(problem, "JumpCloud: has the new password") || !strings.Contains(problem, email+" in the directory Contoso: has the old password (password_refused)") {
		t.Errorf("refused by Entra: the answer is %s, want both sides in it", strings.ReplaceAll(problem, commonPassword, "…"))
	}
	if sides(commonPassword) != "jumpcloud true, entra false" || p.differs(id) != "password_refused" || !p.account(email).HasPassword(goodPassword) {
		t.Errorf("refused by Entra: %s, differs %q; want it in JumpCloud only, password_refused", sides(commonPassword), p.differs(id))
	}
	p.settle() // a task for the user does not change what the link says
	if p.differs(id) != "password_refused" {
		t.Errorf("after a task for the user: differs %q, want password_refused", p.differs(id))
	}

	p.close() // the key is the same after a restart
	p.open()
	jc = p.machine.JumpCloud
	p.setPassword(id, nextPassword, 200)
	if sides(nextPassword) != "jumpcloud true, entra true" || p.differs(id) != "" {
		t.Errorf("the next one: %s, differs %q; want it on both sides, no difference", sides(nextPassword), p.differs(id))
	}
	p.checkPasswordActions()
	p.mustHaveKeptNoPassword()
}

// checkPasswordActions checks the recorded actions.
func (p *product) checkPasswordActions() {
	p.t.Helper()
	p.settle()
	list, err := p.machine.Store.Actions(p.t.Context(), directory.ID(p.directory), 0, "")
	if err != nil {
		p.t.Fatal(err)
	}
	count := map[plan.Status]int{}
	for _, a := range list.Items {
		if a.Type == plan.SetPassword {
			count[a.Status]++
		}
	}
	if count[plan.Succeeded] != 2 || count[plan.Failed] != 1 || len(count) != 2 {
		p.t.Errorf("actions: %v, want 2 that succeeded and 1 that failed", count)
	}
}

// mustHaveKeptNoPassword ends the product and searches what it left.
func (p *product) mustHaveKeptNoPassword() {
	p.t.Helper()
	_, counters := p.send("GET", p.machine.URL()+"/metrics", "", nil)
	p.close()
	texts := map[string]string{"the log": p.log.String(), "/metrics": string(counters)}
	if err := filepath.WalkDir(p.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		texts[path] = string(content)
		return err
	}); err != nil || len(texts) < 7 {
		p.t.Errorf("read %d files (%v), want at least 5", len(texts)-2, err)
	}
	for where, text := range texts {
		for _, password := range []string{goodPassword, nextPassword, plainPassword, commonPassword} {
			if strings.Contains(text, password) {
				p.t.Errorf("%s is in %s, want it nowhere", password, where)
			}
		}
	}
}
