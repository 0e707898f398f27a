// Package api is what all functions that serve entrasync's HTTP API have in common. The API
// is one for its callers: one token, one way to refuse, one OpenAPI document. So a function
// declares its operations only, and everything around them is here: who may call, the form
// of ids, queries and bodies, problem documents (RFC 9457) and their words, and the log of
// requests for changes.
//
// One function serves the document. It also registers the operations of the others there,
// see [DocumentOnly].
package api

import (
	"net/http"

	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"entrasync/shared/fault"
)

// Config is what a function serves of the API.
type Config struct {
	Auth Auth
	// Register registers the operations. Describe them with [Operation] or
	// [OpenOperation].
	Register func(on huma.API)
	// Document makes the function serve the OpenAPI document, at /openapi.json. One
	// function does, and describes the operations of all.
	Document bool
}

// Handler serves API Gateway events.
type Handler struct {
	adapter   *httpadapter.HandlerAdapterV2
	strangers *strangers
}

// New makes the handler of a function. It returns a fault if a part of the configuration is
// missing, or if an operation has a parameter or a body that cannot be checked.
func New(c Config) (Handler, error) {
	if err := fault.Missing("api.new", fault.Part{Name: "Auth", There: c.Auth != nil}, fault.Part{Name: "Register", There: c.Register != nil}); err != nil {
		return Handler{}, err
	}
	mux := http.NewServeMux()
	served := humago.New(mux, c.library())
	served.UseMiddleware(noteOperation, c.Auth.authorize(served), checkIDs(served), checkQuery(served), checkContentType(served))
	c.Register(served)
	if err := checkOperations(served.OpenAPI()); err != nil {
		return Handler{}, err
	}
	describe(served.OpenAPI())
	return Handler{adapter: httpadapter.NewV2(routed(mux)), strangers: &strangers{}}, nil
}

// Field names are compared exactly, as in JSON: otherwise a field whose name differs
// only in case would not be checked. Lists are never null. The library has only global
// variables for both.
func init() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
}

// library is the configuration of the library.
func (c Config) library() huma.Config {
	config := huma.DefaultConfig("entrasync", "1")
	config.Info.Description = description
	config.CreateHooks = nil // no $schema links in the answers
	config.DocsPath = ""     // the page would load scripts from elsewhere
	config.SchemasPath = ""  // the document has them all
	if !c.Document {
		config.OpenAPIPath = ""
	}
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: readJSON}
	config.Formats = map[string]huma.Format{jsonType: format, "json": format} // "json" is for problem documents
	config.Transformers = append(config.Transformers, inOurWords)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{securityName: {Type: "http", Scheme: "bearer"}}
	return config
}
