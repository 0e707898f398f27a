// Package size says how large the programs of the functions may be.
package size

import (
	"debug/buildinfo"
	"strings"
)

// The most that a stripped program may have, in bytes. The Graph SDK is half of one.
const (
	most          = 11e6
	mostWithGraph = 20e6
)

// Most is the most that a program may have, in bytes, and whether it holds the Graph SDK.
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
