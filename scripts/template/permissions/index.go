package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// storeFolder has the functions that query the table's index. IAM allows a query of an index
// apart from one of its table, and the call is the same for both.
const storeFolder = "shared/store"

// indexQueries are the functions in a folder of the store that query the index, by the names
// that the linker keeps in a program.
func indexQueries(folder string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, each := range source.Decls {
			if function, is := each.(*ast.FuncDecl); is && setsIndex(function) {
				names = append(names, "entrasync/"+storeFolder+"."+linked(function))
			}
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("nothing in %s queries the index", folder)
	}
	return names, nil
}

// setsIndex reports whether a function makes a query with Index: true.
func setsIndex(function *ast.FuncDecl) (found bool) {
	ast.Inspect(function, func(n ast.Node) bool {
		if pair, is := n.(*ast.KeyValueExpr); is {
			key, _ := pair.Key.(*ast.Ident)
			value, _ := pair.Value.(*ast.Ident)
			found = found || key != nil && value != nil && key.Name == "Index" && value.Name == "true"
		}
		return !found
	})
	return found
}

// linked is the name of a function within its package, as the linker writes it.
func linked(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return function.Name.Name
	}
	switch receiver := function.Recv.List[0].Type.(type) {
	case *ast.StarExpr:
		return fmt.Sprintf("(*%s).%s", receiver.X, function.Name.Name)
	default:
		return fmt.Sprintf("%s.%s", receiver, function.Name.Name)
	}
}

// inProgram are the names that a program has, also those of functions that are only inlined.
func inProgram(program string, names []string) ([]string, error) {
	file, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	section := file.Section(".gopclntab")
	if section == nil {
		return nil, fmt.Errorf("%s is not a Go program for Linux", program)
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !bytes.Contains(data, append([]byte(name), 0))
	}), nil
}

// onIndex compares what a function queries of the table's index with its role.
func onIndex(f function, queries []string) []string {
	allowed := slices.ContainsFunc(f.Statements, func(s statement) bool {
		return slices.Contains(s.Action, "dynamodb:Query") && slices.ContainsFunc(s.Resource, func(resource string) bool { return strings.HasSuffix(resource, "/index/index") })
	})
	switch {
	case len(queries) > 0 && !allowed:
		return []string{"dynamodb:Query on the table's index is needed for " + strings.Join(queries, ", ") + ", but not allowed"}
	case len(queries) == 0 && allowed:
		return []string{"dynamodb:Query is allowed on the table's index, but nothing needs it"}
	default:
		return nil
	}
}
