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

// readingRecords is the stage that an attempt begins in: our own records of it are read.
const readingRecords = "read records"

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
// the caller; an object whose read panicked is not worked on, because nothing is known of
// it.
func inWaves[T any](objects []T, read func(T), work func([]T)) {
	const unread = -1
	var running sync.WaitGroup
	panics := make(chan any, 2*len(objects))
	ready := make(chan int, len(objects))
	for i := range objects {
		running.Go(func() {
			result := unread
			defer func() { panics <- recover(); ready <- result }()
			read(objects[i])
			result = i
		})
	}
	for left := len(objects); left > 0; {
		wave := nextWave(ready, left)
		left -= len(wave)
		if wave = slices.DeleteFunc(wave, func(at int) bool { return at == unread }); len(wave) == 0 {
			continue
		}
		running.Go(func() {
			defer func() { panics <- recover() }()
			members := make([]T, len(wave))
			for i, at := range wave {
				members[i] = objects[at]
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

// apart divides objects into those that have a property and the others.
func apart[T any](objects []T, has func(T) bool) (those, others []T) {
	for _, o := range objects {
		if has(o) {
			those = append(those, o)
		} else {
			others = append(others, o)
		}
	}
	return those, others
}

// sideBySide does two things at the same time. A panic in one of them becomes a panic of the
// caller.
func sideBySide(one, other func()) {
	var running sync.WaitGroup
	var cause any
	running.Go(func() {
		defer func() { cause = recover() }()
		other()
	})
	func() {
		defer running.Wait()
		one()
	}()
	if cause != nil {
		panic(cause)
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
