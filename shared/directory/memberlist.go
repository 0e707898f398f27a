package directory

import "time"

// MemberList is the list of a group's members in JumpCloud, as far as it was read: a list may
// have more pages than can be read in one invocation.
type MemberList struct {
	Began time.Time `json:"began"` // the first page was read
	// Complete says that all of it was read, and that it did not change meanwhile.
	Complete bool `json:"complete,omitempty"`
	// Pages and Elements are how much of the current walk through the list was read, and
	// Total is how many elements the list stated last.
	Pages    int `json:"pages,omitempty"`
	Elements int `json:"elements,omitempty"`
	Total    int `json:"total,omitempty"`
	// Moved says that the list changed during the current walk. Walks are the complete walks
	// during which it did, and Digest says what the last of them found.
	Moved  bool   `json:"moved,omitempty"`
	Walks  int    `json:"walks,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Unsorted says that JumpCloud refuses to sort the list.
	Unsorted bool `json:"unsorted,omitempty"`
	// Users are those that the current walk found, each once; Nested are the groups in the
	// list, and Within all groups inside the group.
	Users  []UserID  `json:"-"`
	Nested []GroupID `json:"nested,omitempty"`
	Within []GroupID `json:"within,omitempty"`
}
