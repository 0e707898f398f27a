package runtimeapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// levels are the levels of application logs, most detail first (AWS Lambda
// documentation, log-level filtering).
var levels = []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}

// assumedLevel is that of a line that does not say it in Lambda's way.
const assumedLevel = "INFO"

// timestampKey names the time of a line. Lambda says that it knows more names,
// depending on the runtime, and not which; none of them is relied on here.
const timestampKey = "timestamp"

// levelOf is the level that Lambda takes a line to have (the same page): what its
// key "level" says, in either case. A line without a valid one, or without a valid
// RFC 3339 time, has level INFO.
func levelOf(line []byte) string {
	var said map[string]any
	if json.Unmarshal(line, &said) != nil {
		return assumedLevel
	}
	level, _ := said["level"].(string)
	at, _ := said[timestampKey].(string)
	if _, err := time.Parse(time.RFC3339Nano, at); err != nil || !slices.Contains(levels, strings.ToUpper(level)) {
		return assumedLevel
	}
	return strings.ToUpper(level)
}

// passing are those of some lines that come through to the log group when the
// function's level is this one; "" lets everything through.
func passing(lines []byte, level string) []byte {
	if level == "" {
		return lines
	}
	var kept []byte
	for line := range bytes.Lines(lines) {
		if slices.Index(levels, levelOf(line)) >= slices.Index(levels, level) {
			kept = append(kept, line...)
		}
	}
	return kept
}
