package events_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/functions/imports"
	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/importapi"
	"entrasync/shared/importing"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/store"
)

// The import of the samples, and the key in the link of its mail.
const (
	importID  = "019cb1a2-7c41-7a5b-8f3e-2d6c9a1b4e70"
	importKey = "EXAMPLEKEYEXAMPLEKEYEXAMPL"
)

// bothSides are the outside systems of imports: a tenant with one account, of a person whom
// JumpCloud does not have.
type bothSides struct {
	importing.Entra
	importing.JumpCloud
}

func (b bothSides) Accounts(context.Context, directory.TenantID) (importing.Entra, error) {
	return b, nil
}

func (b bothSides) People(context.Context, directory.OrganizationID) (importing.JumpCloud, error) {
	return b, nil
}

func (bothSides) ListAccounts(context.Context, directory.AccountQuery, string) ([]directory.TenantAccount, string, error) {
	return []directory.TenantAccount{{ID: "6f0b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d", UPN: "ann@contoso.example", GivenName: "Ann", Surname: "Lee", Alias: "ann", Mail: "ann@contoso.example", Enabled: true}}, "", nil
}

func (bothSides) FindUsers(context.Context, jumpcloud.UserQuery) ([]directory.User, error) {
	return nil, nil
}

// links gives out one address for every file.
type links struct{}

func (links) Link(context.Context, string, string, time.Duration) (string, error) {
	return "https://files.example/results.csv", nil
}

// withImport adds the import of the samples to the records.
func withImport(t *testing.T, edit func(*store.Import)) *store.Store {
	t.Helper()
	records := connected(t)
	job := store.Import{ID: importID, Directory: directory.NewID(organization, directoryName), By: "ann", Status: store.ImportQueued, CreatedAt: time.Now().UTC(), Collected: true}
	edit(&job)
	if err := records.CreateImport(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	return records
}

func TestImports(t *testing.T) {
	type want struct{ status, jobs int }
	table := map[string]want{
		"importable-users.json": {200, 0},
		"create.json":           {202, 1},
		"get.json":              {200, 0},
		"results.json":          {302, 0},
		"wrong-key.json":        {401, 0},
	}
	covers(t, "imports", table)
	for file, want := range table {
		t.Run(file, func(t *testing.T) {
			hash := sha256.Sum256([]byte(importKey))
			records := withImport(t, func(job *store.Import) {
				job.Status, job.Delivered, job.EndedAt = store.ImportFinished, true, job.CreatedAt
				job.Keys = []store.ImportKey{{Hash: base64.RawURLEncoding.EncodeToString(hash[:]), Until: job.CreatedAt.Add(time.Hour)}}
			})
			jobs := newQueue(t)
			handler, err := imports.New(importapi.API{
				Parts:   importing.Parts{Store: records, Clients: bothSides{}, Jobs: jobs, Users: newQueue(t)},
				Results: links{}, Auth: api.TokenAuth(func(context.Context) (string, error) { return "example-admin-token", nil }),
			})
			if err != nil {
				t.Fatal(err)
			}
			response, err := handler.Handle(t.Context(), read[events.APIGatewayV2HTTPRequest](t, filepath.Join("imports", file)))
			if err != nil || response.StatusCode != want.status {
				t.Errorf("status %d, want %d: %s %v", response.StatusCode, want.status, response.Body, err)
			}
			if got := queued(t, jobs); got != want.jobs {
				t.Errorf("%d messages about imports, want %d", got, want.jobs)
			}
		})
	}
}
