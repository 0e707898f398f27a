package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every bug of the table can be planted: its file has the text that it replaces, once.
func TestEveryBugCanBePlanted(t *testing.T) {
	for _, m := range mutants {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", m.file))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: %s has the old text %d times, want once", m.name, m.file, n)
		}
	}
}
