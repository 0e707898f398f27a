package runtimeapi

import (
	"encoding/json"
	"fmt"
	"time"
)

// The types of errors that Lambda reports itself (AWS Lambda documentation,
// errors of a custom runtime).
const (
	ExitError    = "Runtime.ExitError"    // the process ended
	StartError   = "Runtime.StartError"   // the process could not be started
	InitTimeout  = "Sandbox.InitTimedout" // it never called next
	TimedOut     = "Sandbox.Timedout"     // the invocation took too long
	NoErrorGiven = "Runtime.Unknown"      // an error report that is not one
)

// FunctionError is the error of an invocation, as the function or Lambda reports it.
type FunctionError struct {
	Function string
	Type     string
	Message  string
}

// Error names the function, the type of the error and what it said.
func (e *FunctionError) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.Function, e.Type, e.Message)
}

// reported is the error that a runtime posted.
func reported(function string, body []byte) *FunctionError {
	var said struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Type == "" {
		return &FunctionError{Function: function, Type: NoErrorGiven, Message: string(body)}
	}
	return &FunctionError{Function: function, Type: said.Type, Message: said.Message}
}

// timedOut is the error of an invocation that took too long.
func timedOut(function string, limit time.Duration) *FunctionError {
	return &FunctionError{Function: function, Type: TimedOut, Message: fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds())}
}
