package jumpcloud

import (
	"context"
	"strings"

	"entrasync/shared/fault"
)

// The words of channels (JumpCloud API documentation, ChannelType and
// WebhookAuthType).
const (
	webhookChannel = "CHANNEL_TYPE_WEBHOOK"
	bearerAuth     = "WEBHOOK_AUTH_TYPE_BEARER"
)

// webhookOf is the part of a channel that says what is called.
func webhookOf(channel object) object { return objectOf(objectOf(channel["config"])["webhook"]) }

// isMarked reports whether we described the channel or rule when we made it.
func isMarked(o object) bool { return strings.HasPrefix(o.text("description"), ownMark) }

// ownChannel is our channel, nil if there is none yet. The name is unique, so
// that of a stranger is a Conflict.
func (s WebhookSetup) ownChannel(channels []object) (object, error) {
	for _, channel := range channels {
		if channel.text("name") != s.Name {
			continue
		}
		if channel.text("type") != webhookChannel || !isMarked(channel) && webhookOf(channel).text("url") != s.URL {
			return nil, s.taken("notification channel")
		}
		return channel, nil
	}
	return nil, nil
}

func (s WebhookSetup) taken(what string) error {
	return &fault.Error{Op: opSetUp, Kind: fault.Conflict, Subject: s.Name,
		Message: "JumpCloud has another " + what + " of this name; rename that one, or set ours up under another name"}
}

// keepChannel makes the channel what it should be. Whenever it writes, it sends
// the token along: nobody publishes whether one that is left out is kept.
func (c *Client) keepChannel(ctx context.Context, setup WebhookSetup, channel object, state *WebhookState) error {
	if channel == nil {
		saved, _, err := c.save(ctx, channelService, "", setup.newChannel())
		if fault.Is(err, fault.Conflict) { // made in this moment, or a name that only JumpCloud holds to be the same
			return setup.taken("notification channel")
		}
		if err != nil {
			return err
		}
		state.Channel, state.TokenWritten = WebhookPart{ID: saved.text("objectId"), Created: true}, true
		return nil
	}
	state.Channel.ID = channel.text("objectId")
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

// changedChannel is the channel as it should be and the fields in which it
// differs. The certificate of the receiver is always checked, because the token
// goes to whoever answers.
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
	note(current.text("url") != s.URL, webhook, "url", below, s.URL)
	note(!checksCertificate, webhook, "sslVerification", below, true)
	note(current.text("authType") != bearerAuth, webhook, "authType", below, bearerAuth)
	note(s.RotateToken, webhook, "authToken", below, s.Token)
	webhook["authToken"] = s.Token
	return content, changed
}
