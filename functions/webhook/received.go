package webhook

import (
	"context"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
)

// How many events and types one log line names; the others are counted.
const (
	namedEvents = 5
	namedTypes  = 10
)

// otherTypes is the name under which all other types are counted.
const otherTypes = "others"

// shapes counts the elements of a body by their shape.
func shapes(parsed jumpcloud.ParsedBody) map[jumpcloud.Shape]int {
	counts := map[jumpcloud.Shape]int{}
	for _, element := range parsed.Elements {
		counts[element.Shape]++
	}
	return counts
}

// logReceived logs in one line what a request contained. An element of an unknown form
// is a warning with the names of its fields, because JumpCloud publishes no schema.
func logReceived(ctx context.Context, organization directory.OrganizationID, parsed jumpcloud.ParsedBody, received []jumpcloud.Event) {
	line, message := zerolog.Ctx(ctx).Info(), "webhook accepted"
	for _, element := range parsed.Elements {
		if element.Shape == jumpcloud.Unrecognized {
			line = zerolog.Ctx(ctx).Warn().Strs("fields", element.Fields)
			message = "webhook accepted; an element of unknown form in it was dropped"
			break
		}
	}
	types, ids := map[string]int{}, []string{}
	for _, event := range received {
		if len(ids) < namedEvents {
			ids = append(ids, event.ID)
		}
		kind := event.Type
		if _, named := types[kind]; !named && len(types) >= namedTypes {
			kind = otherTypes
		}
		types[kind]++
	}
	line.Str("organization", string(organization)).Int("events", len(received)).Any("shapes", shapes(parsed)).
		Any("types", types).Strs("ids", ids).Msg(message)
}
