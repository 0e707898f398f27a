// Command permissions compares the calls of AWS that each shipped function can make with
// what its role allows, in both directions, also on the index of the table, and checks every
// resource that a role names. A schedule may invoke its function and do nothing else.
//
// The calls are read from the program that sam build made. The roles are those that
// CloudFormation makes of the template, with every reference resolved; deploy.py writes
// them to a file.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// function is a deployed function.
type function struct {
	ARN         string            `json:"arn"`
	Timeout     int               `json:"timeout"` // seconds
	Environment map[string]string `json:"environment"`
	Sources     []string          `json:"sources"` // ARNs of the queues that feed it
	Schedules   []schedule        `json:"schedules"`
	Statements  []statement       `json:"statements"`
}

// schedule is a schedule that invokes a function, with its role.
type schedule struct {
	Name       string      `json:"name"`
	Expression string      `json:"expression"`
	State      string      `json:"state"`
	Statements []statement `json:"statements"`
	Trusted    []string    `json:"trusted"` // the services that may take the role
}

// statement is one of the statements of a role's policies.
type statement struct {
	Effect    string         `json:"Effect"`
	Action    list           `json:"Action"`
	Resource  list           `json:"Resource"`
	Condition map[string]any `json:"Condition"`
}

// list is one string or several, as IAM has it.
type list []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *list) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: permissions <file of deploy.py> <folder of sam build>")
		os.Exit(2)
	}
	problems, err := compare(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "permissions:", err)
		os.Exit(1)
	}
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

// compare checks every function of every variant, and gives the problems.
func compare(rolesFile, buildFolder string) ([]string, error) {
	text, err := os.ReadFile(rolesFile) //nolint:gosec // whoever runs this names the file
	if err != nil {
		return nil, err
	}
	var variants map[string]map[string]function // by title of the variant, then by name
	if err := json.Unmarshal(text, &variants); err != nil {
		return nil, fmt.Errorf("%s: %w", rolesFile, err)
	}
	indexed, err := indexQueries(storeFolder)
	if err != nil {
		return nil, err
	}
	var problems []string
	shown := map[string]bool{}
	for title, functions := range variants {
		for name, f := range functions {
			program := filepath.Join(buildFolder, logicalID(name), "bootstrap")
			can, err := calls(program)
			if err != nil {
				return nil, err
			}
			queries, err := inProgram(program, indexed)
			if err != nil {
				return nil, err
			}
			if !shown[name] {
				shown[name] = true
				fmt.Printf("  %s calls %v\n", name, can)
			}
			for _, problem := range append(check(name, f, can), onIndex(f, queries)...) {
				problems = append(problems, fmt.Sprintf("%s (%s): %s", name, title, problem))
			}
		}
	}
	if len(shown) == 0 {
		return nil, fmt.Errorf("%s has no function", rolesFile)
	}
	slices.Sort(problems)
	return problems, nil
}

// logicalID is what the template calls a function: WebhookFunction.
func logicalID(name string) string {
	return strings.ToUpper(name[:1]) + name[1:] + "Function"
}
