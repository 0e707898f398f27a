package catchup

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
)

// rulesRest is the time between two tries to migrate the rules of an organization.
const rulesRest = 24 * time.Hour

// migrateRules switches off, once for each organization, the alerts of the rules that earlier
// versions made: JumpCloud may send one notification for all events of an open alert. It is
// done once and not kept up, so that an administrator who wants alerts is not fought; what a
// rule does since then, POST …/webhook says. If JumpCloud refuses it, the feed is read all the
// same, and it is tried again the next day.
func (t *turn) migrateRules(ctx context.Context, feed Feed) {
	if t.kept.RulesMigrated || t.kept.RulesTryAt.After(time.Now()) || !deadline.Allows(ctx, shortestTurn) {
		return
	}
	log := zerolog.Ctx(ctx)
	changed, err := feed.StopAlerts(ctx)
	for _, rule := range changed {
		log.Info().Str("rule", rule.ID).Str("name", rule.Name).Msg("the alerts of a rule in JumpCloud that an earlier version made were switched off, so that each event is sent")
	}
	t.kept.RulesMigrated, t.kept.RulesTryAt = err == nil, time.Time{}
	if err != nil {
		t.kept.RulesTryAt = time.Now().Add(rulesRest).UTC()
		log.Warn().Err(err).Msg("it could not be made sure that the rules of earlier versions in JumpCloud make no alerts, behind which events do not arrive: POST /v1/organizations/{id}/webhook says what to do")
	}
}
