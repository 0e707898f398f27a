package jumpcloudtest

// GoneMembers says what lists of members and associations show for deleted objects.
// Their memberships take a place in their page and count in the total (JumpCloud's
// PowerShell module, issues 239, 369 and 370), so a page in the middle can be shorter
// than requested.
type GoneMembers string

// What happens to the memberships of a deleted object.
const (
	ForgetGone GoneMembers = ""      // they are deleted with it
	OmitGone   GoneMembers = "omit"  // they are left out of their page
	NullGone   GoneMembers = "nulls" // they are null in their page
	ListGone   GoneMembers = "list"  // they are in their page as before
)

// goneMark marks elements of lists that are gone; it never leaves the simulator.
const goneMark = "\x00gone"

// gone are the elements for the edges of a node to deleted objects. The caller holds
// the lock.
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

// showGone changes the elements of deleted objects on a page as the behaviour says.
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
