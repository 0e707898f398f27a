package machine_test

import (
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"entrasync/scripts/machine"
)

// What libraries write by any way becomes a line of the log, and closing the log loses
// nothing of it.
func TestEverybodyWritesToTheLog(t *testing.T) {
	var written syncBuffer
	stderr := os.Stderr
	logger, closeLog, err := machine.OpenLog(&written)
	if err != nil {
		t.Fatal(err)
	}
	logger.Info().Msg("ours")
	log.Print("by package log")
	slog.Warn("by package slog", "key", "value")
	fmt.Fprintln(os.Stderr, "by name")
	fmt.Fprint(os.Stderr, "two lines\n\nand \"no\" end")
	if err := closeLog(); err != nil {
		t.Fatal(err)
	}
	if os.Stderr != stderr {
		t.Error("os.Stderr is another file after the close, want the one of before")
	}
	got := map[string]string{}
	for text := range strings.Lines(written.String()) {
		var line struct{ Level, Time, Message, From string }
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Level == "" || line.Time == "" {
			t.Errorf("the line %s (%v), want JSON with level and time", text, err)
		}
		got[line.Message] = line.Level + " " + line.From
	}
	want := map[string]string{
		"ours": "info ", "by package log": "warn log", "WARN by package slog key=value": "warn log",
		"by name": "warn stderr", "two lines": "warn stderr", `and "no" end`: "warn stderr",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}
