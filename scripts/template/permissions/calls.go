package main

import (
	"cmp"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"regexp"
	"slices"
)

// call is a call to AWS that a program can make.
type call struct {
	service string // the name of the SDK's package: dynamodb, sqs
	method  string // of its Client
}

func (c call) String() string { return c.service + "." + c.method }

// clientMethod is the name of a method of a client of the SDK, or of one that signs URLs,
// as the linker keeps it in the program.
var clientMethod = regexp.MustCompile(`^github\.com/aws/aws-sdk-go-v2/service/([a-z0-9]+)\.\(\*(?:Presign)?Client\)\.([A-Z]\w*)$`)

// notCalls are exported methods that send nothing to AWS as we use them: Options
// of every client, DescribeEndpoints, which only a client with endpoint discovery switched
// on sends, and CreateSession, which S3 needs for directory buckets only.
var notCalls = []string{"Options", "DescribeEndpoints", "CreateSession"}

// calls lists the calls that a program can make, sorted. The linker leaves out every method
// that nothing can reach, and a stripped program still has the names of its functions, for
// stack traces. So the list is that of the shipped program.
func calls(program string) ([]call, error) {
	file, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	section, text := file.Section(".gopclntab"), file.Section(".text")
	if section == nil || text == nil {
		return nil, fmt.Errorf("%s is not a Go program for Linux", program)
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	if err != nil {
		return nil, err
	}
	var found []call
	for _, function := range table.Funcs {
		if m := clientMethod.FindStringSubmatch(function.Name); m != nil && !slices.Contains(notCalls, m[2]) {
			found = append(found, call{m[1], m[2]})
		}
	}
	if len(table.Funcs) == 0 {
		return nil, fmt.Errorf("%s names no function", program)
	}
	slices.SortFunc(found, func(a, b call) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(found), nil
}
