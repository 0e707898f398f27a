package entra

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// listing is a list or a feed of changes that is read page by page: where the links to its
// pages lead, and what people call reading it.
type listing struct {
	op   string
	path *regexp.Regexp // of the links, below the version
	// places are the options of which a link has at least one: they say where in the list
	// it leads. Without one it would lead to the beginning.
	places []string
	fault  func(op string, answer response) *fault.Error
}

// What is read page by page. Graph spells the function delta in three ways (Microsoft Graph
// documentation, user: delta).
var (
	allAccounts    = listing{opAccountPage, regexp.MustCompile(`(?i)^/users$`), []string{"skiptoken"}, accountsFault}
	allGroups      = listing{opGroupPage, regexp.MustCompile(`(?i)^/groups$`), []string{"skiptoken"}, groupsFault}
	accountChanges = listing{opAccountChanges, regexp.MustCompile(`(?i)^/users/(microsoft\.graph\.)?delta(\(\))?$`), []string{"skiptoken", "deltatoken"}, accountsFault}
	groupChanges   = listing{opGroupChanges, regexp.MustCompile(`(?i)^/groups/(microsoft\.graph\.)?delta(\(\))?$`), []string{"skiptoken", "deltatoken"}, groupsFault}
)

// The operations of reading pages.
const (
	opAccountPage    = "entra.read accounts page"
	opGroupPage      = "entra.read groups page"
	opAccountChanges = "entra.read account changes"
	opGroupChanges   = "entra.read group changes"
)

// at is the request for the page that a link leads to. A link comes from Graph, but was kept
// in a record meanwhile: our token is sent to a page of this list only, whatever the record
// says. Path and query stay as they are to the letter, and no option is added: Graph refuses
// that, or takes it for another query.
func (l listing) at(link string) (request, error) {
	u, err := url.Parse(link)
	switch {
	case err != nil: // its text repeats the link
		err = errors.New("the link cannot be read")
	case u.Scheme != "" || u.Host != "" || u.User != nil || !l.path.MatchString(u.EscapedPath()):
		err = errors.New("the link leads somewhere else")
	case !l.hasPlace(u.RawQuery):
		err = errors.New("the link has no place in the list")
	}
	if err != nil {
		f := changesForgotten()
		f.Op, f.Err = l.op, err
		return request{}, f
	}
	return readLater(request{Method: http.MethodGet, URL: u.EscapedPath() + "?" + u.RawQuery}), nil
}

// hasPlace reports whether a query says where in the list it leads.
func (l listing) hasPlace(query string) bool {
	for _, place := range l.places {
		if strings.Contains(strings.ToLower(query), place+"=") {
			return true
		}
	}
	return false
}

// readLater is a read that Graph may refuse first when units are short: nobody waits for it.
func readLater(r request) request {
	r.Headers = map[string]string{priorityHeader: priorities[bulk]}
	return r
}

// links are the links of a page as they are requested: to the next page, and, on the last
// page of changes, to what changes after it. Both lead into this list.
func (l listing) links(c *Client, page []byte) (next, later string, err error) {
	if next, later, err = c.linksOn(page); err != nil {
		return "", "", err
	}
	for _, link := range []*string{&next, &later} {
		if *link == "" {
			continue
		}
		r, err := l.at(*link)
		if err != nil {
			return "", "", err
		}
		*link = r.URL
	}
	return next, later, nil
}

// refused is why Graph does not give a page. link says that the request followed one of
// Graph's links.
//
// Graph forgets a link after seven days, and answers so with 400 or with 410, the latter with
// a Location to begin at or without one. Where the tenant has no feed of changes, Graph does
// not know the function (how it says so is assumed).
func (l listing) refused(answer response, link bool) *fault.Error {
	f := l.fault(l.op, answer)
	code := errorOf(answer.Body).Code
	switch {
	case answer.err != nil || f.Kind == fault.Throttled:
		return f
	case link && (answer.Status == http.StatusGone || answer.Status == http.StatusBadRequest && code != "" || stateLost(answer.Status, errorOf(answer.Body))):
		f = changesForgotten()
	case l.ofChanges() && code != "" && unknownFunction[answer.Status]:
		f = because(fault.NotFound, directory.ChangesUnsupported, "", "the tenant does not tell what changed in it ("+said(answer.Status, errorOf(answer.Body))+"): everything is read instead")
	}
	f.Op = l.op
	return f
}

// unknownFunction are the statuses of a request for changes that the tenant does not have.
var unknownFunction = map[int]bool{http.StatusBadRequest: true, http.StatusNotFound: true, http.StatusMethodNotAllowed: true, http.StatusNotImplemented: true}

// ofChanges reports whether the listing is a feed of changes.
func (l listing) ofChanges() bool { return l.op == opAccountChanges || l.op == opGroupChanges }

// changesForgotten is the fault for a link that Graph does not know any more.
func changesForgotten() *fault.Error {
	return because(fault.NotFound, directory.ChangesForgotten, "", "Entra does not remember any more up to where its changes were read: everything is read again")
}

// groupsFault is the fault for groups that Graph does not return.
func groupsFault(op string, answer response) *fault.Error {
	f := readFault(op, answer)
	switch f.Kind {
	case fault.NotFound: // the groups exist as long as the tenant does
		f = because(fault.Transient, directory.Unavailable, "", "Entra does not show its groups: it is tried again by itself")
	case fault.Invalid, fault.Conflict: // there is no value that somebody could change
		f = defect(answer.Status, errorOf(answer.Body))
	}
	f.Op = op
	return f
}
