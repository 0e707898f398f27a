package jumpcloudtest

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// passwordChange are the changes in a password event: the field without a value.
var passwordChange = []any{map[string]any{"field": "password"}}

// policy is the password policy in the settings of the organization.
func (tx *tx) policy() Fields {
	organization := tx.get(kindOrganization, tx.s.organization)
	policy, _ := lookup(organization, "settings.passwordPolicy").(map[string]any)
	return policy
}

func number(policy Fields, name string) int {
	n, _ := policy[name].(float64)
	return int(n)
}

// checkPassword refuses a password that breaks the organization's policy. With
// validation the refusal lists the broken rules (JumpCloud API documentation,
// fullValidationDetails).
func (tx *tx) checkPassword(user Fields, password string, validation bool) error {
	policy := tx.policy()
	var broken []string
	need := func(rule, code string, hasClass func(rune) bool) {
		if policy.Flag(rule) && !strings.ContainsFunc(password, hasClass) {
			broken = append(broken, code)
		}
	}
	if policy.Flag("enableMinLength") && len([]rune(password)) < number(policy, "minLength") {
		broken = append(broken, assumedMinLength)
	}
	need("needsLowercase", assumedLowercase, unicode.IsLower)
	need("needsUppercase", assumedUppercase, unicode.IsUpper)
	need("needsNumeric", assumedNumber, unicode.IsDigit)
	need("needsSymbolic", codeSpecialCharacter, func(c rune) bool { return unicode.IsPunct(c) || unicode.IsSymbol(c) })
	if !policy.Flag("allowUsernameSubstring") && user.Text("username") != "" &&
		strings.Contains(strings.ToLower(password), strings.ToLower(user.Text("username"))) {
		broken = append(broken, assumedHasUsername)
	}
	if policy.Flag("enableMaxHistory") {
		past := tx.s.digests[user.Text("_id")]
		if slices.Contains(past[max(0, len(past)-number(policy, "maxHistory")):], digest(user, password)) {
			broken = append(broken, codePasswordHistory)
		}
	}
	if len(broken) == 0 {
		return nil
	}
	refused := &Refusal{Status: http.StatusBadRequest, Message: "password does not meet the requirements"}
	if validation {
		var violations []any
		for _, code := range broken {
			violations = append(violations, Fields{"field": "password", "description": code})
		}
		refused.Details = []any{Fields{"fieldViolationsList": violations}}
	}
	return refused
}

// digest is all that is kept of a password, in memory only, to recognise it later.
func digest(user Fields, password string) [32]byte {
	return sha256.Sum256([]byte(user.Text("_id") + "\x00" + password))
}

// HasPassword reports whether a user has the password. After a restart of the simulator
// no user has one.
func (s *Simulator) HasPassword(id, password string) bool {
	user := s.object(kindUser, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	past := s.digests[id]
	return user != nil && len(past) > 0 && past[len(past)-1] == digest(user, password)
}

// renewPassword sets the fields that a new password changes.
func (tx *tx) renewPassword(user Fields, password string) {
	policy := tx.policy()
	user["activated"] = true
	user["password_date"] = timestamp(tx.now)
	user["password_expired"] = false
	user["password_expiration_date"] = nil
	if policy.Flag("enablePasswordExpirationInDays") && !user.Flag("password_never_expires") {
		validity := time.Duration(number(policy, "passwordExpirationInDays")) * 24 * time.Hour
		user["password_expiration_date"] = timestamp(tx.now.Add(validity))
	}
	id, sum := user.Text("_id"), digest(user, password)
	tx.after = append(tx.after, func() { tx.s.digests[id] = append(tx.s.digests[id], sum) })
}

// setPassword gives a user a new password.
func (tx *tx) setPassword(id, password string) error {
	before := tx.get(kindUser, id)
	if before == nil {
		return notFound("user", id)
	}
	if password == "" {
		return refuse(http.StatusBadRequest, "a password is required")
	}
	if err := tx.checkPassword(before, password, false); err != nil {
		return err
	}
	user := copyOf(before)
	tx.renewPassword(user, password)
	tx.replaceUser(before, user)
	tx.emitPassword(before, user)
	return nil
}

// emitPassword reports a new password: the first one ends the pending state
// (Directory Insights API documentation).
func (tx *tx) emitPassword(before, user Fields) {
	name := "user_password_change"
	if !before.Flag("activated") {
		name = "user_password_set"
	}
	tx.emitUser(name, user, passwordChange)
}
