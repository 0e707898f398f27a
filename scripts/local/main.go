// Command local runs the product on this machine until a signal stops it: against the
// simulators, or against the JumpCloud and the Entra that the environment names. Killed at
// any moment and started again, it goes on where it was. `local restore` puts a copy of
// the table back.
//
// Standard output is for people. Standard error is the log, a JSON object a line,
// from the moment that the variables are found to be right.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"entrasync/scripts/machine"
	"entrasync/scripts/simulated/onemachine"
	"entrasync/shared/fault"
)

// The exit codes besides 0.
const (
	failed      = 1
	usedWrongly = 2
)

func main() { os.Exit(run(os.Args[1:])) }

// run runs the command of the arguments and gives the exit code.
func run(args []string) int {
	switch {
	case len(args) == 0:
		return product()
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help"):
		machine.Help(os.Stdout)
		return 0
	case args[0] == "restore" && len(args) <= 2 && !strings.HasPrefix(strings.Join(args[1:], ""), "-"):
		return restore(strings.Join(args[1:], ""))
	case args[0] == "restore":
		_, _ = fmt.Fprintln(os.Stderr, "entrasync: restore takes the path of one copy, or nothing: see --help")
	default:
		_, _ = fmt.Fprintf(os.Stderr, "entrasync: there is no argument %q: see --help\n", args[0])
	}
	return usedWrongly
}

// variables reads the variables, and says what is wrong with them.
func variables() (config machine.Config, ok bool) {
	config, err := machine.ConfigFrom(os.Getenv)
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "entrasync: the variables are not right (see --help)\n%v\n", err)
	}
	return config, err == nil
}

// product runs the product until the first signal.
func product() int {
	config, ok := variables()
	if !ok {
		return failed
	}
	log, closeLog, err := machine.OpenLog(os.Stderr)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "entrasync: the log cannot be opened:", err)
		return failed
	}
	for _, unknown := range machine.UnknownVariables(os.Environ()) {
		log.Warn().Str("variable", unknown.Name).Msg(unknown.Name + " is no variable of entrasync and does nothing: did you mean " + unknown.Nearest + "?")
	}
	err = serve(config, log)
	if err != nil {
		log.Error().Err(err).Msg("entrasync ends")
		_, _ = fmt.Println("entrasync:", sentence(err))
	}
	if closeLog() != nil || err != nil {
		return failed
	}
	return 0
}

// serve starts the product and stops it at the first signal.
func serve(config machine.Config, log zerolog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	m, err := onemachine.Start(ctx, config, log)
	if err != nil {
		return err
	}
	m.Describe(os.Stdout)
	_, _ = fmt.Println("Press Ctrl-C to stop.")
	<-ctx.Done()
	_, _ = fmt.Println("Stopping; work that is not finished goes on at the next start.")
	return m.Stop()
}

// restore puts a copy of the table back.
func restore(path string) int {
	config, ok := variables()
	if !ok {
		return failed
	}
	done, err := machine.Restore(context.Background(), config, path)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "entrasync:", sentence(err))
		return failed
	}
	_, _ = fmt.Printf("The table is the copy %s again, of %s, with %d records.\n", done.Copy, done.Made.Format("2006-01-02 15:04 MST"), done.Records)
	if done.Damaged > 0 {
		_, _ = fmt.Printf("%d of its records are damaged: lists go on without them, and the log names them.\n", done.Damaged)
	}
	if done.Replaced != "" {
		_, _ = fmt.Printf("The table of before is %s.\n", done.Replaced)
	}
	_, _ = fmt.Print(`The next start checks every user and group in it and writes their accounts anew, by what JumpCloud says now.
What was decided through the API since the copy is undone, and has to be decided again: check the
directories, their settings and their connections; who was disconnected since is connected again.
`)
	return 0
}

// sentence is the message for the person who must act; the error's own text if it has none.
func sentence(err error) string {
	f := fault.Of(err)
	switch {
	case f.Message == "":
		return err.Error()
	case f.Subject == "" || strings.Contains(f.Message, f.Subject):
		return f.Message
	default:
		return f.Subject + ": " + f.Message
	}
}
