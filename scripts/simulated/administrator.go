// Package simulated is what surrounds a product whose outside systems are simulated:
// the people of a small company in JumpCloud, an administrator who calls the product's
// API, and the wait until nothing is left to do. One machine, the demo, the bench and the
// end-to-end tests share it.
package simulated

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"entrasync/shared/directory"
	"entrasync/shared/redirect"
)

// Administrator calls the API of a product.
type Administrator struct {
	API   string // its root, without a slash at the end
	Token string
	// Organization and Tenant are those of new directories.
	Organization directory.OrganizationID
	Tenant       directory.TenantID
}

// caller sends the requests of administrators.
var caller = http.Client{CheckRedirect: redirect.FollowNone}

// Call sends one request to the API, with the token, and decodes the answer unless answer
// is nil. An answer of status 300 or above is an error with its text.
func (a Administrator) Call(ctx context.Context, method, path string, body, answer any) error {
	var payload io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.API+path, payload)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.Token)
	request.Header.Set("Content-Type", "application/json")
	response, err := caller.Do(request)
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

// CreateDirectory connects the tenant, with some of the optional attribute rules on. It fails
// if the directory is not active at once.
func (a Administrator) CreateDirectory(ctx context.Context, name string, rules ...directory.Rule) (directory.ID, error) {
	on := map[directory.Rule]bool{}
	for _, rule := range rules {
		on[rule] = true
	}
	var created directory.Directory
	err := a.Call(ctx, http.MethodPost, "/v1/directories", map[string]any{
		"name": name, "organizationId": a.Organization, "tenantId": a.Tenant,
		"settings": map[string]any{"attributes": on},
	}, &created)
	if err == nil && created.Status != directory.Active {
		err = fmt.Errorf("the directory is %s", created.Status)
	}
	return created.ID, err
}

// Connect connects a user to a directory directly.
func (a Administrator) Connect(ctx context.Context, id directory.ID, user string) error {
	return a.Call(ctx, http.MethodPut, connection(id, user), nil, nil)
}

// Disconnect ends a user's direct connection.
func (a Administrator) Disconnect(ctx context.Context, id directory.ID, user string) error {
	return a.Call(ctx, http.MethodDelete, connection(id, user), nil, nil)
}

// ConnectGroup connects a group to a directory.
func (a Administrator) ConnectGroup(ctx context.Context, id directory.ID, group string) error {
	return a.Call(ctx, http.MethodPut, "/v1/directories/"+string(id)+"/connections/groups/"+group, nil, nil)
}

// TurnGuardOff lets everybody lose access at once whom JumpCloud says so of.
func (a Administrator) TurnGuardOff(ctx context.Context, id directory.ID) error {
	return a.Call(ctx, http.MethodPatch, "/v1/directories/"+string(id), map[string]any{"settings": map[string]any{"guard": map[string]any{"maxCount": nil}}}, nil)
}

// ApproveHolds approves what the guard of a directory holds, and returns why it did: the
// sentences of the holds.
func (a Administrator) ApproveHolds(ctx context.Context, id directory.ID, reason string) ([]string, error) {
	var open struct {
		Items []struct {
			ID      string `json:"id"`
			Message string `json:"message"`
			Joined  int    `json:"joined"`
		} `json:"items"`
	}
	holds := "/v1/directories/" + string(id) + "/holds"
	if err := a.Call(ctx, http.MethodGet, holds+"?status=open", nil, &open); err != nil {
		return nil, err
	}
	var messages []string
	for _, hold := range open.Items {
		if err := a.Call(ctx, http.MethodPost, holds+"/"+hold.ID+"/approve", map[string]any{"reason": reason, "joined": hold.Joined}, nil); err != nil {
			return messages, err
		}
		messages = append(messages, hold.Message)
	}
	return messages, nil
}

// connection is the path of a direct connection.
func connection(id directory.ID, user string) string {
	return "/v1/directories/" + string(id) + "/connections/users/" + user
}
