package webhook

import (
	"context"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
)

// What one line of the log names at most; the rest is counted.
const (
	namedEvents = 5
	namedTypes  = 10
)

// otherTypes counts the types of events that are not named.
const otherTypes = "others"

// shapes counts the elements of a body by their shape.
func shapes(parsed jumpcloud.ParsedBody) map[jumpcloud.Shape]int {
	counts := map[jumpcloud.Shape]int{}
	for _, element := range parsed.Elements {
		counts[element.Shape]++
	}
	return counts
}

// tell says in one line what a request carried. A form that nobody knows is worth
// a warning with the names of its fields, as JumpCloud publishes no schema.
func tell(ctx context.Context, organization directory.OrganizationID, parsed jumpcloud.ParsedBody, received []jumpcloud.Event) {
	line, message := zerolog.Ctx(ctx).Info(), "webhook accepted"
	for _, element := range parsed.Elements {
		if element.Shape == jumpcloud.Unrecognized {
			line = zerolog.Ctx(ctx).Warn().Strs("fields", element.Fields)
			message = "webhook accepted; something in it has a form that nobody knows, and was dropped"
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
