package main

import (
	"archive/zip"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
)

// The targets.
const (
	maxWebhookStarts, maxGraphStarts = 3, 5 // times the start of an empty function
	maxBurstRequests, maxOneRequests = 8, 10
)

// buildEmpty builds the empty function as infra/functions.mk builds the others.
func buildEmpty(ctx context.Context, folder string) (string, error) {
	bootstrap := filepath.Join(folder, emptyFunction, "bootstrap")
	command := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w -buildid=", "-o", bootstrap, "./scripts/lambda/figures/empty") //nolint:gosec // the arguments are ours
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return bootstrap, nil
}

// limit is the target for the start of a program: one for the webhook, another for those with
// the Graph SDK, and none for the others.
func (p program) limit(webhook, graph float64) float64 {
	switch {
	case p.LogicalID == "WebhookFunction":
		return webhook
	case p.graph:
		return graph
	default:
		return 0
	}
}

// verdict is the target, and whether a figure misses it.
func verdict(measured, limit float64, unit string) string {
	switch {
	case limit == 0:
		return ""
	case measured > limit:
		return fmt.Sprintf("MISSED: at most %g%s", limit, unit)
	default:
		return fmt.Sprintf("at most %g%s", limit, unit)
	}
}

// sizes shows how large the programs are, as they are and in the archive that
// is uploaded.
func sizes(out io.Writer, programs []program) error {
	fmt.Fprintln(out, "\nSize of each bootstrap, stripped, and zipped as it is uploaded")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "function\tstripped\tzipped\ttarget")
	for _, p := range programs {
		info, err := os.Stat(p.bootstrap)
		if err != nil {
			return err
		}
		zipped, err := zippedSize(p.bootstrap)
		if err != nil {
			return err
		}
		size := float64(info.Size()) / 1e6
		fmt.Fprintf(w, "%s\t%.1f MB\t%.1f MB\t%s\n", p.LogicalID, size, float64(zipped)/1e6, verdict(size, float64(p.most)/1e6, " MB"))
	}
	return w.Flush()
}

// zippedSize is the size of an archive with one file.
func zippedSize(path string) (size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	var counted counting
	archive := zip.NewWriter(&counted)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	entry, err := archive.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(entry, file); err != nil {
		return 0, err
	}
	return int64(counted), archive.Close()
}

// counting is a writer that only counts.
type counting int64

// Write counts.
func (c *counting) Write(p []byte) (int, error) {
	*c += counting(len(p))
	return len(p), nil
}
