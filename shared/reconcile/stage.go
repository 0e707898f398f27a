package reconcile

import (
	"context"
	"slices"
	"sync"
	"time"
)

// stage is one step of the engine, for several objects together.
type stage[B any, T object] struct {
	name string // in logs and errors
	do   func(B, context.Context, []T)
	all  bool // also for those whose attempts are over, as long as they have a link
}

// goThrough takes objects through stages, one after the other.
func goThrough[B any, T object](ctx context.Context, b B, objects []T, stages []stage[B, T]) {
	for _, s := range stages {
		concerned := slices.DeleteFunc(slices.Clone(objects), func(o T) bool {
			w := o.engaged()
			return s.all && w.linkless || !s.all && w.over
		})
		for _, o := range concerned {
			o.engaged().stage = s.name
		}
		if len(concerned) > 0 {
			s.do(b, ctx, concerned)
		}
	}
}

// each is a stage that takes one object after the other.
func each[B any, T object](do func(B, context.Context, T)) func(B, context.Context, []T) {
	return func(b B, ctx context.Context, objects []T) {
		for _, o := range objects {
			do(b, ctx, o)
		}
	}
}

// waveWait is how long objects that were read wait for others, so that they share
// requests.
const waveWait = 50 * time.Millisecond

// inWaves reads all objects at once, each by itself, and calls work for those that were
// read at about the same time, together and in their order. So an object that takes long
// to read, or cannot be read, delays no other. A panic in read or work becomes a panic of
// the caller. An object whose read panicked is not worked on: as nothing was read of it, it
// would look as if it were gone.
func inWaves[T any](objects []T, read func(T), work func([]T)) {
	var running sync.WaitGroup
	panics := make(chan any, 2*len(objects))
	ready, isRead := make(chan int, len(objects)), make([]bool, len(objects))
	for i := range objects {
		running.Go(func() {
			defer func() { panics <- recover(); ready <- i }()
			read(objects[i])
			isRead[i] = true
		})
	}
	for left := len(objects); left > 0; {
		wave := nextWave(ready, left)
		left -= len(wave)
		var members []T
		for _, at := range wave {
			if isRead[at] {
				members = append(members, objects[at])
			}
		}
		if len(members) == 0 {
			continue
		}
		running.Go(func() {
			defer func() { panics <- recover() }()
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

// nextWave waits for the next objects that become ready at about the same time, at most
// left of them.
func nextWave(ready <-chan int, left int) []int {
	wave := []int{<-ready}
	timer := time.NewTimer(waveWait)
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
