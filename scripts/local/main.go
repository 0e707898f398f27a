// Command local runs the whole product on this machine until it is told to
// stop: against the simulators, or against the JumpCloud and the Entra that the
// environment names. Killed at any moment and started again, it goes on where it
// was.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"

	"entrasync/scripts/machine"
)

func main() {
	if err := run(os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "entrasync:", err)
		os.Exit(1)
	}
}

// run starts the product and stops it at the first signal.
func run(out, logs io.Writer) error {
	config, err := machine.ConfigFrom(os.Getenv)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	m, err := machine.Start(ctx, config, zerolog.New(logs).With().Timestamp().Logger())
	if err != nil {
		return err
	}
	m.Describe(out)
	<-ctx.Done()
	fmt.Fprintln(out, "Stopping; work that is not finished goes on at the next start.")
	return m.Stop()
}
