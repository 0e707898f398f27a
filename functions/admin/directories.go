package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// tenantPattern is what names a tenant: a GUID or a domain, and not one of the names
// that stand for all of them.
var tenantPattern = regexp.MustCompile(`^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|([A-Za-z0-9][A-Za-z0-9-]{0,62}\.)+[A-Za-z0-9-]{1,63})$`)

// directories registers the operations on directories.
func (a API) directories(api huma.API) {
	huma.Register(api, operation("createDirectory", http.MethodPost, "/v1/directories", "Connect an Entra tenant to an organization", http.StatusCreated), a.createDirectory)
	huma.Register(api, operation("listDirectories", http.MethodGet, "/v1/directories", "All directories", http.StatusOK),
		func(ctx context.Context, in *Paging) (*answer[page[directory.Directory]], error) {
			list, err := a.Store.Directories(ctx, in.Limit, in.Cursor)
			if err != nil {
				return nil, refuse(err, "query.cursor", in.Cursor)
			}
			return &answer[page[directory.Directory]]{Body: page[directory.Directory]{Items: list.Items, Cursor: list.Cursor}}, nil
		})
	huma.Register(api, operation("getDirectory", http.MethodGet, "/v1/directories/{id}", "One directory", http.StatusOK),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*answer[directory.Directory], error) {
			dir, err := a.directory(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return &answer[directory.Directory]{Body: dir}, nil
		})
	huma.Register(api, operation("updateDirectory", http.MethodPatch, "/v1/directories/{id}", "Change name or settings, as a JSON Merge Patch; what the settings change is written at once", http.StatusOK), a.updateDirectory)
}

// directory reads the directory that a path names.
func (a API) directory(ctx context.Context, id string) (directory.Directory, error) {
	dir, err := a.Store.Directory(ctx, directory.ID(id))
	if err != nil {
		return dir, refuse(err, "path.id", id)
	}
	return dir, nil
}

// newDirectory is the body that creates a directory.
type newDirectory struct {
	Name         string         `json:"name" minLength:"1" maxLength:"200"`
	Organization string         `json:"organizationId" doc:"The JumpCloud organization"`
	Tenant       string         `json:"tenantId" doc:"The Entra tenant: its GUID or one of its domains"`
	Settings     map[string]any `json:"settings,omitempty" doc:"Settings that differ from the defaults"`
}

// createDirectory keeps a new directory. It is active at once if our credentials
// work for the tenant.
func (a API) createDirectory(ctx context.Context, in *struct{ Body newDirectory }) (*answer[directory.Directory], error) {
	organization := directory.OrganizationID(in.Body.Organization)
	if _, err := a.Store.Organization(ctx, organization); err != nil {
		return nil, refuse(unprocessable(err), "body.organizationId", in.Body.Organization)
	}
	if !tenantPattern.MatchString(in.Body.Tenant) {
		return nil, refuse(fault.New(fault.Invalid, "admin.create directory", "the tenant must be a GUID or a domain name"), "body.tenantId", in.Body.Tenant)
	}
	settings, err := mergeSettings(directory.DefaultSettings(), in.Body.Settings)
	if err != nil {
		return nil, refuse(err, "body."+fault.Of(err).Subject, nil)
	}
	dir := directory.Directory{
		ID:           directory.NewID(organization, strings.ToLower(rand.Text()[:10])),
		Organization: organization,
		Name:         in.Body.Name,
		Tenant:       directory.TenantID(in.Body.Tenant),
		Settings:     settings,
		CreatedAt:    time.Now().UTC(),
	}
	dir = a.describe(ctx, dir)
	for try := 1; ; try++ {
		kept, err := a.keep(ctx, directory.Directory{}, dir)
		if err == nil {
			return &answer[directory.Directory]{Body: kept}, nil
		}
		if !fault.Is(err, fault.Changed) || try == changedTries {
			return nil, refuseTenant(err)
		}
	}
}

// unprocessable makes a thing that a body names and that does not exist a fault
// of the body, not of the path.
func unprocessable(err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return &fault.Error{Op: "admin", Kind: fault.Invalid, Message: fault.Of(err).Message}
}

// directoryPatch is a JSON Merge Patch of a directory. Neither name nor settings
// can be removed: a directory has a name, and defaults are brought back one by
// one.
type directoryPatch struct {
	Name     *string        `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Settings map[string]any `json:"settings,omitempty" doc:"The settings to change; a null brings a default back"`
}

// directoryChange asks to change a directory.
type directoryChange struct {
	ID      string `path:"id"`
	Body    directoryPatch
	RawBody []byte
}

// updateDirectory changes a directory, asks the tenant again, and has every user
// of the directory looked at.
func (a API) updateDirectory(ctx context.Context, in *directoryChange) (*answer[directory.Directory], error) {
	if err := mustRemoveNothing(in.RawBody); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		dir, err := a.patchDirectory(ctx, in)
		switch {
		case fault.Is(err, fault.Changed) && try < changedTries:
			continue
		case fault.Is(err, fault.Changed):
			return nil, refuse(err, "", nil)
		case err != nil:
			return nil, err
		}
		if err := a.lookAtAll(ctx, dir.ID); err != nil {
			return nil, refuse(err, "", nil)
		}
		return &answer[directory.Directory]{Body: dir}, nil
	}
}

// patchDirectory applies a patch to the directory as it is now; a fault of kind
// Changed if it is not any more.
func (a API) patchDirectory(ctx context.Context, in *directoryChange) (directory.Directory, error) {
	before, err := a.directory(ctx, in.ID)
	if err != nil {
		return before, err
	}
	dir := before
	if in.Body.Name != nil {
		dir.Name = *in.Body.Name
	}
	if dir.Settings, err = mergeSettings(dir.Settings, in.Body.Settings); err != nil {
		return before, refuse(err, "body."+fault.Of(err).Subject, nil)
	}
	dir, err = a.keep(ctx, before, a.describe(ctx, dir))
	if err != nil && !fault.Is(err, fault.Changed) {
		return before, refuseTenant(err)
	}
	return dir, err
}

// lookAtAll sends a task for every user of a directory.
func (a API) lookAtAll(ctx context.Context, id directory.ID) error {
	cause := request("settings_changed")
	for cursor := ""; ; {
		links, err := a.Store.Links(ctx, id, 0, cursor)
		if err != nil {
			return err
		}
		tasks := make([]reconcile.Task, len(links.Items))
		for i, link := range links.Items {
			tasks[i] = reconcile.Task{Directory: id, User: link.User, Cause: cause}
		}
		if err := reconcile.Enqueue(ctx, a.Bulk, tasks...); err != nil {
			return err
		}
		if cursor = links.Cursor; cursor == "" {
			return nil
		}
	}
}

// request is the cause of what an administrator asked for just now.
func request(kind string) plan.Cause {
	return plan.Cause{Type: kind, ID: rand.Text(), At: time.Now().UTC()}
}

// mergeSettings applies a JSON Merge Patch (RFC 7396) to settings, key by key; a
// null brings a default back. A setting that is not known is refused by name.
func mergeSettings(current directory.Settings, patch map[string]any) (directory.Settings, error) {
	before, err := asObject(current)
	if err != nil {
		return current, err
	}
	defaults, err := asObject(directory.DefaultSettings())
	if err != nil {
		return current, err
	}
	for name := range patch {
		if _, known := defaults[name]; !known {
			return current, &fault.Error{Op: "admin.settings", Kind: fault.Invalid, Subject: "settings." + name, Message: "there is no setting " + name}
		}
	}
	mergeObject(before, patch)
	for name, value := range defaults {
		if _, kept := before[name]; !kept {
			before[name] = value
		}
	}
	merged, err := json.Marshal(before)
	if err != nil {
		return current, fault.Wrap(err, fault.Internal, "admin.settings")
	}
	var settings directory.Settings
	strict := json.NewDecoder(bytes.NewReader(merged))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&settings); err != nil {
		return current, wrongSetting(err, before)
	}
	return settings, settings.Check()
}

// mergeObject is RFC 7396 for two objects.
func mergeObject(target, patch map[string]any) {
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		existing, wasObject := target[name].(map[string]any)
		switch {
		case value == nil:
			delete(target, name)
		case isObject && wasObject:
			mergeObject(existing, inner)
		case isObject:
			fresh := map[string]any{}
			mergeObject(fresh, inner)
			target[name] = fresh
		default:
			target[name] = value
		}
	}
}

// asObject is settings as a JSON object.
func asObject(settings directory.Settings) (map[string]any, error) {
	raw, err := json.Marshal(settings)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "admin.settings")
	}
	var object map[string]any
	return object, fault.Wrap(json.Unmarshal(raw, &object), fault.Internal, "admin.settings")
}

// wrongSetting says which of the settings could not be read.
func wrongSetting(err error, settings map[string]any) error {
	f := &fault.Error{Op: "admin.settings", Kind: fault.Invalid, Subject: "settings", Message: strings.TrimPrefix(err.Error(), "json: ")}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		f.Subject += "." + wrong.Field + wrongKey(settings[wrong.Field], wrong.Type)
		f.Message = fmt.Sprintf("%s is of the wrong type: it is %s and must be %s", f.Subject, withArticle(wrong.Value), withArticle(kindOf(wrong.Type)))
	}
	return f
}

// wrongKey is "." and the first key of a setting whose value is not of a type, ""
// if the setting has no keys: the decoder names only the setting.
func wrongKey(setting any, want reflect.Type) string {
	values, _ := setting.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		raw, err := json.Marshal(values[key])
		if err != nil || json.Unmarshal(raw, reflect.New(want).Interface()) != nil {
			return "." + key
		}
	}
	return ""
}

// withArticle is "a string" or "an object".
func withArticle(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}

// kindOf names a type as JSON does.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "list"
	default:
		return "object"
	}
}
