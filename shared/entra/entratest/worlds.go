package entratest

import (
	"net/http"
	"strconv"
	"strings"
)

// World is behaviour of Graph that is not known, or that differs between observations:
// the product must work in all worlds. The zero value is as documented.
type World struct {
	UpsertAlone     bool     `json:"upsertAlone"`     // "Prefer: create-if-missing" works outside of a batch only: in a batch a missing group is a 404
	LooseHeaders    bool     `json:"looseHeaders"`    // headers of batch items come as numbers, booleans, lists and null, too
	LooseIDs        bool     `json:"looseIDs"`        // ids of batch items come back as numbers where they are digits, else in upper case
	Links           LinkForm `json:"links"`           // nextLink and deltaLink
	ItemTokens      bool     `json:"itemTokens"`      // with a token that is not accepted, a batch answers 200 and each item 401
	NoDeletedSearch bool     `json:"noDeletedSearch"` // deletedItems cannot be filtered by userPrincipalName
	// SparseByIDs: getByIds leaves out accountEnabled even if it is selected. Without
	// $select it does (microsoft-graph-docs-contrib 8798), and with it another property
	// was missing (microsoft-graph-docs 6841).
	SparseByIDs bool `json:"sparseByIDs"`
}

// LinkForm is how Graph writes the links to the next page or round of a list.
type LinkForm string

// The forms that were observed.
const (
	LinksAsAsked   LinkForm = ""     // with the host and the version of the request
	LinksUpperHost LinkForm = "host" // with the host in upper case
	LinksBeta      LinkForm = "beta" // with /beta instead of /v1.0
)

// Worlds are the worlds that a test of the product goes through: as documented, and
// with every field the other way.
func Worlds() map[string]World {
	other := World{UpsertAlone: true, LooseHeaders: true, LooseIDs: true, Links: LinksUpperHost, ItemTokens: true, NoDeletedSearch: true, SparseByIDs: true}
	beta := other
	beta.Links = LinksBeta
	return map[string]World{"as documented": {}, "the other way": other, "the other way, beta links": beta}
}

// linkBase is the beginning of links to the next page or round.
func (c *call) linkBase() string {
	scheme, rest, _ := strings.Cut(c.base, "://")
	host, version, _ := strings.Cut(rest, "/")
	switch c.behaviour.World.Links {
	case LinksUpperHost:
		host = strings.ToUpper(host)
	case LinksBeta:
		version = "beta"
	}
	return scheme + "://" + host + "/" + version
}

// writeHeaders are the headers of a batch item in the form of the world.
func (w World) writeHeaders(header http.Header) map[string]any {
	out := map[string]any{}
	for name, values := range header {
		if strings.HasPrefix(name, "X-Ms-") {
			name = strings.ToLower(name) // as the service spells them
		}
		value := strings.Join(values, ", ")
		out[name] = value
		if number, err := strconv.ParseFloat(value, 64); err == nil && w.LooseHeaders {
			out[name] = number
		}
	}
	if w.LooseHeaders {
		out["Vary"], out["x-ms-cached"], out["Location-Hint"] = []string{"Accept-Encoding", "Prefer"}, false, nil
	}
	return out
}

// writeID is the id of a batch item in the form of the world.
func (w World) writeID(id string) any {
	if !w.LooseIDs {
		return id
	}
	if number, err := strconv.Atoi(id); err == nil && strconv.Itoa(number) == id {
		return number
	}
	return strings.ToUpper(id)
}
