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

// assumedLevel is the level of a line without one that Lambda understands.
const assumedLevel = "INFO"

// timestampKey names the time of a line. The documentation says that Lambda knows more
// names for some runtimes, and not which; none of them counts here.
const timestampKey = "timestamp"

// levelOf is the level of a line for Lambda (the same page): the value of its key "level",
// in upper or lower case. A line without a valid level, or without a valid RFC 3339 time,
// has level INFO.
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

// passing are the lines that reach the log group when the function has a level; "" is for
// all lines.
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
