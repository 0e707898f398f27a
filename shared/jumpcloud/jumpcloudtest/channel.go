package jumpcloudtest

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// The authentication types of a channel (JumpCloud API documentation, WebhookAuthType).
// There is no signature.
const (
	authNone   = "WEBHOOK_AUTH_TYPE_UNSPECIFIED"
	authBasic  = "WEBHOOK_AUTH_TYPE_BASIC"
	authBearer = "WEBHOOK_AUTH_TYPE_BEARER"

	typeWebhook = "CHANNEL_TYPE_WEBHOOK"
)

func (s *Simulator) channelEndpoints() []endpoint {
	const all, one = "/notifications/channels", "/notifications/channels/{id}"
	return []endpoint{
		{api: v2, method: http.MethodGet, path: all, serve: s.listNamed(kindChannel, "channels")},
		{api: v2, method: http.MethodPost, path: all, serve: s.postChannel},
		{api: v2, method: http.MethodGet, path: one, serve: s.getNamed(kindChannel, "channel")},
		{api: v2, method: http.MethodPatch, path: one, serve: s.patchChannel},
		{api: v2, method: http.MethodDelete, path: one, serve: s.removeChannel},
		{api: v2, method: http.MethodGet, path: "/notifications/webhook/channels", serve: s.listHealth},
		{api: v2, method: http.MethodPost, path: "/notifications/webhook/test", serve: s.testWebhook},
	}
}

// listNamed lists objects of the newer services: in a named field, with a count.
func (s *Simulator) listNamed(k kind, name string) func(*request) (reply, error) {
	return func(r *request) (reply, error) { return named(r, name, s.objects(k)) }
}

// named is one page of a list of the newer services: as in version 2, but in another
// form.
func named(r *request, name string, objects []Fields) (reply, error) {
	objects, total, err := listed(r, objects, namedLimit)
	if err != nil {
		return reply{}, err
	}
	return ok(counted(r, Fields{name: objects}, "count", total))
}

func (s *Simulator) getNamed(k kind, name string) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		object := s.object(k, r.PathValue("id"))
		if object == nil {
			return reply{}, notFound(name, r.PathValue("id"))
		}
		return ok(Fields{name: object})
	}
}

// saveChannel creates a channel (id "") or replaces one. Secrets are stored apart and
// never shown again; a replacement without a secret keeps it, because nobody can read
// it to repeat it (assumed).
func (tx *tx) saveChannel(id string, input Fields) (Fields, error) {
	channel := copyOf(input)
	if err := tx.checkChannel(id, channel); err != nil {
		return nil, err
	}
	now := timestamp(tx.now)
	channel["createdAt"], channel["createdBy"] = now, assumedAdminID
	event := "notification_channel_created"
	if id != "" {
		before := tx.get(kindChannel, id)
		if before == nil {
			return nil, notFound("channel", id)
		}
		channel["createdAt"], channel["createdBy"] = before["createdAt"], before["createdBy"]
		event = "notification_channel_updated"
	} else {
		id = tx.newID()
	}
	if _, given := channel["enabled"]; !given {
		channel["enabled"] = true
	}
	channel["objectId"], channel["organizationObjectId"] = id, tx.s.organization
	channel["updatedAt"], channel["updatedBy"] = now, assumedAdminID
	if config, isWebhook := webhookOf(channel); isWebhook {
		tx.put(kindSecret, id, takeSecrets(config, tx.get(kindSecret, id)))
	}
	tx.put(kindChannel, id, channel)
	tx.emitChannel(event, id, channel)
	return tx.get(kindChannel, id), nil
}

func (tx *tx) emitChannel(event, id string, channel Fields) {
	tx.emit(event, Fields{"service": "notifications", "resource": Fields{"id": id, "type": "notification_channel", "name": channel["name"]}})
}

func (tx *tx) checkChannel(id string, channel Fields) error {
	name := strings.TrimSpace(channel.Text("name"))
	if name == "" {
		return refuse(http.StatusBadRequest, textChannelName)
	}
	if utf8.RuneCountInString(name) > maxChannel {
		return refuse(http.StatusBadRequest, "the channel name is longer than %d", maxChannel)
	}
	for _, other := range tx.s.store.all(kindChannel) {
		if other.Text("objectId") != id && other.Text("name") == channel.Text("name") {
			return refuse(http.StatusConflict, "a channel of that name exists")
		}
	}
	if channel.Text("type") != typeWebhook {
		return nil
	}
	config, isWebhook := webhookOf(channel)
	if !isWebhook {
		return refuse(http.StatusBadRequest, "config.webhook is required")
	}
	return checkWebhook(config)
}

func checkWebhook(config Fields) error {
	target, err := url.Parse(config.Text("url"))
	portions, _ := config["maskedUrlPortion"].([]any)
	switch {
	case err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "":
		return refuse(http.StatusBadRequest, "url is not an address of the web")
	case len(portions) > maxMaskedURL:
		return refuse(http.StatusBadRequest, "a URL has at most %d protected values", maxMaskedURL)
	}
	return nil
}

// webhookOf is the webhook part of a channel.
func webhookOf(channel Fields) (Fields, bool) {
	config, isWebhook := lookup(channel, "config.webhook").(map[string]any)
	return config, isWebhook
}

// takeSecrets moves the secrets from the configuration of a webhook into an object of
// their own: token, password, masked headers, protected parts of the URL.
func takeSecrets(config, before Fields) Fields {
	secrets := Fields{}
	move := func(object map[string]any, field, name string) {
		secrets[name] = object[field]
		if value, _ := object[field].(string); value == "" {
			secrets[name] = before[name]
		}
		object[field] = ""
	}
	move(config, "authToken", "token")
	move(config, "authPassword", "password")
	for _, masked := range []struct{ list, prefix string }{{"customHeaders", "header:"}, {"maskedUrlPortion", "url:"}} {
		elements, _ := config[masked.list].([]any)
		for _, element := range elements {
			object, _ := element.(map[string]any)
			hidden, _ := object["masked"].(bool)
			if key, _ := object["key"].(string); key != "" && (hidden || masked.prefix == "url:") {
				move(object, "value", masked.prefix+key)
			}
		}
	}
	return secrets
}

func (s *Simulator) postChannel(r *request) (reply, error) {
	input, _ := r.fields()["channel"].(map[string]any)
	var channel Fields
	err := s.change(byAPI, func(tx *tx) (err error) {
		channel, err = tx.saveChannel("", input)
		return err
	})
	return reply{status: http.StatusCreated, body: Fields{"channel": channel}}, err
}

func (s *Simulator) patchChannel(r *request) (reply, error) {
	input, _ := r.fields()["channel"].(map[string]any)
	var channel Fields
	err := s.change(byAPI, func(tx *tx) (err error) {
		channel, err = tx.saveChannel(r.PathValue("id"), input)
		return err
	})
	return reply{status: http.StatusOK, body: Fields{"channel": channel}}, err
}

func (s *Simulator) removeChannel(r *request) (reply, error) {
	err := s.change(byAPI, func(tx *tx) error {
		id := r.PathValue("id")
		channel := tx.get(kindChannel, id)
		if channel == nil {
			return notFound("channel", id)
		}
		tx.put(kindChannel, id, nil)
		if tx.get(kindSecret, id) != nil {
			tx.put(kindSecret, id, nil)
		}
		tx.emitChannel("notification_channel_deleted", id, channel)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return noContent()
}
