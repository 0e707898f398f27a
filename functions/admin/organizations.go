package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/directory"
)

// organizations registers the operations on organizations.
func (a API) organizations(api huma.API) {
	huma.Register(api, operation("listOrganizations", http.MethodGet, "/v1/organizations", "The JumpCloud organizations served", http.StatusOK),
		func(ctx context.Context, in *paging) (*answer[page[directory.Organization]], error) {
			list, err := a.Store.Organizations(ctx, in.Limit, in.Cursor)
			if err != nil {
				return nil, refuse(err, "query.cursor", in.Cursor)
			}
			return &answer[page[directory.Organization]]{Body: page[directory.Organization]{Items: list.Items, Cursor: list.Cursor}}, nil
		})
	huma.Register(api, operation("getOrganization", http.MethodGet, "/v1/organizations/{id}", "One organization", http.StatusOK),
		func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*answer[directory.Organization], error) {
			o, err := a.Store.Organization(ctx, directory.OrganizationID(in.ID))
			if err != nil {
				return nil, refuse(err, "path.id", in.ID)
			}
			return &answer[directory.Organization]{Body: o}, nil
		})
}
