package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// build builds the packages into a folder, as the Makefile does.
func build(ctx context.Context, into string, environment []string, packages ...string) error {
	command := exec.CommandContext(ctx, "go", append([]string{"build", "-tags=lambda.norpc", "-ldflags=-s -w", "-o", into + string(filepath.Separator)}, packages...)...) //nolint:gosec // the arguments are ours
	command.Env = append(os.Environ(), environment...)
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, said.String())
	}
	return nil
}

// programSizes are the sizes of what the Makefile builds.
func programSizes(ctx context.Context) (result string, err error) {
	folder, err := os.MkdirTemp("", "entrasync-bench-")
	if err != nil {
		return "", err
	}
	defer func() { err = firstOf(err, os.RemoveAll(folder)) }()
	if err := build(ctx, folder, nil, "./scripts/local", "./scripts/demo"); err != nil {
		return "", err
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	var sizes []string
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			return "", err
		}
		sizes = append(sizes, fmt.Sprintf("%s %.1f MB", file.Name(), float64(info.Size())/1e6))
	}
	return strings.Join(sizes, ", "), nil
}

// coldBuild times a build with an empty build cache.
func coldBuild(ctx context.Context) (result string, err error) {
	folder, err := os.MkdirTemp("", "entrasync-bench-")
	if err != nil {
		return "", err
	}
	defer func() { err = firstOf(err, os.RemoveAll(folder)) }()
	start := time.Now()
	if err := build(ctx, filepath.Join(folder, "bin"), []string{"GOCACHE=" + filepath.Join(folder, "cache")}, "./..."); err != nil {
		return "", err
	}
	return time.Since(start).Round(time.Second).String(), nil
}
