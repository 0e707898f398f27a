package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"entrasync/shared/directory"
)

// createDirectory connects the simulated tenant, as an administrator would.
func (d *day) createDirectory(ctx context.Context) (directory.ID, error) {
	var created struct {
		ID     directory.ID     `json:"id"`
		Status directory.Status `json:"status"`
	}
	err := d.call(ctx, http.MethodPost, "/v1/directories", map[string]any{
		"name": "Contoso", "organizationId": d.machine.Config.Organization, "tenantId": d.machine.Simulators.Tenant(),
		"settings": map[string]any{"attributes": map[string]bool{"user_job_title": true, "user_department": true, "user_office_location": true}},
	}, &created)
	if err == nil && created.Status != directory.Active {
		err = fmt.Errorf("the directory is %s", created.Status)
	}
	return created.ID, err
}

// connect and disconnect are what the administrator does with a user.
func (d *day) connect(ctx context.Context, user string) error {
	return d.call(ctx, http.MethodPut, "/v1/directories/"+string(d.directory)+"/connections/users/"+user, nil, nil)
}

func (d *day) disconnect(ctx context.Context, user string) error {
	return d.call(ctx, http.MethodDelete, "/v1/directories/"+string(d.directory)+"/connections/users/"+user, nil, nil)
}

// call sends one request to the API.
func (d *day) call(ctx context.Context, method, path string, body, answer any) error {
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, d.machine.URL()+path, payload)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+d.machine.Config.AdminToken)
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
