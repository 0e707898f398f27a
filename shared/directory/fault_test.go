package directory_test

import "entrasync/shared/fault"

// subjectOf is what a fault of kind Invalid is about; "" for anything else.
func subjectOf(err error) string {
	if !fault.Is(err, fault.Invalid) || fault.Of(err).Message == "" {
		return ""
	}
	return fault.Of(err).Subject
}
