package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"entrasync/scripts/machine"
	"entrasync/scripts/simulated/onemachine"
	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
)

const (
	benchUsers   = 100
	benchChanges = 300
	giveUp       = time.Minute
)

// product is a running product with users that are not connected yet.
type product struct {
	*onemachine.Machine
	directory directory.ID
	users     []string
}

// withProduct runs do with a product of its own.
func withProduct(ctx context.Context, do func(*product) (string, error)) (result string, err error) {
	folder, err := os.MkdirTemp("", "entrasync-bench-")
	if err != nil {
		return "", err
	}
	defer func() { err = firstOf(err, os.RemoveAll(folder)) }()
	config, err := machine.ConfigFrom(func(name string) string {
		return map[string]string{"ENTRASYNC_ADDR": "127.0.0.1:0", "ENTRASYNC_DATA": folder}[name]
	})
	if err != nil {
		return "", err
	}
	m, err := onemachine.Start(ctx, config, zerolog.Nop())
	if err != nil {
		return "", err
	}
	defer func() { err = firstOf(err, m.Stop()) }()
	p := &product{Machine: m}
	for i := range benchUsers {
		id, err := m.JumpCloud.CreateUser(jumpcloudtest.Fields{
			"username": fmt.Sprintf("bench%d", i), "email": fmt.Sprintf("bench%d@contoso.example", i), "firstname": "Bench", "lastname": fmt.Sprint(i), "state": "ACTIVATED"})
		if err != nil {
			return "", err
		}
		p.users = append(p.users, id)
	}
	if p.directory, err = m.CreateDirectory(ctx, "Bench", "user_job_title"); err != nil {
		return "", err
	}
	if err := p.settle(ctx); err != nil {
		return "", err
	}
	return do(p)
}

// connectAll connects all users at once, through the API.
func (p *product) connectAll(ctx context.Context) error {
	group, inGroup := errgroup.WithContext(ctx)
	for _, user := range p.users {
		group.Go(func() error { return p.Connect(inGroup, p.directory, user) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return p.settle(ctx)
}

// settle waits until nothing is left to do, for at most giveUp.
func (p *product) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	return p.Settle(ctx, nil)
}

// retitle changes one user in JumpCloud.
func (p *product) retitle(i int, title string) error {
	return p.JumpCloud.UpdateUser(p.users[i%len(p.users)], jumpcloudtest.Fields{"jobTitle": title})
}

// latencies are how long every update took from the webhook to Entra.
func (p *product) latencies(ctx context.Context) ([]time.Duration, error) {
	arrived := map[string]time.Time{}
	for _, d := range p.JumpCloud.Deliveries() {
		arrived[d.EventID] = d.Tried
	}
	var took []time.Duration
	for cursor := ""; ; {
		page, err := p.Store.Actions(ctx, p.directory, 0, cursor)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Items {
			if start, byEvent := arrived[a.Cause.ID]; byEvent && a.Type == plan.Update && a.Status == plan.Succeeded {
				took = append(took, a.CompletedAt.Sub(start))
			}
		}
		if cursor = page.Cursor; cursor == "" {
			return took, nil
		}
	}
}

// changeLatency changes users one after the other.
func changeLatency(ctx context.Context) (string, error) {
	return latencyOf(ctx, func(p *product) error {
		for i := range benchChanges {
			if err := p.retitle(i, fmt.Sprintf("Title %d", i)); err != nil {
				return err
			}
			if err := p.settle(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// burstLatency changes all users at once.
func burstLatency(ctx context.Context) (string, error) {
	return latencyOf(ctx, func(p *product) error {
		for i := range p.users {
			if err := p.retitle(i, "New title"); err != nil {
				return err
			}
		}
		return p.settle(ctx)
	})
}

// latencyOf connects all users, changes them, and gives how long the changes took to reach
// Entra.
func latencyOf(ctx context.Context, change func(*product) error) (string, error) {
	return withProduct(ctx, func(p *product) (string, error) {
		if err := p.connectAll(ctx); err != nil {
			return "", err
		}
		if err := change(p); err != nil {
			return "", err
		}
		took, err := p.latencies(ctx)
		if err != nil {
			return "", err
		}
		return spread(took)
	})
}

// requestsPerUser counts the requests to Graph of a first connection.
func requestsPerUser(ctx context.Context) (string, error) {
	return withProduct(ctx, func(p *product) (string, error) {
		before := p.Entra.Counters()
		if err := p.connectAll(ctx); err != nil {
			return "", err
		}
		after := p.Entra.Counters()
		made := 0
		for _, account := range p.Entra.Tenant(string(p.Tenant)).Users() {
			if account.AccountEnabled {
				made++
			}
		}
		if made != benchUsers {
			return "", fmt.Errorf("%d accounts are enabled, want %d", made, benchUsers)
		}
		requests := after.Requests - before.Requests
		return fmt.Sprintf("%d requests for %d users: %.2f for each (%d write units)", requests, benchUsers, float64(requests)/benchUsers, after.WriteUnits-before.WriteUnits), nil
	})
}
