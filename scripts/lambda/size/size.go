// Package size limits how large the programs of the functions may be.
package size

import (
	"debug/buildinfo"
	"strings"
)

// Limits of a stripped program, in bytes. The Graph SDK is half of a program that has it. The
// largest one is that of the API, which plans with the engines of users and groups: 19 MB for
// arm64, 21 MB for amd64.
const (
	most          = 12e6
	mostWithGraph = 22e6
)

// Most is the limit of a program in bytes, and whether the program has the Graph SDK in it.
func Most(bootstrap string) (bytes int64, graph bool, err error) {
	info, err := buildinfo.ReadFile(bootstrap)
	if err != nil {
		return 0, false, err
	}
	for _, module := range info.Deps {
		if strings.HasPrefix(module.Path, "github.com/microsoftgraph/msgraph-sdk-go") {
			return mostWithGraph, true, nil
		}
	}
	return most, false, nil
}
