package admin

import (
	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/directory"
)

// listQuery asks how the users or the groups of a directory stand.
type listQuery struct {
	ID     string               `path:"id" doc:"The directory"`
	Status directory.LinkStatus `query:"status" enum:"pending,synced,parked,held,released" doc:"Only those of this status"`
	Reason reasonFilter         `query:"reason" doc:"Only those of this reason, or with a problem of this reason"`
	Paging
}

// filteredList is what there is to know of a list that may have a filter.
const filteredList = "In order of their ids. With status or reason a page may be short, or even empty, and still have a cursor, because a request looks through a bounded number of them. A cursor belongs to its filters."

// reasonFilter is the reason of a link, in a query.
type reasonFilter directory.Reason

// Schema implements huma.SchemaProvider.
func (reasonFilter) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: anyOf(directory.LinkReasons)}
}

// anyOf are names as the values of an enumeration.
func anyOf[T ~string](names []T) []any {
	values := make([]any, len(names))
	for i, name := range names {
		values[i] = string(name)
	}
	return values
}
