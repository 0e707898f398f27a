package admin

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"entrasync/shared/api"
	"entrasync/shared/directory"
)

// listQuery are the parameters of the lists of users and of groups of a directory.
type listQuery struct {
	ID     string               `path:"id" doc:"The directory"`
	Status directory.LinkStatus `query:"status" enum:"pending,synced,parked,held,released" doc:"Only those of this status"`
	Reason reasonFilter         `query:"reason" doc:"Only those of this reason, or with a problem of this reason"`
	api.Paging
}

// filteredList is the description of a list that may have a filter.
const filteredList = "In order of their ids. With status or reason a page may be short, or even empty, and still have a cursor, because a request looks through a bounded number of them. A cursor belongs to its filters."

// reasonFilter is the reason of a link, as a parameter of a query.
type reasonFilter directory.Reason

// Schema implements huma.SchemaProvider.
func (reasonFilter) Schema(huma.Registry) *huma.Schema { return enumeration(directory.OfLink) }

// shownReason is a reason in an answer: that of a link, a member or an action.
type shownReason directory.Reason

// Schema implements huma.SchemaProvider.
func (shownReason) Schema(huma.Registry) *huma.Schema {
	return enumeration(directory.OfLink, directory.OfMember, directory.OfAction)
}

// enumeration describes the reasons that the bearers can have. What each
// means and what to do is in the extension x-enumDescriptions, which documentation tools
// show.
func enumeration(bearers ...directory.Bearer) *huma.Schema {
	var words []any
	meanings := map[string]string{}
	for _, r := range directory.Reasons() {
		if slices.Contains(bearers, r.Of) {
			words = append(words, string(r.Reason))
			meanings[string(r.Reason)] = r.Sentence + ". To do: " + r.Advice
		}
	}
	return &huma.Schema{Type: huma.TypeString, Enum: words, Extensions: map[string]any{"x-enumDescriptions": meanings}}
}
