package runtimeapi

import (
	"bytes"
	"io"
	"sync"
)

// lines passes on what several processes write, only complete lines.
type lines struct {
	mu    sync.Mutex
	to    io.Writer
	level string // lines of lower levels are dropped
	open  []*line
}

// line is what one process has written since the end of its last line.
type line struct {
	lines *lines
	rest  []byte
}

// writer gives a process a writer of its own.
func (l *lines) writer() io.Writer {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &line{lines: l}
	l.open = append(l.open, w)
	return w
}

// Write passes on the lines that are complete.
func (w *line) Write(p []byte) (int, error) {
	w.lines.mu.Lock()
	defer w.lines.mu.Unlock()
	w.rest = append(w.rest, p...)
	end := bytes.LastIndexByte(w.rest, '\n') + 1
	if end == 0 || w.lines.to == nil {
		return len(p), nil
	}
	if _, err := w.lines.to.Write(passing(w.rest[:end], w.lines.level)); err != nil {
		return 0, err
	}
	w.rest = append([]byte(nil), w.rest[end:]...)
	return len(p), nil
}

// flush passes on the lines that were never ended.
func (l *lines) flush() {
	for _, w := range l.open {
		if len(w.rest) > 0 {
			_, _ = w.Write([]byte("\n"))
		}
	}
}
