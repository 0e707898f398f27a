package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/portable"
)

// exportPage is the answer with a part of an export.
type exportPage struct {
	ContentType string `header:"Content-Type"`
	Link        string `header:"Link" doc:"Where the next part is, with rel=\"next\"; missing on the last one"`
	Body        []byte
}

// exports registers the operation that takes a directory out.
func (a API) exports(on huma.API) {
	op := api.Operation("exportDirectory", http.MethodGet, "/v1/directories/{id}/export", "Everything of a directory, as JSON Lines: its settings, connections, links and members", http.StatusOK, http.StatusNotFound)
	op.Description = "A part of about half a MiB, of whole lines. The header Link names the next part as long as there is one. The parts one after the other are the export: " +
		"its first line has the type directory, those of the types user, group and member follow, and the last one has the type end. No line has a secret. " +
		"POST /v1/directories/import reads the parts back."
	op.Responses[strconv.Itoa(http.StatusOK)] = &huma.Response{Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{portable.ContentType: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	huma.Register(on, op, a.export)
}

// export answers a part of an export.
func (a API) export(ctx context.Context, in *struct {
	ID     string `path:"id" doc:"The directory"`
	Cursor string `query:"cursor" minLength:"1" doc:"What the header Link of the part before has; without it the export begins"`
},
) (*exportPage, error) {
	dir, err := a.directory(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	page, err := portable.Export(ctx, a.Store, dir, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	answer := &exportPage{ContentType: portable.ContentType, Body: page.Lines}
	if page.Cursor != "" {
		answer.Link = "</v1/directories/" + in.ID + "/export?cursor=" + url.QueryEscape(page.Cursor) + `>; rel="next"`
	}
	return answer, nil
}
