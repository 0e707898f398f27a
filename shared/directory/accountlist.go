package directory

import "time"

// AccountList is the list of a group's members in Entra, as far as it was read: a list may
// have more pages than can be read in one invocation.
type AccountList struct {
	Group    EntraID   `json:"group"`
	Began    time.Time `json:"began"` // the first page was read
	Complete bool      `json:"complete,omitempty"`
	Pages    int       `json:"pages,omitempty"`
	// Next is where the next page is, as Graph says.
	Next string `json:"next,omitempty"`
	// Accounts are the members that were found so far.
	Accounts []EntraID `json:"-"`
}
