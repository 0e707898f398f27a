package api_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"entrasync/shared/api"
)

// keysOf returns the names in an object of a document, sorted.
func keysOf(object any) []string {
	fields, _ := object.(map[string]any)
	return slices.Sorted(maps.Keys(fields))
}

// shelves is the use case of the operations of another function.
type shelves interface {
	Put(ctx context.Context, id, thing string) (string, error)
}

// newShelf is the body of one of them.
type newShelf struct {
	Thing string `json:"thing" minLength:"1"`
	Note  string `json:"note,omitempty" enum:"heavy,light"`
}

// registerShelves registers the operations of another function. Only a request needs the
// use case.
func registerShelves(on huma.API, s shelves) {
	huma.Register(on, api.Operation("putOnShelf", http.MethodPost, "/v1/directories/{id}/shelf", "Put something on the shelf", http.StatusCreated, http.StatusNotFound),
		func(ctx context.Context, in *struct {
			Path
			Body newShelf
		}) (*api.Answer[view], error) {
			name, err := s.Put(ctx, in.ID, in.Body.Thing)
			if err != nil {
				return nil, api.Refuse(err, "body.thing", nil)
			}
			return &api.Answer[view]{Body: view{Name: name}}, nil
		})
}

// shelf is a use case that works.
type shelf struct{}

func (shelf) Put(_ context.Context, id, thing string) (string, error) {
	return thing + " on the shelf of " + id, nil
}

// The function that serves the document describes the operations of another function as
// that one would, and serves none of them.
func TestOperationsOfAnotherFunctionAreDescribed(t *testing.T) {
	own := byToken()
	both := byToken()
	both.Register = func(on huma.API) {
		madeUp(on)
		registerShelves(api.DocumentOnly(on), nil)
	}
	other := byToken()
	other.Register = func(on huma.API) { registerShelves(on, shelf{}) }
	describing, serving := serve(t, both), serve(t, other)

	const target = "/v1/directories/{id}/shelf"
	described := document(t, describing)
	for _, names := range [][]string{{"paths", target}, {"components", "schemas", "NewShelf"}} {
		want := dig(document(t, serving), names...)
		if got := dig(described, names...); want == nil || !cmp.Equal(got, want) {
			t.Errorf("%v (-want +got):\n%s", names, cmp.Diff(want, got))
		}
	}
	wantPaths := append(keysOf(dig(document(t, serve(t, own)), "paths")), target)
	slices.Sort(wantPaths)
	if got := keysOf(dig(described, "paths")); !slices.Equal(got, wantPaths) {
		t.Errorf("the paths are %v, want %v", got, wantPaths)
	}

	at := func(method string) events.APIGatewayV2HTTPRequest {
		r := event(method, strings.Replace(target, "{id}", id, 1))
		r.Body = `{"thing":"a book"}`
		return r
	}
	for _, method := range []string{"POST", "GET", "OPTIONS"} {
		if response := answered(t, describing, at(method)); response.StatusCode != http.StatusNotFound || response.Headers["Allow"] != "" {
			t.Errorf("%s: %d, Allow %q, want 404 and no Allow", method, response.StatusCode, response.Headers["Allow"])
		}
	}
	if response := answered(t, describing, event("GET", "/v1/directories")); response.StatusCode != http.StatusOK {
		t.Errorf("its own operation: %d, want 200", response.StatusCode)
	}
	if response := answered(t, serving, at("POST")); response.StatusCode != http.StatusCreated || !strings.Contains(response.Body, "a book on the shelf of "+id) {
		t.Errorf("the other function: %d %s, want 201", response.StatusCode, response.Body)
	}
	if response := answered(t, serving, at("PUT")); response.StatusCode != http.StatusMethodNotAllowed || response.Headers["Allow"] != "POST" {
		t.Errorf("another method: %d, Allow %q, want 405 and POST", response.StatusCode, response.Headers["Allow"])
	}
}
