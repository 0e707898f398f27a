// Command mutants shows that the simulation finds bugs: it builds the simulation with one
// deliberate bug of a table at a time, and plays days until one fails. The bugs are not in
// the product: an overlay replaces the file for the build (go help build, -overlay).
//
//	go run ./scripts/simulate/mutants [-days 200] [-only part of a name] [-known seeds]
//
// Days that fail without a bug do not count: it plays them first, unless -known names
// them, separated by commas, or "none". It ends with 1 if a bug was not found, unless the
// table says which other rule covers it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	days := flag.Int("days", 200, "how many days to play for each bug at most")
	only := flag.String("only", "", "only the bugs whose names contain this")
	known := flag.String("known", "", "the seeds of the days that fail without a bug; by default these are played first")
	flag.Parse()
	if err := run(*days, *only, *known); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// errMissed says that the simulation is blind to some bugs.
var errMissed = errors.New("not all bugs were found")

func run(days int, only, known string) error {
	folder, err := os.MkdirTemp("", "entrasync-mutants-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	b := bench{folder: folder, days: days}
	if known != "" {
		b.skip = strings.Split(known, ",")
	} else {
		if err := b.build(""); err != nil {
			return err
		}
		b.skip, _ = b.play(days) // all that fail as it is
	}
	fmt.Printf("without a bug, of %d days these fail: %v\n\n| bug | file | found at seed | time |\n|---|---|---|---|\n", days, b.skip)
	missed, harmless, all := 0, 0, 0
	for _, m := range mutants {
		if !strings.Contains(m.name, only) {
			continue
		}
		all++
		start := time.Now()
		found, err := b.hunt(m)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", m.name, err)
		}
		switch {
		case found != "":
		case err == nil && covered[m.name] != "":
			harmless++
			found = "none: " + covered[m.name]
		default:
			missed++
			found = "**not found**"
		}
		fmt.Printf("| %s | %s | %s | %s |\n", m.name, m.file, found, time.Since(start).Round(time.Second))
	}
	fmt.Printf("\n%d of %d found, %d covered by another rule\n", all-missed-harmless, all, harmless)
	if missed > 0 {
		return errMissed
	}
	return nil
}

// bench builds and plays.
type bench struct {
	folder string
	days   int
	skip   []string // seeds
}

// program is the test program of the simulation.
func (b bench) program() string { return filepath.Join(b.folder, "simulate.test") }

// build builds the program, with an overlay unless it is "".
func (b bench) build(overlay string) error {
	arguments := []string{"test", "-c", "-o", b.program()}
	if overlay != "" {
		arguments = append(arguments, "-overlay", overlay)
	}
	out, err := exec.Command("go", append(arguments, "./scripts/simulate")...).CombinedOutput() //nolint:gosec,noctx // a tool of developers
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// hunt plays days with a bug until one fails; it returns the seed, "" if none did.
func (b bench) hunt(m mutant) (string, error) {
	overlay, err := b.overlay(m)
	if err != nil {
		return "", err
	}
	if err := b.build(overlay); err != nil {
		return "", err
	}
	failed, died := b.play(1)
	if len(failed) > 0 {
		return failed[0], nil
	}
	return died, nil
}

// overlay writes the file with the bug.
func (b bench) overlay(m mutant) (string, error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s has the old text %d times, want once: write the bug anew", m.file, n)
	}
	const mode = 0o600
	replaced := filepath.Join(b.folder, "replaced.go")
	if err := os.WriteFile(replaced, []byte(strings.Replace(string(text), m.old, m.new, 1)), mode); err != nil { //nolint:gosec // the table of this program names the files
		return "", err
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	content, err := json.Marshal(map[string]any{"Replace": map[string]string{path: replaced}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(b.folder, "overlay.json")
	return overlay, os.WriteFile(overlay, content, mode)
}

// seedOf matches the seed of a day that failed.
var seedOf = regexp.MustCompile(`: seed (\d+): `)

// longestPlay is how long all days may take: with a bug a day may repeat itself for ever.
const longestPlay = 15 * time.Minute

// play plays days until some have failed, and returns their seeds. died says that the
// program did not end by itself.
func (b bench) play(failures int) (seeds []string, died string) {
	ctx, stop := context.WithTimeout(context.Background(), longestPlay)
	defer stop()
	command := exec.CommandContext(ctx, b.program(), "-test.run", "TestDays$", "-days", fmt.Sprint(b.days), "-failures", fmt.Sprint(failures), //nolint:gosec // its own program
		"-skip", strings.Join(b.skip, ","))
	out, err := command.CombinedOutput()
	for _, match := range seedOf.FindAllStringSubmatch(string(out), -1) {
		seeds = append(seeds, match[1])
	}
	switch {
	case ctx.Err() != nil && len(seeds) == 0:
		died = "a day does not end"
	case err != nil && len(seeds) == 0:
		died = "the program died"
	}
	return seeds, died
}
