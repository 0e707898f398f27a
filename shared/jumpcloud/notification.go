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

// DefaultWebhookName is what the channel and the rule are called unless said.
const DefaultWebhookName = "entrasync"

// maxChannelName is how many characters the name of a channel has at most; it is
// unique among the channels of an organization (JumpCloud support, webhook
// notification channels).
const maxChannelName = 100

// What JumpCloud does not publish about channels and rules, and we had to
// choose. Each can be changed here alone.
const (
	// ownMark begins the description of what we made, and so tells it from a
	// namesake that an administrator made for something else.
	ownMark = "Managed by entrasync"
	// ruleCategory and ruleSeverity are where the rule and what it reports
	// appear in the Admin Portal; it reports every change, so it is nobody's
	// alarm.
	ruleCategory = "RULE_CATEGORY_CUSTOM"
	ruleSeverity = "RULE_SEVERITY_LOW"
	// minToken is how many characters a token has at least: it is the only
	// proof that a call comes from JumpCloud, which signs nothing.
	minToken = 16
	// maxToken keeps the header of a call well under what proxies take.
	maxToken = 1024
)

// WebhookSetup is what an organization's notification channel and rule should
// be. It never shows the token, however it is printed.
type WebhookSetup struct {
	// URL is what JumpCloud calls: https, or http on a loopback address, where
	// only a simulator can reach it. It holds no user, password or fragment.
	URL string
	// Token is what JumpCloud sends as "Authorization: Bearer <Token>": 16 to
	// 1,024 characters of the syntax of bearer tokens (RFC 6750, 2.1).
	Token string `json:"-"`
	// Name is the name of the channel and of the rule, at most 100 characters;
	// "" means DefaultWebhookName. Deployments that serve the same organization
	// need names of their own, or each takes the channel from the other.
	Name string
	// RotateToken writes Token even if nothing else differs. JumpCloud never
	// shows a token, so whether it has this one cannot be seen; it is written
	// only when something else is written too, or when asked here. Ask when the
	// token is another one, and when an earlier call failed.
	RotateToken bool
	// Repair switches on what an administrator has switched off; without it
	// that is left and reported.
	Repair bool
}

// String shows the setup without the token.
func (s WebhookSetup) String() string {
	return "webhook " + s.Name + " to " + redact.New(s.Token).Known(s.URL)
}

// GoString is String, so that %#v shows no token either.
func (s WebhookSetup) GoString() string { return s.String() }

// WebhookState is what is set up, and what was done for it.
type WebhookState struct {
	Channel WebhookPart `json:"channel" doc:"The notification channel: the one that calls the address, whoever made it"`
	Rule    WebhookPart `json:"rule" doc:"The rule that notifies the channel, whoever made it"`
	// TokenWritten says that JumpCloud was given the token. If not, it has the
	// one of an earlier call.
	TokenWritten bool `json:"tokenWritten" doc:"Whether JumpCloud was given the token by this request"`
	// MissingEvents is the event types that JumpCloud left out of a rule that
	// asked for them. Such changes are only found by catching up.
	MissingEvents []string `json:"missingEvents,omitempty" doc:"Event types that JumpCloud left out of the rule"`
	// Warning is what JumpCloud had to say about a rule it accepted.
	Warning string `json:"warning,omitempty" doc:"What JumpCloud had to say about the rule"`
	// CoveredBy is the other rules that notify the channel of events which Rule leaves
	// to them, so that an event comes once.
	CoveredBy []WebhookName `json:"coveredBy,omitempty" doc:"Other rules that notify the channel of events, which the rule leaves to them"`
	// SameAddress is the other channels that call our address, and SameEvents the
	// other rules that send events of ours to it which come from elsewhere too: they
	// bring events a second time. They are left to an administrator.
	SameAddress []WebhookName `json:"sameAddress,omitempty" doc:"Other channels that call the address; they are left alone"`
	SameEvents  []WebhookName `json:"sameEvents,omitempty" doc:"Other rules that send the same events to the address; they are left alone"`
	// AlertingRules is the rules that notify the channel and make alerts: JumpCloud
	// collects events in an alert that is open, and sends one notification for it.
	AlertingRules []WebhookName `json:"alertingRules,omitempty" doc:"Rules that notify the channel and make alerts, so that events may not arrive"`
	// LeftChannels is the channels that we made and that call another address, and
	// LeftRules the rules that we made and that are not needed: others do their work.
	// What was changed of them is so that no event comes twice.
	LeftChannels []WebhookPart `json:"leftChannels,omitempty" doc:"Channels that entrasync made and that call another address"`
	LeftRules    []WebhookPart `json:"leftRules,omitempty" doc:"Rules that entrasync made and that are not needed, because others send the events"`
}

// WebhookName is what an administrator finds a channel or a rule by in JumpCloud.
type WebhookName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// WebhookPart is the channel or the rule of a webhook.
type WebhookPart struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Created bool   `json:"created,omitempty"`
	// Changed is the fields of an existing one that were changed, by the names
	// of JumpCloud's API and in their order there.
	Changed []string `json:"changed,omitempty"`
	// Disabled says that it is switched off, by an administrator, and was left
	// so because Repair was not asked for. Nothing arrives.
	Disabled bool `json:"disabled"`
}

// Delivers reports whether channel and rule exist and are both switched on.
func (s WebhookState) Delivers() bool {
	return s.Channel.ID != "" && s.Rule.ID != "" && !s.Channel.Disabled && !s.Rule.Disabled
}

// SetUpWebhook makes sure that a notification channel calls the URL with the
// token and that rules send it every event type of [EventTypes], each once. It knows
// both by what they are, also when somebody else made them under other names: the
// channel by the URL, the rule by the channel that it alone notifies; else by their
// name and the description we gave them. What rules of others send the channel already
// our rule leaves to them. It writes only what differs, keeps what an administrator
// added, and can be repeated; a second call writes nothing.
//
// Forbidden names the scope that the key lacks, Conflict a name that something
// else has; that is found out before anything is written. On an error the state
// says what was done until then. A call that was sent but not answered may have
// worked, so repeat it with RotateToken.
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

// compare tells what the other rules do beside the one that tells our channel.
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
	state.LeftRules = s.leftRules(rules, state.Rule.ID, state.Channel.ID)
	for i, each := range state.LeftRules {
		if chosen.withdrawn != nil && each.ID == chosen.withdrawn.text("objectId") {
			state.LeftRules[i].Changed = []string{notified}
		}
	}
}

// checked is the setup with its name filled in, or a fault that says what is
// wrong with it.
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
		return wrong("url", "the webhook's address must be a whole URL without user and fragment")
	case target.Scheme != "https" && (target.Scheme != "http" || !loopback.Is(target.Hostname())):
		return wrong("url", "the webhook's address must be https, because the token goes there")
	case len(s.Token) < minToken || len(s.Token) > maxToken || !isBearerToken(s.Token):
		return wrong("token", "the token must be 16 to 1,024 letters, digits and -._~+/, and may end in =")
	}
	return s, nil
}

const opSetUp = "jumpcloud.set up webhook"

// isBearerToken reports whether the token can stand in a header as it is.
func isBearerToken(token string) bool {
	const signs = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~+/"
	token = strings.TrimRight(token, "=")
	return token != "" && strings.Trim(token, signs) == ""
}
