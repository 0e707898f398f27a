// Package imports is the function that serves the part of the HTTP API with which an
// administrator imports users from Microsoft 365 into JumpCloud: who can be imported, the
// choice, and what became of each. It works on small imports while the request waits; all
// others are left to the function largeimport.
package imports

import (
	"entrasync/shared/api"
	"entrasync/shared/importapi"
)

// New makes the handler of the function. If a part is missing, it returns a fault that names
// the part.
func New(a importapi.API) (api.Handler, error) {
	if err := a.Check(); err != nil {
		return api.Handler{}, err
	}
	return api.New(api.Config{Auth: a.Auth, Register: a.Register})
}
