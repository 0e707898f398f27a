// Command sizes compares the sizes of the programs that `sam build` made with their limits.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"entrasync/scripts/lambda/size"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sizes <folder of sam build>")
		os.Exit(2)
	}
	programs, err := filepath.Glob(filepath.Join(os.Args[1], "*", "bootstrap"))
	if err != nil || len(programs) == 0 {
		fmt.Fprintln(os.Stderr, "sizes: there is no program in", os.Args[1])
		os.Exit(1)
	}
	tooLarge := false
	for _, program := range programs {
		most, _, err := size.Most(program)
		if err != nil {
			fmt.Fprintf(os.Stderr, "sizes: %s: %v\n", program, err)
			os.Exit(1)
		}
		info, err := os.Stat(program) //nolint:gosec // whoever runs this names the folder
		if err != nil {
			fmt.Fprintln(os.Stderr, "sizes:", err)
			os.Exit(1)
		}
		fmt.Printf("  %-16s %5.1f MB of at most %d\n", filepath.Base(filepath.Dir(program)), float64(info.Size())/1e6, most/1e6)
		tooLarge = tooLarge || info.Size() > most
	}
	if tooLarge {
		os.Exit(1)
	}
}
