package machine

import (
	"context"
	"time"

	"entrasync/scripts/simulated"
)

// pollEvery is how often Settle looks.
const pollEvery = time.Millisecond

// Settle waits until the simulated JumpCloud has delivered every webhook and
// every queue is empty. From time to time it says so by calling waiting, unless
// that is nil.
func (m *Machine) Settle(ctx context.Context, waiting func()) error {
	return simulated.Settle(ctx, pollEvery, m.Simulators.JumpCloud, m.queues, waiting)
}
