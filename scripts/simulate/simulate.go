// Package simulate plays days of a company at random, and compares what entrasync made of
// them with the rules. A day is a list of steps with virtual time between them: people are
// hired, changed, suspended and moved, groups and people are connected and disconnected,
// settings change, and the weather changes: webhooks are lost, doubled and shuffled, reads
// lag, answers get lost or never come, processes die at any call, messages come back and
// queues refuse. The seed decides the steps and the faults, with PCG of math/rand/v2; the
// whole product runs in virtual time (package world).
//
// When the day is over and nothing is left to do, [Play] compares Entra and the records
// with a short model of the rules (rules.go), which shares no code with the product. It
// also takes samples while the day goes on: nobody may be enabled or disabled wrongly for
// longer than a bound (samples.go).
//
// A day that fails is printed as one line, which can be played again and made shorter
// ([Shrink]). Its steps and faults are the same each time; what happens within one instant
// of virtual time may be in another order, so a rare failure may need several tries.
package simulate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Day is what happens in one simulated day.
type Day struct {
	Seed  uint64
	Steps []Step
}

// Step is one thing that happens, after a wait. What A and B mean depends on it; see the
// table of steps.
type Step struct {
	Wait time.Duration
	Do   string
	A, B int
}

// String is the step as [Parse] reads it.
func (s Step) String() string { return fmt.Sprintf("%s %s %d %d", s.Wait, s.Do, s.A, s.B) }

// String is the day without its seed, as [Parse] reads it.
func (d Day) String() string {
	lines := make([]string, len(d.Steps))
	for i, s := range d.Steps {
		lines[i] = s.String()
	}
	return strings.Join(lines, "; ")
}

// Parse reads a day that String wrote.
func Parse(seed uint64, text string) (Day, error) {
	d := Day{Seed: seed}
	for line := range strings.SplitSeq(text, ";") {
		words := strings.Fields(line)
		if len(words) != 4 {
			return d, fmt.Errorf("%q is not a step: it has a wait, a name and two numbers", line)
		}
		wait, err := time.ParseDuration(words[0])
		if err != nil {
			return d, err
		}
		s := Step{Wait: wait, Do: words[1]}
		if s.A, err = strconv.Atoi(words[2]); err != nil {
			return d, err
		}
		if s.B, err = strconv.Atoi(words[3]); err != nil {
			return d, err
		}
		if steps[s.Do].do == nil {
			return d, fmt.Errorf("there is no step %q", s.Do)
		}
		d.Steps = append(d.Steps, s)
	}
	return d, nil
}
