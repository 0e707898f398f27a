// Package onemachine runs the product on one machine with a simulator for each outside
// system that no variable names. The local runner, the demo, the bench and the end-to-end
// tests start it so.
package onemachine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"entrasync/scripts/machine"
	"entrasync/scripts/simulated"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Machine is a running product with its simulators, which are nil where a real system
// is used.
type Machine struct {
	*machine.Machine
	simulated.Administrator // of its API, for the simulated tenant
	JumpCloud               *jumpcloudtest.Simulator
	Entra                   *entratest.Simulator

	log zerolog.Logger
	// The pages on which a person can change a user and watch.
	jumpCloudPage, entraPage string
}

// Start starts the product, and a simulator for each system that c gives no address of.
// The simulated JumpCloud has a few people and a channel that calls the webhook.
func Start(ctx context.Context, c machine.Config, log zerolog.Logger) (*Machine, error) {
	m := &Machine{log: log}
	c = withCredentials(c)
	c.Simulate = m.simulate
	var err error
	if m.Machine, err = machine.Start(ctx, c, log); err != nil {
		return nil, err
	}
	m.Administrator = simulated.Administrator{
		API: m.URL(), Token: m.Config.AdminToken, Organization: m.Config.Organization, Tenant: directory.TenantID(entratest.DefaultTenant().ID),
	}
	if m.JumpCloud != nil {
		if _, err := m.JumpCloud.Notify(m.WebhookURL(), m.Config.WebhookTokens()[0]); err != nil {
			return nil, errors.Join(fault.Wrap(err, fault.Internal, "set up the simulated channel"), m.Stop())
		}
	}
	return m, nil
}

// Describe is that of the product, with the pages of the simulators.
func (m *Machine) Describe(w io.Writer) {
	m.Machine.Describe(w)
	if m.JumpCloud != nil {
		_, _ = fmt.Fprintf(w, "JumpCloud    %s (simulated: change people here)\n", m.jumpCloudPage)
	}
	if m.Entra != nil {
		_, _ = fmt.Fprintf(w, "Entra        %s (simulated: watch accounts here), tenant %s\n", m.entraPage, m.Tenant)
	}
}

// pollEvery is how often Settle checks the queues.
const pollEvery = time.Millisecond

// Settle waits until nothing is left to do, see [simulated.Settle].
func (m *Machine) Settle(ctx context.Context, waiting func()) error {
	return simulated.Settle(ctx, pollEvery, m.JumpCloud, m.Queues, waiting)
}
