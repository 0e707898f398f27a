package seal

import (
	"testing"

	"entrasync/shared/goldentest"
)

// Later versions can open what is sealed in a queue.
func TestSealedPasswordsKeepTheirFormat(t *testing.T) {
	goldentest.Kept(t, "claims", goldentest.Filled[claims]())
}
