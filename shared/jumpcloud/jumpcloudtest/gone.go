package jumpcloudtest

// GoneMembers is what lists of members and associations show of what was deleted.
// Its memberships take a place in their page and count in the total (JumpCloud's
// PowerShell module, issues 239, 369 and 370), so a page in the middle can be
// shorter than it was asked for.
type GoneMembers string

// What becomes of the memberships of what is deleted.
const (
	ForgetGone GoneMembers = ""      // they end with it
	OmitGone   GoneMembers = "omit"  // they are left out of their page
	NullGone   GoneMembers = "nulls" // they are null in their page
	ListGone   GoneMembers = "list"  // they stand in their page as before
)

// goneMark marks elements of lists that are gone; it never leaves the simulator.
const goneMark = "\x00gone"

// gone are the elements that stand for edges of a node with what was deleted. The
// caller holds the lock.
func (s *Simulator) gone(from node, target kind, element func(node) Fields) []Fields {
	if s.behaviour.GoneMembers == ForgetGone {
		return nil
	}
	var all []Fields
	for _, incoming := range []bool{false, true} {
		for _, n := range s.store.at(side{kindGone, incoming, from}, target) {
			each := element(n)
			each[goneMark] = true
			all = append(all, each)
		}
	}
	return all
}

// showGone makes the elements of a page that are gone what the behaviour says.
func showGone(page []Fields, how GoneMembers) []Fields {
	shown := make([]Fields, 0, len(page))
	for _, each := range page {
		_, gone := each[goneMark]
		switch {
		case !gone:
			shown = append(shown, each)
		case how == NullGone:
			shown = append(shown, nil)
		case how == ListGone:
			delete(each, goneMark)
			shown = append(shown, each)
		}
	}
	return shown
}
