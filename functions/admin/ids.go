package admin

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// organizationsPath begins the paths of organizations.
const organizationsPath = "/v1/organizations"

// idForm is what the ids of one sort look like.
type idForm struct {
	what    string // they name, for people
	pattern *regexp.Regexp
	says    string // how they look, for people
}

// jumpCloudPattern is what the ids of JumpCloud look like.
const jumpCloudPattern = `^[0-9a-f]{24}$`

// The ids that paths have. That of a directory begins with its organization's.
var (
	jumpCloudID    = regexp.MustCompile(jumpCloudPattern)
	organizationID = idForm{"organization", jumpCloudID, "24 hex digits"}
	userID         = idForm{"user", jumpCloudID, "24 hex digits"}
	groupID        = idForm{"group", jumpCloudID, "24 hex digits"}
	directoryID    = idForm{"directory", regexp.MustCompile(`^[0-9a-f]{24}-[0-9a-z]{1,32}$`), "that of its organization, a hyphen, and letters and digits"}
)

// formOf is what the id in a path looks like.
func formOf(path, parameter string) idForm {
	switch {
	case parameter == "userId":
		return userID
	case parameter == "groupId":
		return groupID
	case strings.HasPrefix(path, organizationsPath):
		return organizationID
	default:
		return directoryID
	}
}

// checkIDs refuses a path with what cannot be an id: there is nothing of that id,
// and neither the table nor an outside system need be asked.
func checkIDs(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		op := ctx.Operation()
		for _, p := range op.Parameters {
			if p.In != "path" {
				continue
			}
			form, id := formOf(op.Path, p.Name), ctx.Param(p.Name)
			if form.pattern.MatchString(id) {
				continue
			}
			message := "there is no " + form.what + " " + id + ": its id is " + form.says
			_ = huma.WriteErr(api, ctx, http.StatusNotFound, message, &huma.ErrorDetail{Message: message, Location: "path." + p.Name, Value: id})
			return
		}
		next(ctx)
	}
}
