package admin

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"entrasync/shared/jumpcloud"
)

// advice returns one sentence for each problem of a webhook, with what to do about it;
// none if it works.
func (a webhookAnswer) advice() []string {
	var all []string
	say := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	if sentence := a.afterTest(); sentence != "" {
		all = append(all, sentence)
	}
	refused := a.Health.LastStatus == http.StatusUnauthorized && a.Test.StatusCode != http.StatusUnauthorized
	say(refused && a.Test.Delivered(), "JumpCloud's deliveries were refused with 401 until now, the last one at %s: the token is right now, and what was sent before does not come again", a.Health.LastTime.Format(time.RFC3339))
	say(a.Channel.Disabled, `the channel %q is switched off in JumpCloud and nothing arrives: repeat this request with {"repair": true}`, a.Channel.Name)
	say(a.Rule.Disabled, `the rule %q is switched off in JumpCloud and nothing arrives: repeat this request with {"repair": true}`, a.Rule.Name)
	say(len(a.SameAddress) > 0, "the channels %s all call this address, so that events can come more than once: keep the first one and delete the others in JumpCloud", quoted(a.Channel.Name, a.SameAddress))
	say(len(a.SameEvents) > 0, "the rules %s send the same events to this address, so that they come more than once: keep the first one and take the channel out of the others in JumpCloud", quoted(a.Rule.Name, a.SameEvents))
	for _, rule := range a.AlertingRules {
		say(true, "the rule %q makes alerts: JumpCloud sends one notification for an alert and none for the events that follow while it is open, such as a suspension: %s", rule.Name, a.withoutAlerts(rule))
	}
	for _, rule := range a.ScopedRules {
		say(true, "the rule %q has a type of scope (scopeType), which may keep events from arriving: have it apply to everybody in JumpCloud, if it does not", rule.Name)
	}
	for _, left := range a.LeftChannels {
		say(true, "the channel %q calls another address: entrasync made it, so delete it in JumpCloud, or repeat this request with that address if it is the right one", left.Name)
	}
	for _, left := range a.LeftRules {
		say(true, "the rule %q is not needed, as %q sends the events: entrasync made it, so delete it in JumpCloud unless you have it tell somebody else", left.Name, a.Rule.Name)
	}
	say(len(a.MissingEvents) > 0, "JumpCloud left event types out of the rule, and such changes do not arrive: %s", strings.Join(a.MissingEvents, ", "))
	return all
}

// withoutAlerts says how to stop a rule from making alerts.
func (a webhookAnswer) withoutAlerts(rule jumpcloud.WebhookName) string {
	if rule.ID == a.Rule.ID {
		return `repeat this request with {"repair": true}`
	}
	return "turn its alerts off in JumpCloud"
}

// afterTest says why the test notification did not arrive, "" if it did.
func (a webhookAnswer) afterTest() string {
	switch status := a.Test.StatusCode; {
	case a.Test.Delivered():
		return ""
	case status == http.StatusUnauthorized && a.TokenWritten:
		return "the webhook refuses the token that JumpCloud was given just now (401): the address is the webhook of another deployment, or something in between takes the header Authorization away"
	case status == http.StatusUnauthorized:
		return `the webhook refuses the token that JumpCloud sends (401), which is none of this organization's: repeat this request with {"rotateToken": true}`
	case status == http.StatusNotFound:
		return "nothing at this address knows the organization (404): it must end in /webhooks/jumpcloud/ and the id of the organization, at this deployment"
	case status == 0:
		return "JumpCloud gets no answer from this address: it must be reachable from the internet by https, with a certificate that is valid"
	case status/100 == 3:
		return fmt.Sprintf("the address redirects (%d), which JumpCloud is not known to follow: give the address that it leads to", status)
	default:
		return fmt.Sprintf("the webhook answers %d to JumpCloud's test: its log says why, or that of what is in front of it", status)
	}
}

// quoted lists names in quotes, for a sentence.
func quoted(first string, others []jumpcloud.WebhookName) string {
	all := []string{fmt.Sprintf("%q", first)}
	for _, other := range others {
		all = append(all, fmt.Sprintf("%q", other.Name))
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
