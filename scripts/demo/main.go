// Command demo plays a short working day on one machine: both simulators, the product
// between them, and an administrator who uses the API and changes people in JumpCloud. It
// prints what each event did and how long it took from the webhook to Entra, shows both
// directories side by side, and fails if they differ.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"entrasync/scripts/machine"
	"entrasync/scripts/play"
	"entrasync/scripts/simulated/onemachine"
)

// help is what --help says.
const help = `Plays a short working day of a small company on this machine: simulators of JumpCloud and
Entra, the whole product between them, and what each event did. Ends with 0 if the two
directories agree.

  demo           play it
  demo --help    say this

It reads no variables and needs no tokens: addresses, tokens and a folder of its own are
made up, and the folder is removed again unless something goes wrong.
`

// usedWrongly is the exit code for arguments that do not exist.
const usedWrongly = 2

func main() {
	if len(os.Args) > 1 {
		if len(os.Args) == 2 && (os.Args[1] == "--help" || os.Args[1] == "-h" || os.Args[1] == "help") {
			fmt.Print(help)
			return
		}
		fmt.Fprintf(os.Stderr, "demo: there is no argument %q: see --help\n", os.Args[1])
		os.Exit(usedWrongly)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run plays the day in a folder of its own, which it removes again. The log is
// shown only when something goes wrong.
func run(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "entrasync-demo-")
	if err != nil {
		return err
	}
	logPath := filepath.Join(folder, "log.jsonl")
	logFile, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer func() {
		closed := logFile.Close()
		if err == nil {
			err = closed
		}
		if err != nil {
			err = fmt.Errorf("%w (the log is in %s)", err, logPath)
			return
		}
		err = os.RemoveAll(folder)
	}()
	fmt.Println("Starting both simulators and entrasync on this machine …")
	config, err := machine.ConfigFrom(func(name string) string {
		return map[string]string{"ENTRASYNC_ADDR": "127.0.0.1:0", "ENTRASYNC_DATA": folder}[name]
	})
	if err != nil {
		return err
	}
	log, closeLog, err := machine.OpenLog(logFile)
	if err != nil {
		return err
	}
	defer func() {
		if closed := closeLog(); err == nil {
			err = closed
		}
	}()
	m, err := onemachine.Start(ctx, config, log)
	if err != nil {
		return err
	}
	err = play.Day(ctx, play.Stage{
		Administrator: m.Administrator, Store: m.Store, JumpCloud: m.JumpCloud, Entra: m.Entra, Settle: m.Settle,
	}, os.Stdout)
	if stopped := m.Stop(); err == nil {
		err = stopped
	}
	return err
}
