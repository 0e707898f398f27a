package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

const (
	organization = "5f0c1e2d3a4b5c6d7e8f9012"
	id           = organization + "-abc"
	ann          = "64a1b2c3d4e5f60718293a4b"
	token        = "canary-api-token"
)

// view is what the made-up operations answer.
type view struct {
	Name string `json:"name"`
}

// newThing creates something.
type newThing struct {
	Name         string `json:"name" minLength:"1" maxLength:"200"`
	Organization string `json:"organizationId" doc:"Whose it is"`
	Kind         string `json:"kind,omitempty" enum:"small,large"`
}

// patch changes something.
type patch struct {
	Name     *string         `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Settings *map[string]any `json:"settings,omitempty"`
}

// Path names something. It is exported because huma ignores unexported embedded types.
type Path struct {
	ID string `path:"id"`
}

// The parameters of the made-up operations.
type (
	userPath struct {
		Path
		User string `path:"userId"`
	}
	query struct {
		User string `query:"user"`
		api.Paging
	}
)

// madeUp registers operations at some paths of the API.
func madeUp(on huma.API) {
	const directories, organizations = "/v1/directories", api.OrganizationsPath
	found := func() (*api.Answer[view], error) { return &api.Answer[view]{Body: view{Name: "A"}}, nil }
	huma.Register(on, api.OpenOperation("health", http.MethodGet, "/healthz", "Whether it answers", http.StatusOK),
		func(context.Context, *struct{}) (*api.Answer[view], error) { return found() })
	huma.Register(on, api.Operation("list", http.MethodGet, directories, "All", http.StatusOK),
		func(_ context.Context, in *query) (*api.Answer[api.Page[view]], error) {
			if in.Cursor != "" {
				return nil, api.Refuse(fault.New(fault.Invalid, "test", "it is no cursor of this list"), "query.cursor", in.Cursor)
			}
			return &api.Answer[api.Page[view]]{Body: api.Page[view]{Items: []view{}}}, nil
		})
	huma.Register(on, api.Operation("create", http.MethodPost, directories, "A new one", http.StatusCreated, http.StatusConflict),
		func(ctx context.Context, in *struct{ Body newThing }) (*api.Answer[view], error) {
			if wrong := api.NotAnOrganization(in.Body.Organization); wrong != "" {
				return nil, api.Refuse(fault.New(fault.Invalid, "test", wrong), "body.organizationId", in.Body.Organization)
			}
			api.Concerns(ctx).Directory = directory.NewID(directory.OrganizationID(in.Body.Organization), "new")
			return found()
		})
	huma.Register(on, api.Operation("get", http.MethodGet, directories+"/{id}", "One", http.StatusOK, http.StatusNotFound),
		func(context.Context, *Path) (*api.Answer[view], error) { return found() })
	huma.Register(on, api.Operation("change", http.MethodPatch, directories+"/{id}", "Change it", http.StatusOK, http.StatusNotFound),
		func(_ context.Context, in *struct {
			Path
			Body    patch
			RawBody []byte
		}) (*api.Answer[view], error) {
			if err := api.MustRemoveNothing(in.RawBody); err != nil {
				return nil, err
			}
			return found()
		})
	huma.Register(on, api.Operation("changeOrganization", http.MethodPatch, organizations+"/{id}", "Change it", http.StatusOK, http.StatusNotFound),
		func(context.Context, *struct {
			Path
			Body patch
		}) (*api.Answer[view], error) {
			return found()
		})
	for method, name := range map[string]string{http.MethodPut: "connect", http.MethodDelete: "disconnect"} {
		huma.Register(on, api.Operation(name, method, directories+"/{id}/connections/users/{userId}", "Change a connection", http.StatusAccepted, http.StatusNotFound),
			func(context.Context, *userPath) (*api.Answer[view], error) {
				return nil, api.Refuse(fault.New(fault.Conflict, "test", "it is taken"), "path.userId", ann)
			})
	}
	huma.Register(on, api.Operation("sync", http.MethodPost, directories+"/{id}/users/{userId}/sync", "Again", http.StatusAccepted, http.StatusNotFound),
		func(_ context.Context, in *userPath) (*api.Answer[view], error) {
			return nil, api.Refuse(fault.New(fault.NotFound, "test", "nobody has connected the user"), "path.userId", in.User)
		})
}

// byToken is the configuration of the made-up operations, for the token.
func byToken() api.Config {
	return api.Config{Auth: api.TokenAuth(func(context.Context) (string, error) { return token, nil }), Register: madeUp, Document: true}
}

// serve makes the handler of a configuration.
func serve(t testing.TB, c api.Config) api.Handler {
	t.Helper()
	handler, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// event is a request with the token as the HTTP API passes it, with a decoded path.
func event(method, target string) events.APIGatewayV2HTTPRequest {
	r := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: target,
		Headers: map[string]string{"authorization": "Bearer " + token, "host": "api.example", "content-type": "application/json"}}
	r.RequestContext.HTTP.Method, r.RequestContext.HTTP.Path, r.RequestContext.HTTP.SourceIP = method, target, "203.0.113.7"
	return r
}

// answered handles a request and fails if the function fails, if the answer shows a secret,
// or if a refusal is no problem document with its status.
func answered(t *testing.T, handler api.Handler, r events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	what := fmt.Sprintf("%q %q?%q", r.RequestContext.HTTP.Method, r.RawPath, r.RawQueryString)
	response, err := handler.Handle(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: the function failed: %v", what, err)
	}
	var problem struct{ Status int }
	if refused := response.StatusCode >= http.StatusMultipleChoices; refused &&
		(response.Headers["Content-Type"] != "application/problem+json" || json.Unmarshal([]byte(response.Body), &problem) != nil || problem.Status != response.StatusCode) {
		t.Errorf("%s: %d %s %s, want a problem document", what, response.StatusCode, response.Headers["Content-Type"], response.Body)
	}
	if response.StatusCode == http.StatusInternalServerError || strings.Contains(response.Body, "canary") {
		t.Errorf("%s: %d %s, want no defect and no secret", what, response.StatusCode, response.Body)
	}
	return response
}

// mustSay fails unless a refusal has the status, names the field and says something.
func mustSay(t *testing.T, response events.APIGatewayV2HTTPResponse, status int, field, says string) {
	t.Helper()
	var problem struct {
		Errors []struct{ Location, Message string }
	}
	if err := json.Unmarshal([]byte(response.Body), &problem); err != nil {
		t.Fatal(err)
	}
	for _, e := range problem.Errors {
		if response.StatusCode == status && e.Location == field && strings.Contains(e.Message, says) {
			return
		}
	}
	t.Errorf("%d %s, want %d at %q: %s", response.StatusCode, response.Body, status, field, says)
}

// document is the OpenAPI document of a handler.
func document(t *testing.T, handler api.Handler) map[string]any {
	t.Helper()
	response := answered(t, handler, event("GET", "/openapi.json"))
	var document map[string]any
	if err := json.Unmarshal([]byte(response.Body), &document); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%d %v: %s, want 200", response.StatusCode, err, response.Body)
	}
	return document
}

// dig returns the value at a path of names in a document; nil if there is none.
func dig(from any, names ...string) any {
	for _, name := range names {
		object, _ := from.(map[string]any)
		from = object[name]
	}
	return from
}

func TestAPartIsMissing(t *testing.T) {
	for name, change := range map[string]func(*api.Config){
		"Auth":     func(c *api.Config) { c.Auth = nil },
		"Register": func(c *api.Config) { c.Register = nil },
	} {
		c := byToken()
		change(&c)
		if _, err := api.New(c); err == nil || fault.Of(err).Subject != name {
			t.Errorf("without %s: %v, want a fault that names it", name, err)
		}
	}
}

// Only the function that serves the document does: that of another one would name a part of
// the operations.
func TestOneFunctionServesTheDocument(t *testing.T) {
	c := byToken()
	if got := dig(document(t, serve(t, c)), "openapi"); got != "3.1.0" {
		t.Errorf("openapi is %v, want 3.1.0", got)
	}
	c.Document = false
	for _, target := range []string{"/openapi.json", "/openapi.yaml", "/openapi-3.0.json"} {
		if response := answered(t, serve(t, c), event("GET", target)); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", target, response.StatusCode)
		}
	}
}

// The document describes what the checks of requests refuse.
func TestOperationsAreDescribed(t *testing.T) {
	all := dig(document(t, serve(t, byToken())), "paths")
	for _, tc := range []struct {
		names []string
		want  string
	}{
		{[]string{"/v1/directories/{id}", "patch", "requestBody", "content"}, "application/json application/merge-patch+json"},
		{[]string{"/v1/directories", "post", "requestBody", "content"}, "application/json"},
		{[]string{"/v1/directories", "post", "responses"}, "201 400 401 409 413 415 422 500 503"},
		{[]string{"/v1/directories", "get", "responses"}, "200 401 422 500 503"},
		{[]string{"/healthz", "get", "responses"}, "200 422 500"},
	} {
		if got := strings.Join(keysOf(dig(all, tc.names...)), " "); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.names, got, tc.want)
		}
	}
	forms := map[string]string{}
	for _, target := range []string{"/v1/directories/{id}/users/{userId}/sync", "/v1/organizations/{id}"} {
		for _, item := range dig(all, target).(map[string]any) {
			for _, p := range dig(item, "parameters").([]any) {
				forms[target+" "+fmt.Sprint(dig(p, "name"))] = fmt.Sprint(dig(p, "schema", "pattern"))
			}
		}
	}
	for parameter, want := range map[string]string{
		"/v1/directories/{id}/users/{userId}/sync id":     directory.IDPattern,
		"/v1/directories/{id}/users/{userId}/sync userId": directory.JumpCloudID,
		"/v1/organizations/{id} id":                       directory.JumpCloudID,
	} {
		if forms[parameter] != want {
			t.Errorf("%s is %s, want %s", parameter, forms[parameter], want)
		}
	}
}

// An operation that cannot be checked is refused at the start, not at its first request.
func TestWhatCannotBeCheckedEndsTheStart(t *testing.T) {
	for name, register := range map[string]func(huma.API){
		"the form of the parameter shoeId of the path is not known": func(on huma.API) {
			huma.Register(on, api.Operation("wear", http.MethodGet, "/v1/shoes/{shoeId}", "Wear it", http.StatusOK),
				func(context.Context, *struct {
					Shoe string `path:"shoeId"`
				}) (*api.Answer[view], error) {
					return &api.Answer[view]{}, nil
				})
		},
		"the number size of the query needs a minimum, a maximum and a default": func(on huma.API) {
			huma.Register(on, api.Operation("shoes", http.MethodGet, "/v1/shoes", "All", http.StatusOK),
				func(context.Context, *struct {
					Size int `query:"size" minimum:"1"`
				}) (*api.Answer[view], error) {
					return &api.Answer[view]{}, nil
				})
		},
		"the body is not JSON of a struct type with a name": func(on huma.API) {
			huma.Register(on, api.Operation("send", http.MethodPost, "/v1/shoes", "Send a list", http.StatusOK),
				func(context.Context, *struct {
					RawBody []byte `contentType:"text/csv"`
				}) (*api.Answer[view], error) {
					return &api.Answer[view]{}, nil
				})
		},
	} {
		c := byToken()
		c.Register = register
		if _, err := api.New(c); err == nil || !strings.Contains(fault.Of(err).Message, name) {
			t.Errorf("%v, want a fault that says: %s", err, name)
		}
	}
}
