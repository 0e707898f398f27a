package api

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/directory"
)

// OrganizationsPath is the prefix of the paths of organizations.
const OrganizationsPath = "/v1/organizations"

// idForm is the form of one sort of ids.
type idForm struct {
	what    string // what they identify, for people
	pattern *regexp.Regexp
	says    string // their form, for people
}

// The forms of ids in paths. The id of a directory begins with the id of its
// organization.
var (
	jumpCloudID    = regexp.MustCompile(directory.JumpCloudID)
	organizationID = idForm{"organization", jumpCloudID, directory.JumpCloudIDSays}
	userID         = idForm{"user", jumpCloudID, directory.JumpCloudIDSays}
	groupID        = idForm{"group", jumpCloudID, directory.JumpCloudIDSays}
	importID       = idForm{"import", regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`), "a UUID in lower case"}
	jobID          = idForm{"job", importID.pattern, importID.says}
	holdID         = idForm{"hold", importID.pattern, importID.says}
	directoryID    = idForm{"directory", regexp.MustCompile(directory.IDPattern), "that of its organization, a hyphen, and letters and digits"}
)

// formOf returns the form of the id in a parameter of an operation; is is false if the
// parameter is not an id.
func formOf(path string, p *huma.Param) (form idForm, is bool) {
	switch {
	case p.In == "query":
		form, is = queriedIDs[p.Name]
	case p.In != "path":
	case p.Name == "id" && strings.HasPrefix(path, OrganizationsPath):
		return organizationID, true
	case p.Name == "jobId" && strings.HasPrefix(path, "/v1/jobs/"):
		return jobID, true
	default:
		form, is = pathIDs[p.Name]
	}
	return form, is
}

// pathIDs are the parameters of paths, which are all ids. In the paths of organizations
// id is that of an organization.
var pathIDs = map[string]idForm{"id": directoryID, "userId": userID, "groupId": groupID, "jobId": importID, "holdId": holdID}

// queriedIDs are the query parameters that are ids.
var queriedIDs = map[string]idForm{"organization": organizationID, "directory": directoryID, "user": userID}

// refused says why something cannot be an id of this form; "" if it can.
func (f idForm) refused(id string) string {
	if f.pattern.MatchString(id) {
		return ""
	}
	return "there is no " + f.what + " " + repeat(id) + ": its id is " + f.says
}

// NotAnOrganization says why a text cannot be the id of an organization; "" if it can. It
// is for the ids in bodies.
func NotAnOrganization(id string) string { return organizationID.refused(id) }

// checkIDs refuses a path with a text that cannot be an id. So neither the table nor an
// outside system is read for it.
func checkIDs(on huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		op := ctx.Operation()
		for _, p := range op.Parameters {
			if p.In != "path" {
				continue
			}
			form, _ := formOf(op.Path, p)
			id := ctx.Param(p.Name)
			message := form.refused(id)
			if message == "" {
				continue
			}
			_ = huma.WriteErr(on, ctx, http.StatusNotFound, message, &huma.ErrorDetail{Message: message, Location: "path." + p.Name, Value: id})
			return
		}
		next(ctx)
	}
}
