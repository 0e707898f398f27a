package resultstest

import (
	"context"
	"io"
	"sync"
	"time"

	"entrasync/shared/results"
)

// Memory is a result store in memory, for tests of those that write files or give out links.
// The zero value is empty.
type Memory struct {
	mu    sync.Mutex
	files map[string]string
}

var _ results.Store = (*Memory)(nil)

// Put implements results.Store.
func (m *Memory) Put(_ context.Context, name, _ string, content io.Reader) error {
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string]string{}
	}
	m.files[name] = string(text)
	return nil
}

// Link implements results.Linker.
func (m *Memory) Link(_ context.Context, name, _ string, life time.Duration) (string, error) {
	return "https://files.example/" + name, results.CheckLink(name, life)
}

// File is a file that was put; "" if there is none.
func (m *Memory) File(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[name]
}
