package runtimeapi

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"entrasync/shared/fault"
)

// sessionToken comes with the credentials of every role. Servers on this machine
// take any.
const sessionToken = "no-token-on-this-machine"

// ownVariables are what Lambda gives every function with an OS-only runtime
// (AWS Lambda documentation, defined runtime environment variables). A function
// cannot set them itself.
func ownVariables(c Config) map[string]string {
	return map[string]string{
		"_HANDLER":                        "bootstrap",
		"AWS_ACCESS_KEY_ID":               c.AccessKey,
		"AWS_DEFAULT_REGION":              c.Region,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.MemoryMB),
		"AWS_LAMBDA_FUNCTION_NAME":        c.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_FORMAT":           "JSON",
		"AWS_LAMBDA_LOG_LEVEL":            c.LogLevel,
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "2025/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
		"AWS_REGION":                      c.Region,
		"AWS_SECRET_ACCESS_KEY":           c.SecretKey,
		"AWS_SESSION_TOKEN":               sessionToken,
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LAMBDA_TASK_ROOT":                filepath.Dir(c.Bootstrap),
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"TZ":                              ":UTC",
	}
}

// runtimeAddress is the variable that says where the Runtime API is.
const runtimeAddress = "AWS_LAMBDA_RUNTIME_API"

// overridable are those of Lambda's variables that a function may set (the same
// page: the keys that are not reserved).
var overridable = []string{"LANG", "PATH", "TZ"}

// environmentOf is the environment of a process, without the address of its Runtime API.
func environmentOf(c Config) ([]string, error) {
	variables := ownVariables(c)
	for name, value := range c.Environment {
		if _, taken := variables[name]; name == runtimeAddress || taken && !slices.Contains(overridable, name) {
			return nil, &fault.Error{Op: "runtimeapi.New", Kind: fault.Invalid, Subject: name, Message: fmt.Sprintf("%s sets a variable that belongs to Lambda", c.Name)}
		}
		variables[name] = value
	}
	environment := make([]string, 0, len(variables)+1)
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		environment = append(environment, name+"="+variables[name])
	}
	return environment, nil
}
