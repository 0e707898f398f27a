// Command bench measures the figures in the README on this machine: how fast the
// webhook answers, how long a change takes from the webhook to Entra, how many
// requests Graph sees, how large the programs are and how long they take to
// build.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// benchmark is one figure, or a few that belong together.
type benchmark struct {
	name    string
	measure func(context.Context) (string, error)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures one figure after the other, so that none disturbs another.
func run(ctx context.Context) error {
	for _, b := range []benchmark{
		{"Webhook handler on one core, the event kept on disk before the answer", webhookLatency},
		{"From the webhook to Entra, one change at a time, simulators without latency", changeLatency},
		{"From the webhook to Entra, 100 changes at once", burstLatency},
		{"Requests to Graph when 100 users are connected at once", requestsPerUser},
		{"Sizes of the programs, stripped", programSizes},
		{"Build of everything from an empty cache (takes minutes)", coldBuild},
	} {
		fmt.Printf("%s …\n", b.name)
		result, err := b.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		fmt.Printf("    %s\n", result)
	}
	return nil
}

// spread are quantiles of durations.
func spread(took []time.Duration) (string, error) {
	if len(took) == 0 {
		return "", errors.New("nothing was measured")
	}
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[min(int(share*float64(len(took))), len(took)-1)] }
	return fmt.Sprintf("p50 %s, p95 %s, p99 %s, slowest %s (%d measured)",
		at(.50).Round(10*time.Microsecond), at(.95).Round(10*time.Microsecond), at(.99).Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond), len(took)), nil
}
