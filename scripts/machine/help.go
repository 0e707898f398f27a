package machine

import (
	"fmt"
	"io"
)

// Help says how the local runner is used.
func Help(w io.Writer) {
	_, _ = fmt.Fprint(w, `Runs the whole product on this machine until Ctrl-C: against simulators of
JumpCloud and Entra, or against those that the variables below name.

  local                 run it
  local restore         put the newest copy of the table back (the folder backup
                        in the data folder has one of each of the last 7 days)
  local restore FILE    put that copy back
  local --help          say this

Variables:
`)
	for _, v := range variables {
		fallback := v.fallback
		if fallback == "" {
			fallback = "not set; " + v.suchAs()
		}
		_, _ = fmt.Fprintf(w, "  %-24s %s\n  %-24s (default: %s)\n", v.name, v.meaning, "", fallback)
	}
	_, _ = fmt.Fprint(w, `
Where it is and what was chosen goes to standard output, for people; standard
error is the log, a JSON object a line. It ends with 0 after Ctrl-C or SIGTERM,
with 1 when it cannot start, with 2 for arguments that it does not know.
`)
}
