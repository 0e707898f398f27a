package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"entrasync/scripts/lambda/runtimeapi"
	"entrasync/shared/aws/awstest"
)

// startsMeasured is how often each program is started.
const startsMeasured = 20

// starts shows how long each program takes from the start of its process to its first call
// of next, and how much memory it has then. The programs take turns, so that other work of
// the machine slows down all of them.
func starts(ctx context.Context, out io.Writer, programs []program) error {
	took := make([][]time.Duration, len(programs))
	held := make([][]int64, len(programs))
	for range startsMeasured {
		for n, p := range programs {
			init, resident, err := start(ctx, p)
			if err != nil {
				return err
			}
			took[n], held[n] = append(took[n], init), append(held[n], resident)
		}
	}
	fmt.Fprintf(out, "\nProcess start to the first call of next, and resident memory then, median of %d\n", startsMeasured)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "function\tstart\ttimes empty\tmemory\ttarget")
	empty := median(took[0])
	for n, p := range programs {
		times := float64(median(took[n])) / float64(empty)
		fmt.Fprintf(w, "%s\t%.1f ms\t%.1f\t%.1f MB\t%s\n", p.LogicalID, float64(median(took[n]))/float64(time.Millisecond), times,
			float64(median(held[n]))/1e6, verdict(times, p.limit(maxWebhookStarts, maxGraphStarts), " times"))
	}
	return w.Flush()
}

// start starts a program once.
func start(ctx context.Context, p program) (time.Duration, int64, error) {
	f, err := runtimeapi.New(runtimeapi.Config{
		Name: p.Name, Bootstrap: p.bootstrap, Environment: p.Environment, MemoryMB: p.MemoryMB, Timeout: p.Timeout,
		Region: awstest.Region, AccountID: "000000000000", AccessKey: awstest.AccessKey, SecretKey: awstest.SecretKey, Output: os.Stderr,
	})
	if err != nil {
		return 0, 0, err
	}
	defer f.Stop()
	i, err := f.Prepare(ctx)
	if err != nil {
		return 0, 0, err
	}
	resident, err := resident(i.PID)
	return i.Init, resident, err
}

// resident is the resident memory of a process in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, pages int64
	_, err = fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize()), err
}

// median is the middle one.
func median[T time.Duration | int64](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
