package jumpcloud

import "slices"

// choice is which rule is to tell our channel, and of what.
type choice struct {
	rule  object   // nil: it has to be made
	types []string // the event types of ours that it is to send
	// only says that it is to send no others of ours, because other rules do.
	only bool
	// enough says that the rule is somebody else's and that, with others, it sends
	// everything already: it is left as it is.
	enough bool
	// withdrawn is a rule of ours that tells our channel without need, and others too;
	// nil if there is none.
	withdrawn object
}

// candidates are the rules that may be ours, each nil if there is none.
type candidates struct {
	own       object // of our name, telling our channel
	elsewhere object // of our name and made by us, not telling it
	single    object // of another name, telling our channel and no other, switched on
	silent    object // the same, switched off
	taken     bool   // a stranger's rule has our name
}

// candidates finds them. Nothing says that names of rules are unique, so of several
// of our name the one that tells our channel is ours.
func (s WebhookSetup) candidates(rules []object, channel string) (c candidates) {
	first := func(of *object, rule object) {
		if *of == nil {
			*of = rule
		}
	}
	for _, rule := range rules {
		tells, named := notifies(rule, channel), rule.text("name") == s.Name
		single := tells && len(texts(rule[notified])) == 1 && selectsOurs(rule)
		switch {
		case named && tells:
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

// surroundings are the other things in JumpCloud that a choice depends on.
type surroundings struct {
	known []string // the ids of the channels there are
	left  []string // those of ours that call another address
}

// isGone reports whether a channel was deleted.
func (s surroundings) isGone(channel string) bool { return !slices.Contains(s.known, channel) }

// isOthers reports whether a channel is there and is not one of ours.
func (s surroundings) isOthers(channel string) bool {
	return !s.isGone(channel) && !slices.Contains(s.left, channel)
}

// choose finds the rule that is to tell our channel so that an event comes once: that
// of our name; else one that tells our channel and no other, whoever made it; else
// none where other rules send all our events there; else the one that we made for
// another channel; else a new one, for the events that no other rule sends. A
// stranger's rule of our name is a Conflict then, since two of one name would mislead
// people.
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

// isNeedless reports whether our rule need not tell our channel, because other rules
// can send it everything. Only one that tells others as well is taken from it: without
// any channel it would be of no use to anybody, and it is for an administrator to say
// which of two to keep.
func (s WebhookSetup) isNeedless(found candidates, rules []object, channel string, around surroundings) bool {
	tellsOthers := slices.ContainsFunc(texts(found.own[notified]), func(id string) bool { return id != channel && !around.isGone(id) })
	return isMarked(found.own) && tellsOthers && (found.single != nil || len(unsent(rules, channel, found.own)) == 0)
}

// senders are the rules but some that send a channel all events of some types of ours.
func senders(rules []object, channel string, but ...object) []object {
	return slices.DeleteFunc(slices.Clone(rules), func(rule object) bool {
		excepted := slices.ContainsFunc(but, func(each object) bool { return each.text("objectId") == rule.text("objectId") })
		return excepted || !notifies(rule, channel) || len(wholly(rule)) == 0
	})
}

// unsent is the event types of ours that no rule but some sends a channel.
func unsent(rules []object, channel string, but ...object) []string {
	var sent []string
	for _, rule := range senders(rules, channel, but...) {
		sent = append(sent, wholly(rule)...)
	}
	return without(EventTypes(), sent)
}

// wholly is the event types of ours of which a rule holds no event back.
func wholly(rule object) []string {
	excludes, _ := rule.flag("excludeSuspendedUsers")
	if isSilent(rule) || excludes || thresholdOf(rule) > 1 || !isEmptyList(rule["groupObjectIds"]) || !isEmptyList(rule["selectedScopeValues"]) {
		return nil
	}
	return slices.DeleteFunc(union(selectedTypes(rule), nil), func(each string) bool { return !isOurs(each) })
}

// doubled are the rules but ours that send our address events that another rule, or
// the same through another channel, sends there as well. calling is the ids of the
// channels that call it.
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

// leftRules are the rules that we made, switched on, that tell our channel nothing.
func (s WebhookSetup) leftRules(rules []object, own, channel string) []WebhookPart {
	var left []WebhookPart
	for _, rule := range rules {
		if !isSilent(rule) && rule.text("name") == s.Name && rule.text("ruleType") == eventRule && isMarked(rule) && rule.text("objectId") != own && !notifies(rule, channel) {
			left = append(left, WebhookPart{ID: rule.text("objectId"), Name: s.Name})
		}
	}
	return left
}
