package admin

import (
	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/directory"
)

// describe adds to the OpenAPI document what the operations check, not the library.
func describe(document *huma.OpenAPI) {
	schemas := document.Components.Schemas.Map()
	schemas["NewOrganization"].Properties["id"].Pattern = directory.JumpCloudID
	schemas["NewDirectory"].Properties["organizationId"].Pattern = directory.JumpCloudID
	schemas["NewDirectory"].Properties["tenantId"].Pattern = tenantPattern.String()
	schemas["DirectoryPatch"].Properties["tenantId"].Pattern = tenantPattern.String()
	for _, body := range []string{"NewOrganization", "OrganizationPatch"} {
		schemas[body].Properties["webhookTokens"].Items.Pattern = tokenPattern.String()
	}
}
