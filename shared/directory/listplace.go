package directory

// ListPlace is where a list of JumpCloud is read on, page by page. The zero place is its
// begin.
type ListPlace struct {
	// Pages and Elements are how much was read, and Total is how many elements the list stated
	// last; 0 if it states none.
	Pages    int `json:"pages,omitempty"`
	Elements int `json:"elements,omitempty"`
	Total    int `json:"total,omitempty"`
	// First is the first element of the last page, by which a list is recognised that gives
	// the same page again and again.
	First string `json:"first,omitempty"`
	// End says that all of it was read.
	End bool `json:"end,omitempty"`
}
