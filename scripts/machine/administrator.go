package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"entrasync/shared/directory"
)

// Call sends one request to the machine's own API, with its token, and decodes
// the answer unless answer is nil. An answer that is not a success is an error
// that shows it.
func (m *Machine) Call(ctx context.Context, method, path string, body, answer any) error {
	var payload io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, m.URL()+path, payload)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+m.Config.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// CreateDirectory connects the simulated tenant, as an administrator would, with
// some of the optional attribute rules on.
func (m *Machine) CreateDirectory(ctx context.Context, name string, rules ...directory.Rule) (directory.ID, error) {
	on := map[directory.Rule]bool{}
	for _, rule := range rules {
		on[rule] = true
	}
	var created directory.Directory
	err := m.Call(ctx, http.MethodPost, "/v1/directories", map[string]any{
		"name": name, "organizationId": m.Config.Organization, "tenantId": m.Simulators.Tenant(),
		"settings": map[string]any{"attributes": on},
	}, &created)
	if err == nil && created.Status != directory.Active {
		err = fmt.Errorf("the directory is %s", created.Status)
	}
	return created.ID, err
}

// Connect connects a user to a directory directly.
func (m *Machine) Connect(ctx context.Context, id directory.ID, user string) error {
	return m.Call(ctx, http.MethodPut, connection(id, user), nil, nil)
}

// Disconnect ends a user's direct connection.
func (m *Machine) Disconnect(ctx context.Context, id directory.ID, user string) error {
	return m.Call(ctx, http.MethodDelete, connection(id, user), nil, nil)
}

// connection is the path of a direct connection.
func connection(id directory.ID, user string) string {
	return "/v1/directories/" + string(id) + "/connections/users/" + user
}

// lookEvery is how often Settle looks.
const lookEvery = time.Millisecond

// Settle waits until the simulated JumpCloud has delivered every webhook and
// every queue is empty. From time to time it says so by calling waiting, unless
// that is nil.
func (m *Machine) Settle(ctx context.Context, waiting func()) error {
	const sayEvery = 500 * time.Millisecond
	look, say := time.NewTicker(lookEvery), time.NewTicker(sayEvery)
	defer look.Stop()
	defer say.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the queues do not become empty: %w", ctx.Err())
		case <-say.C:
			if waiting != nil {
				waiting()
			}
		case <-look.C:
			if idle, err := m.Idle(ctx); err != nil || (idle && m.delivered()) {
				return err
			}
		}
	}
}

// delivered reports whether no webhook is under way.
func (m *Machine) delivered() bool {
	if m.Simulators.JumpCloud == nil {
		return true
	}
	for _, d := range m.Simulators.JumpCloud.Deliveries() {
		if !d.Delivered && !d.Dropped {
			return false
		}
	}
	return true
}
