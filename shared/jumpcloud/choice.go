package jumpcloud

import "slices"

// choice says which rule is to notify our channel, and of which events.
type choice struct {
	rule  object   // nil: it must be created
	types []string // those of our event types that it must send
	// only says that it must send no others of ours, because other rules send them.
	only bool
	// enough says that the rule is another person's and that, with others, it sends
	// everything already: it is left unchanged.
	enough bool
	// withdrawn is a rule of ours that notifies our channel without need, and others
	// too; nil if there is none.
	withdrawn object
}

// candidates are the rules that may be ours, each nil if there is none.
type candidates struct {
	own       object // with our name, notifying our channel
	elsewhere object // with our name and made by us, not notifying our channel
	single    object // with another name, notifying our channel and no other, switched on
	silent    object // the same, switched off
	taken     bool   // another person's rule has our name
}

// candidates finds them. It is not documented that names of rules are unique, so of
// several with our name the one that notifies our channel is ours.
func (s WebhookSetup) candidates(rules []object, channel string) (c candidates) {
	first := func(of *object, rule object) {
		if *of == nil {
			*of = rule
		}
	}
	for _, rule := range rules {
		notifying, named := notifies(rule, channel), rule.text("name") == s.Name
		single := notifying && len(texts(rule[notified])) == 1 && selectsOurs(rule)
		switch {
		case named && notifying:
			first(&c.own, rule)
		case named && rule.text("ruleType") == eventRule && isMarked(rule):
			first(&c.elsewhere, rule)
		case named:
			c.taken = true
		case single && isSilent(rule):
			first(&c.silent, rule)
		case single:
			first(&c.single, rule)
		}
	}
	return c
}

// surroundings are the other objects in JumpCloud that a choice depends on.
type surroundings struct {
	known []string // the ids of all channels
	left  []string // the ids of our channels that call another address
}

// isGone reports whether a channel was deleted.
func (s surroundings) isGone(channel string) bool { return !slices.Contains(s.known, channel) }

// isOthers reports whether a channel exists and is not one of ours.
func (s surroundings) isOthers(channel string) bool {
	return !s.isGone(channel) && !slices.Contains(s.left, channel)
}

// choose finds the rule that must notify our channel, so that each event is sent once.
// It is, in this order: the rule with our name; a rule that notifies our channel and no
// other, whoever made it; no rule, if other rules send all our events to our channel;
// the rule that we made for another channel; a new rule, for the events that no other
// rule sends. Before a new rule, another person's rule with our name is a Conflict,
// because two rules with one name would confuse people.
func (s WebhookSetup) choose(rules []object, channel string, around surroundings) (choice, error) {
	found := s.candidates(rules, channel)
	if own := found.own; own != nil && !s.isNeedless(found, rules, channel, around) {
		return choice{rule: own, types: unsent(rules, channel, own)}, nil
	}
	chosen := choice{withdrawn: found.own, types: unsent(rules, channel, found.own, found.elsewhere)}
	switch {
	case found.single != nil:
		chosen.rule, chosen.types = found.single, unsent(rules, channel, found.own, found.single)
	case len(chosen.types) == 0:
		chosen.rule, chosen.enough = senders(rules, channel, found.own, found.elsewhere)[0], true
	case found.elsewhere != nil:
		chosen.rule = found.elsewhere
		chosen.only = !slices.ContainsFunc(texts(found.elsewhere[notified]), around.isOthers)
	case found.silent != nil:
		chosen.rule = found.silent
	case found.taken:
		return choice{}, s.taken("rule")
	}
	return chosen, nil
}

// isNeedless reports whether our rule need not notify our channel, because other rules
// can send it everything. The channel is removed only from a rule that notifies others,
// too: a rule without any channel would be useless, and an administrator must decide
// which of the two rules to keep.
func (s WebhookSetup) isNeedless(found candidates, rules []object, channel string, around surroundings) bool {
	notifiesOthers := slices.ContainsFunc(texts(found.own[notified]), func(id string) bool { return id != channel && !around.isGone(id) })
	return isMarked(found.own) && notifiesOthers && (found.single != nil || len(unsent(rules, channel, found.own)) == 0)
}

// senders are the rules, except for some, that send a channel all events of some of our
// types.
func senders(rules []object, channel string, but ...object) []object {
	return slices.DeleteFunc(slices.Clone(rules), func(rule object) bool {
		excepted := slices.ContainsFunc(but, func(each object) bool { return each.text("objectId") == rule.text("objectId") })
		return excepted || !notifies(rule, channel) || len(unconditional(rule)) == 0
	})
}

// unsent are those of our event types that no rule, except for some, sends to a
// channel.
func unsent(rules []object, channel string, but ...object) []string {
	var sent []string
	for _, rule := range senders(rules, channel, but...) {
		sent = append(sent, unconditional(rule)...)
	}
	return without(EventTypes(), sent)
}

// unconditional are those of our event types of which a rule sends every event.
func unconditional(rule object) []string {
	excludes, _ := rule.flag("excludeSuspendedUsers")
	if isSilent(rule) || excludes || thresholdOf(rule) > 1 || !isEmptyList(rule["groupObjectIds"]) || !isEmptyList(rule["selectedScopeValues"]) {
		return nil
	}
	return slices.DeleteFunc(union(selectedTypes(rule), nil), func(each string) bool { return !isOurs(each) })
}

// doubled are the rules, except for ours, that send our address events that another
// rule, or the same rule through another channel, sends there as well. calling are the
// ids of the channels that call our address.
func doubled(rules []object, own string, calling []string) []WebhookName {
	times := map[string]int{}
	of := func(rule object) (types []string) {
		for _, channel := range calling {
			if notifies(rule, channel) && !isSilent(rule) {
				types = append(types, oursOf(rule)...)
			}
		}
		return types
	}
	for _, rule := range rules {
		for _, each := range of(rule) {
			times[each]++
		}
	}
	var others []WebhookName
	for _, rule := range rules {
		if rule.text("objectId") != own && slices.ContainsFunc(of(rule), func(each string) bool { return times[each] > 1 }) {
			others = append(others, nameOf(rule))
		}
	}
	return others
}

// leftChannels are the channels that we made, switched on, that call another address.
func (s WebhookSetup) leftChannels(channels []object, own string) []WebhookPart {
	var left []WebhookPart
	for _, channel := range channels {
		enabled, _ := channel.flag("enabled")
		if enabled && channel.text("name") == s.Name && channel.text("type") == webhookChannel && isMarked(channel) && channel.text("objectId") != own && !s.calls(channel) {
			left = append(left, WebhookPart{ID: channel.text("objectId"), Name: s.Name})
		}
	}
	return left
}

// leftRules are the rules that we made, switched on, that do not notify our channel.
func (s WebhookSetup) leftRules(rules []object, own, channel string) []WebhookPart {
	var left []WebhookPart
	for _, rule := range rules {
		if !isSilent(rule) && rule.text("name") == s.Name && rule.text("ruleType") == eventRule && isMarked(rule) && rule.text("objectId") != own && !notifies(rule, channel) {
			left = append(left, WebhookPart{ID: rule.text("objectId"), Name: s.Name})
		}
	}
	return left
}
