// Command derive writes what follows from template.yaml: the alarms of every queue and
// function in infra/alarms.yaml, and their rows in infra/dashboard.yaml. Run it at the
// root of the module, by `make derive`, after a queue or a function was added or removed.
// A test fails as long as a file is out of date.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// The files, from the root of the module.
const (
	templateFile  = "template.yaml"
	alarmsFile    = "infra/alarms.yaml"
	dashboardFile = "infra/dashboard.yaml"
)

func main() {
	derived, err := derive(".", templateFile)
	if err != nil {
		fmt.Fprintln(os.Stderr, "derive:", err)
		os.Exit(1)
	}
	for name, text := range derived {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, "derive:", err)
			os.Exit(1)
		}
	}
}

// derive gives the files as they should be, by their names.
func derive(root, template string) (map[string]string, error) {
	watched, err := read(filepath.Join(root, template))
	if err != nil {
		return nil, err
	}
	alarms, err := os.ReadFile(filepath.Join(root, alarmsFile))
	if err != nil {
		return nil, err
	}
	dashboard, err := os.ReadFile(filepath.Join(root, dashboardFile))
	if err != nil {
		return nil, err
	}
	derivedAlarms, err := withAlarms(string(alarms), watched)
	if err != nil {
		return nil, err
	}
	return map[string]string{alarmsFile: derivedAlarms, dashboardFile: withRows(string(dashboard), derivedAlarms, watched)}, nil
}
