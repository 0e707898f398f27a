package jumpcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// passwordRules explain the codes of fieldViolationsList. JumpCloud documents
// specialCharacter and passwordHistory (JumpCloud API documentation,
// fullValidationDetails); the others are assumed. An unknown code is passed on
// unchanged.
var passwordRules = map[string]string{
	"specialCharacter":  "it must hold a special character",
	"passwordHistory":   "it was used before",
	"minLength":         "it is too short",
	"lowercase":         "it must hold a lower-case letter",
	"uppercase":         "it must hold an upper-case letter",
	"number":            "it must hold a digit",
	"usernameSubstring": "it must not contain the user name",
}

// SetPassword gives a user a new password. A password that breaks the organization's
// policy is a fault of kind Invalid whose message names the rules. The request is sent
// once: after a fault of kind Transient it is unknown whether JumpCloud has the new
// password, and a second time JumpCloud may refuse it as used before. After every other
// fault it does not have it.
func (c *Client) SetPassword(ctx context.Context, user directory.UserID, password string) error {
	what := call{op: "jumpcloud.set password", subject: string(user), method: http.MethodPut, secret: password,
		explain: c.knowing(password).explainRules,
		url:     c.api + "/systemusers/" + url.PathEscape(string(user)) + "?fullValidationDetails=password"}
	if !isObjectID(string(user)) { // anything else could name another route
		return &fault.Error{Op: what.op, Kind: fault.NotFound, Subject: what.subject, Message: "not the id of a JumpCloud user"}
	}
	body, err := json.Marshal(map[string]string{"password": password})
	if err != nil {
		return fault.New(fault.Internal, what.op, "the password cannot be written as JSON")
	}
	what.body = body
	got, err := c.once(ctx, what)
	if err != nil {
		return err
	}
	if answered, ok := userOf(objectOf(got.body)); !ok || answered.ID != user {
		return &fault.Error{Op: what.op, Kind: fault.Transient, Subject: what.subject, Message: "JumpCloud's answer is not the user: nobody knows whether it has the password"}
	}
	return nil
}

// explainRules says which rules a refused password breaks.
func (c *Client) explainRules(problem *fault.Error, _ int, body []byte) {
	if problem.Kind != fault.Invalid {
		return
	}
	if why := c.brokenRules(body); why != "" {
		problem.Message = why
	}
}

// maxRules is the highest number of rules in the message of a refusal.
const maxRules = 20

// brokenRules reads which rules a refused password breaks. JumpCloud's own texts are
// passed on without secrets.
func (c *Client) brokenRules(body []byte) string {
	o := objectOf(body)
	var rules []string
	for _, detail := range o.objects("details") {
		for _, violation := range detail.objects("fieldViolationsList") {
			code := violation.text("description")
			rule, known := passwordRules[code]
			if !known {
				rule = "it breaks the rule " + c.hide.Text(strings.TrimSpace(violation.text("field")+" "+code))
			}
			if !slices.Contains(rules, rule) && len(rules) < maxRules {
				rules = append(rules, rule)
			}
		}
	}
	if len(rules) > 0 {
		return strings.Join(rules, "; ")
	}
	return c.hide.Text(o.text("message"))
}
