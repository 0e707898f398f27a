package secretfile

import (
	"testing"

	"entrasync/shared/goldentest"
)

// Later versions can read the secrets of one machine.
func TestTheFileKeepsItsFormat(t *testing.T) {
	goldentest.Kept(t, "secrets", goldentest.Filled[content]())
}
