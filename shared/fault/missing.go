package fault

// Part is one thing that a constructor needs.
type Part struct {
	Name  string
	There bool
}

// Missing returns a fault of kind Internal that names the first part that is missing, or
// nil. A constructor calls it, so that the program fails at its start and not when it
// first needs the part.
func Missing(op string, parts ...Part) error {
	for _, p := range parts {
		if !p.There {
			return &Error{Op: op, Kind: Internal, Subject: p.Name, Message: p.Name + " is missing: whoever starts the function must give it"}
		}
	}
	return nil
}
