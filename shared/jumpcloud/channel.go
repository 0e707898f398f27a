package jumpcloud

import (
	"context"
	"net/url"
	"strings"

	"entrasync/shared/fault"
)

// The values of fields of channels (JumpCloud API documentation, ChannelType and
// WebhookAuthType).
const (
	webhookChannel = "CHANNEL_TYPE_WEBHOOK"
	bearerAuth     = "WEBHOOK_AUTH_TYPE_BEARER"
)

// webhookOf is the part of a channel with the address to call.
func webhookOf(channel object) object { return objectOf(objectOf(channel["config"])["webhook"]) }

// isMarked reports whether the channel or rule has the description that we write.
func isMarked(o object) bool { return strings.HasPrefix(o.text("description"), ownMark) }

// calls reports whether a channel is a webhook with our address, whatever its name.
func (s WebhookSetup) calls(channel object) bool {
	address := webhookOf(channel).text("url")
	// One slash too many is a typing error: such calls are meant for us and get a 404.
	return channel.text("type") == webhookChannel && (sameAddress(address, s.URL) || sameAddress(strings.TrimSuffix(address, "/"), s.URL))
}

// sameAddress reports whether two URLs are the same address (RFC 3986, 6.2.2 and
// 6.2.3).
func sameAddress(a, b string) bool {
	plain := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			return address
		}
		u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
		if port := map[string]string{"http": "80", "https": "443"}[u.Scheme]; u.Port() == port {
			u.Host = strings.TrimSuffix(u.Host, ":"+port)
		}
		return u.Scheme + "://" + u.Host + "/" + strings.TrimPrefix(u.EscapedPath(), "/") + "?" + u.RawQuery
	}
	return plain(a) == plain(b)
}

// ownChannel is our channel, nil if there is none yet. It is a channel that calls our
// address, whatever its name and whoever made it, because a second one would send every
// event twice; else it is the one with our name that we made. Names are unique, so
// another person's channel with our name is a Conflict. If several call our address, it
// prefers a channel that is switched on, then one that a rule notifies, then one with
// our name, then one that we made.
func (s WebhookSetup) ownChannel(channels, rules []object) (object, error) {
	var own object
	best := -1
	for _, channel := range channels {
		if !s.calls(channel) {
			continue
		}
		enabled, _ := channel.flag("enabled")
		rank := 0
		for _, better := range []bool{enabled, len(notifiers(rules, channel.text("objectId"))) > 0, channel.text("name") == s.Name, isMarked(channel)} {
			rank *= 2
			if better {
				rank++
			}
		}
		if rank > best {
			own, best = channel, rank
		}
	}
	if own != nil {
		return own, nil
	}
	for _, channel := range channels {
		if channel.text("name") != s.Name {
			continue
		}
		if channel.text("type") != webhookChannel || !isMarked(channel) {
			return nil, s.taken("notification channel")
		}
		return channel, nil
	}
	return nil, nil
}

// sameAddress are the other channels, switched on, that call our address.
func (s WebhookSetup) sameAddress(channels []object, own string) []WebhookName {
	var others []WebhookName
	for _, channel := range channels {
		if enabled, _ := channel.flag("enabled"); enabled && channel.text("objectId") != own && s.calls(channel) {
			others = append(others, nameOf(channel))
		}
	}
	return others
}

// nameOf is how an administrator finds a channel or rule.
func nameOf(o object) WebhookName { return WebhookName{ID: o.text("objectId"), Name: o.text("name")} }

func (s WebhookSetup) taken(what string) error {
	return &fault.Error{Op: opSetUp, Kind: fault.Conflict, Subject: s.Name,
		Message: "JumpCloud has another " + what + " of this name; rename that one, or set ours up under another name"}
}

// keepChannel creates or corrects the channel. Every write includes the token, because
// it is not published whether JumpCloud keeps a token that is left out.
func (c *Client) keepChannel(ctx context.Context, setup WebhookSetup, channel object, state *WebhookState) error {
	if channel == nil {
		saved, _, err := c.save(ctx, channelService, "", setup.newChannel())
		if fault.Is(err, fault.Conflict) { // created just now, or a name that JumpCloud considers equal
			return setup.taken("notification channel")
		}
		if err != nil {
			return err
		}
		state.Channel, state.TokenWritten = WebhookPart{ID: saved.text("objectId"), Name: setup.Name, Created: true}, true
		return nil
	}
	state.Channel.ID, state.Channel.Name = channel.text("objectId"), channel.text("name")
	enabled, _ := channel.flag("enabled")
	state.Channel.Disabled = !enabled
	content, changed := setup.changedChannel(channel)
	if len(changed) == 0 {
		return nil
	}
	if _, _, err := c.save(ctx, channelService, state.Channel.ID, content); err != nil {
		return err
	}
	state.Channel.Changed, state.TokenWritten = changed, true
	state.Channel.Disabled = !enabled && !setup.Repair
	return nil
}

func (s WebhookSetup) newChannel() map[string]any {
	return map[string]any{
		"name":        s.Name,
		"type":        webhookChannel,
		"enabled":     true,
		"description": ownMark + ": tells it at once what changed in this organization.",
		"config": map[string]any{"webhook": map[string]any{
			"url": s.URL, "authType": bearerAuth, "authToken": s.Token, "sslVerification": true}},
	}
}

// changedChannel is the channel as it should be, and the fields in which it differs.
// The certificate of the receiver is always checked, because JumpCloud sends it the
// token.
func (s WebhookSetup) changedChannel(channel object) (content map[string]any, changed []string) {
	current := webhookOf(channel)
	webhook := writable(current)
	content = writable(channel)
	content["config"] = map[string]any{"webhook": webhook}
	note := func(differs bool, fields map[string]any, name, path string, value any) {
		if differs {
			fields[name], changed = value, append(changed, path+name)
		}
	}
	enabled, _ := channel.flag("enabled")
	note(!enabled && s.Repair, content, "enabled", "", true)
	const below = "config.webhook."
	checksCertificate, _ := current.flag("sslVerification")
	note(!sameAddress(current.text("url"), s.URL), webhook, "url", below, s.URL)
	note(!checksCertificate, webhook, "sslVerification", below, true)
	note(current.text("authType") != bearerAuth, webhook, "authType", below, bearerAuth)
	note(s.RotateToken, webhook, "authToken", below, s.Token)
	webhook["authToken"] = s.Token
	return content, changed
}
