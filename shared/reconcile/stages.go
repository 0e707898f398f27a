package reconcile

import (
	"context"
	"slices"
	"sync"
	"time"
)

// inStages takes the work on several users or groups through the stages, together.
// What is over is left out of the stages that follow.
func inStages[T any](ctx context.Context, all []T, over func(T) bool, stages ...func(context.Context, []T)) {
	for _, stage := range stages {
		if live := slices.DeleteFunc(slices.Clone(all), over); len(live) > 0 {
			stage(ctx, live)
		}
	}
}

// company is how long those who were read wait for others, so that they share
// requests.
const company = 50 * time.Millisecond

// inWaves reads all at once, each by itself, and has those worked on together that
// were read at about the same time, in their order. So who takes long to read, or
// cannot be read, holds up nobody else. A panic in any of it is one of the caller.
func inWaves[T any](all []T, read func(T), work func([]T)) {
	var running sync.WaitGroup
	panics := make(chan any, 2*len(all))
	ready := make(chan int, len(all))
	for i := range all {
		running.Go(func() {
			defer func() { panics <- recover(); ready <- i }()
			read(all[i])
		})
	}
	for left := len(all); left > 0; {
		wave := nextWave(ready, left)
		left -= len(wave)
		running.Go(func() {
			defer func() { panics <- recover() }()
			members := make([]T, len(wave))
			for i, at := range wave {
				members[i] = all[at]
			}
			work(members)
		})
	}
	running.Wait()
	close(panics)
	for cause := range panics {
		if cause != nil {
			panic(cause)
		}
	}
}

// nextWave are those of at most left that become ready at about the same time.
func nextWave(ready <-chan int, left int) []int {
	wave := []int{<-ready}
	timer := time.NewTimer(company)
	defer timer.Stop()
	for len(wave) < left {
		select {
		case i := <-ready:
			wave = append(wave, i)
			continue
		case <-timer.C:
		}
		break
	}
	slices.Sort(wave)
	return wave
}
