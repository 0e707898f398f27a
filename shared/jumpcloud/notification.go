package jumpcloud

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"entrasync/shared/fault"
	"entrasync/shared/loopback"
	"entrasync/shared/redact"
)

// DefaultWebhookName is the default name of the channel and the rule.
const DefaultWebhookName = "entrasync"

// maxChannelName is the longest name of a channel, in characters; it is unique among
// the channels of an organization (JumpCloud support, webhook notification channels).
const maxChannelName = 100

// Choices about what JumpCloud does not publish about channels and rules. Each can be
// changed here alone.
const (
	// ownMark begins the description of the objects that we create. It distinguishes
	// them from an administrator's objects with the same name.
	ownMark = "Managed by entrasync"
	// ruleCategory and ruleSeverity say where the Admin Portal shows the rule and its
	// notifications; it reports every change, so it is not an alarm.
	ruleCategory = "RULE_CATEGORY_CUSTOM"
	ruleSeverity = "RULE_SEVERITY_LOW"
	// minToken is the shortest token, in characters: the token is the only proof that a
	// call comes from JumpCloud, which signs nothing.
	minToken = 16
	// maxToken keeps the header of a call far below the limits of proxies.
	maxToken = 1024
)

// WebhookSetup is how an organization's notification channel and rule should be.
// Printing it never shows the token.
type WebhookSetup struct {
	// URL is the address that JumpCloud calls: https, or http on a loopback address,
	// which only a simulator can reach. It has no user, password or fragment.
	URL string
	// Token is sent by JumpCloud as "Authorization: Bearer <Token>": 16 to 1,024
	// characters of the syntax of bearer tokens (RFC 6750, 2.1).
	Token string `json:"-"`
	// Name is the name of the channel and of the rule, at most 100 characters; "" means
	// DefaultWebhookName. Deployments that serve the same organization need different
	// names, or each takes the channel from the other.
	Name string
	// RotateToken writes Token even if nothing else differs. JumpCloud never shows a
	// token, so we cannot see whether it has this one; it is written only when
	// something else is written too, or with RotateToken. Set it when the token is new,
	// and when an earlier call failed.
	RotateToken bool
	// Repair switches on what an administrator switched off; without it, that is left
	// and reported.
	Repair bool
}

// String shows the setup without the token.
func (s WebhookSetup) String() string {
	return "webhook " + s.Name + " to " + redact.New(s.Token).Known(s.URL)
}

// GoString is String, so that %#v shows no token either.
func (s WebhookSetup) GoString() string { return s.String() }

// WebhookState is the state of the setup, and what was done for it.
type WebhookState struct {
	Channel WebhookPart `json:"channel" doc:"The notification channel: the one that calls the address, whoever made it"`
	Rule    WebhookPart `json:"rule" doc:"The rule that notifies the channel, whoever made it"`
	// TokenWritten says that JumpCloud got the token. If not, it has the token of an
	// earlier call.
	TokenWritten bool `json:"tokenWritten" doc:"Whether JumpCloud was given the token by this request"`
	// MissingEvents are the requested event types that JumpCloud left out of the rule.
	// Only the catch-up finds such changes.
	MissingEvents []string `json:"missingEvents,omitempty" doc:"Event types that JumpCloud left out of the rule"`
	// Warning is JumpCloud's warning about a rule that it accepted.
	Warning string `json:"warning,omitempty" doc:"What JumpCloud had to say about the rule"`
	// CoveredBy are the other rules that notify the channel of events; Rule does not
	// select those events, so that each event is sent once.
	CoveredBy []WebhookName `json:"coveredBy,omitempty" doc:"Other rules that notify the channel of events, which the rule leaves to them"`
	// SameAddress are the other channels that call our address, and SameEvents are the
	// other rules that send our address events that another rule sends, too: those
	// events arrive twice. An administrator must change them.
	SameAddress []WebhookName `json:"sameAddress,omitempty" doc:"Other channels that call the address; they are left alone"`
	SameEvents  []WebhookName `json:"sameEvents,omitempty" doc:"Other rules that send the same events to the address; they are left alone"`
	// AlertingRules are the rules that notify the channel and make alerts: JumpCloud
	// collects events in an open alert, and sends one notification for it.
	AlertingRules []WebhookName `json:"alertingRules,omitempty" doc:"Rules that notify the channel and make alerts, so that events may not arrive"`
	// ScopedRules are the rules that notify the channel and have a type of scope, which may
	// keep events from it: JumpCloud does not publish which type means all.
	ScopedRules []WebhookName `json:"scopedRules,omitempty" doc:"Rules that notify the channel and have a scopeType, so that events may not arrive"`
	// LeftChannels are the channels that we made and that call another address.
	// LeftRules are the rules that we made and that are not needed, because other rules
	// send the events. Changed says what was changed in them so that no event is sent
	// twice.
	LeftChannels []WebhookPart `json:"leftChannels,omitempty" doc:"Channels that entrasync made and that call another address"`
	LeftRules    []WebhookPart `json:"leftRules,omitempty" doc:"Rules that entrasync made and that are not needed, because others send the events"`
}

// WebhookName is how an administrator finds a channel or a rule in JumpCloud.
type WebhookName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// WebhookPart is the channel or the rule of a webhook.
type WebhookPart struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Created bool   `json:"created,omitempty"`
	// Changed are the changed fields of an existing one, by their names in JumpCloud's
	// API and in their order there.
	Changed []string `json:"changed,omitempty"`
	// Disabled says that an administrator switched it off, and that it was left so
	// because Repair was not set. Nothing arrives.
	Disabled bool `json:"disabled"`
}

// Delivers reports whether channel and rule exist and are both switched on.
func (s WebhookState) Delivers() bool {
	return s.Channel.ID != "" && s.Rule.ID != "" && !s.Channel.Disabled && !s.Rule.Disabled
}

// SetUpWebhook makes sure that a notification channel calls the URL with the token and
// that rules send it every event type of [EventTypes], each once. It recognises both by
// what they do, even if another person made them with other names: the channel by the
// URL, the rule by the channel that it alone notifies; else by our name and
// description. Our rule does not select the events that other rules already send to the
// channel. It writes only differences, keeps what an administrator added, and can be
// repeated; a second call writes nothing.
// added, and can be repeated; a second call writes nothing.
// Forbidden names the scope that the key lacks, Conflict a name that another object
// has; both are found before anything is written. With an error, the state says what
// was done until then. A call that was sent but not answered may have succeeded, so
// repeat it with RotateToken.
func (c *Client) SetUpWebhook(ctx context.Context, setup WebhookSetup) (WebhookState, error) {
	c = c.knowing(setup.Token)
	state, err := c.setUpWebhook(ctx, setup)
	state.Warning = c.hide.Text(state.Warning)
	return state, c.hide.Error(err)
}

func (c *Client) setUpWebhook(ctx context.Context, setup WebhookSetup) (state WebhookState, err error) {
	setup, err = setup.checked()
	if err != nil {
		return state, err
	}
	channels, err := c.listNamed(ctx, channelService)
	if err != nil {
		return state, err
	}
	rules, err := c.listNamed(ctx, ruleService)
	if err != nil {
		return state, err
	}
	channel, err := setup.ownChannel(channels, rules)
	if err != nil {
		return state, err
	}
	around := surroundings{known: idsOf(channels)}
	left := setup.leftChannels(channels, channel.text("objectId"))
	for _, each := range left {
		around.left = append(around.left, each.ID)
	}
	chosen, err := setup.choose(rules, channel.text("objectId"), around)
	if err != nil {
		return state, err
	}
	if err := c.keepChannel(ctx, setup, channel, &state); err != nil {
		return state, err
	}
	if rules, err = c.keepRule(ctx, setup, rules, chosen, around, &state); err != nil {
		return state, err
	}
	if chosen.withdrawn != nil {
		if rules, err = c.withdraw(ctx, rules, chosen.withdrawn, state.Channel.ID, around); err != nil {
			return state, err
		}
	}
	state.SameAddress, state.LeftChannels = setup.sameAddress(channels, state.Channel.ID), left
	setup.compare(rules, chosen, &state)
	return state, nil
}

// compare records what the other rules send, besides the one that notifies our channel.
func (s WebhookSetup) compare(rules []object, chosen choice, state *WebhookState) {
	calling := []string{state.Channel.ID}
	for _, other := range state.SameAddress {
		calling = append(calling, other.ID)
	}
	state.SameEvents = doubled(rules, state.Rule.ID, calling)
	for _, rule := range senders(rules, state.Channel.ID) {
		if alerts, _ := rule.flag("alertsEnabled"); alerts {
			state.AlertingRules = append(state.AlertingRules, nameOf(rule))
		}
		if name := nameOf(rule); name.ID != state.Rule.ID && !slices.Contains(state.SameEvents, name) {
			state.CoveredBy = append(state.CoveredBy, name)
		}
	}
	for _, rule := range notifiers(rules, state.Channel.ID) {
		if rule.text(scopeType) != "" {
			state.ScopedRules = append(state.ScopedRules, nameOf(rule))
		}
	}
	state.LeftRules = s.leftRules(rules, state.Rule.ID, state.Channel.ID)
	for i, each := range state.LeftRules {
		if chosen.withdrawn != nil && each.ID == chosen.withdrawn.text("objectId") {
			state.LeftRules[i].Changed = []string{notified}
		}
	}
}

// checked is the setup with its default name, or a fault that says what is wrong with
// it.
func (s WebhookSetup) checked() (WebhookSetup, error) {
	wrong := func(subject, message string) (WebhookSetup, error) {
		return s, &fault.Error{Op: opSetUp, Kind: fault.Invalid, Subject: subject, Message: message}
	}
	if s.Name = strings.TrimSpace(s.Name); s.Name == "" {
		s.Name = DefaultWebhookName
	}
	target, err := url.Parse(s.URL)
	switch {
	case utf8.RuneCountInString(s.Name) > maxChannelName:
		return wrong("name", "JumpCloud takes names of at most 100 characters")
	case err != nil || target.Hostname() == "" || target.User != nil || target.Fragment != "":
		return wrong("url", "the webhook's address must be a complete URL without user and fragment")
	case target.Scheme != "https" && (target.Scheme != "http" || !loopback.Is(target.Hostname())):
		return wrong("url", "the webhook's address must be https, because the token goes there")
	case len(s.Token) < minToken || len(s.Token) > maxToken || !isBearerToken(s.Token):
		return wrong("token", "the token must be 16 to 1,024 letters, digits and -._~+/, and may end in =")
	}
	return s, nil
}

const opSetUp = "jumpcloud.set up webhook"

// isBearerToken reports whether a header can carry the token unchanged.
func isBearerToken(token string) bool {
	const signs = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~+/"
	token = strings.TrimRight(token, "=")
	return token != "" && strings.Trim(token, signs) == ""
}
