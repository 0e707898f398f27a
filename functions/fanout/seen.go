package fanout

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/store"
)

// seenLimit is how long it may take to store which events were fanned out.
const seenLimit = 3 * time.Second

// keepSeen stores which events were fanned out that webhooks brought, so that the catch-up
// does not send them again: one record for the batch and each organization in it. What the
// catch-up sends it stores itself. A vague event is not the only one with its id, so it is
// left out. What cannot be stored is fanned out twice, which does no harm.
func (h Handler) keepSeen(ctx context.Context, done map[string]jumpcloud.Change) {
	ids := map[directory.OrganizationID][]string{}
	for _, change := range done {
		if occurrence := change.Event.Occurrence(); occurrence != "" && change.Via == jumpcloud.ByWebhook {
			ids[change.Organization] = append(ids[change.Organization], occurrence)
		}
	}
	recording, stop := deadline.ForRecords(ctx, seenLimit)
	defer stop()
	for organization, seen := range ids {
		record := store.Seen{Organization: organization, Via: jumpcloud.ByWebhook.String(), At: time.Now().UTC(), IDs: seen}
		if err := h.Store.AddSeen(recording, record); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("organization", string(organization)).Msg("it could not be stored which events were seen: the catch-up will send them again")
		}
	}
}
