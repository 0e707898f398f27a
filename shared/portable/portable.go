// Package portable takes everything that is known of a directory out of the table, as JSON
// Lines, and puts it back: before a directory is deactivated, or to move it.
//
// The lines have its settings, and the connections, links and members of users and groups as
// they are stored; who had accounts before, who waits for what, and what the guard knows. They
// have no secrets: those belong to the organization, and are elsewhere. What they do not have is
// read anew: who is excluded by a group, how far Entra's changes were read, and what is left to do.
// Jobs and the audit log are not of the directory alone, and stay where they are.
//
// Each line has its number. [Restore] puts lines back in their order, and the directory says how
// many: so a part that comes twice, from two callers at once or after a process died, does no harm.
package portable

import (
	"bytes"
	"encoding/json"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// Format is the version of the form of the lines.
const Format = 1

// ContentType is the media type of the lines.
const ContentType = "application/jsonl"

// LineType says what a line has.
type LineType string

// The types of lines, in their order.
const (
	OfDirectory LineType = "directory" // the first line
	OfUser      LineType = "user"
	OfGroup     LineType = "group"
	OfMember    LineType = "member" // of the group before it
	OfWithin    LineType = "within" // a group that a connected one contains
	OfFormer    LineType = "former" // to whom an account belonged
	OfWait      LineType = "wait"   // for what a user waits
	OfGuard     LineType = "guard"  // a hold, what waits in it, or a counter
	End         LineType = "end"    // the last line
)

// Line is one line.
type Line struct {
	// Number is that of the line, from 1.
	Number    int        `json:"line"`
	Type      LineType   `json:"type"`
	Directory *Directory `json:"directory,omitempty"`
	store.Portable
}

// Directory is what the first line has.
type Directory struct {
	Format       int                      `json:"format"`
	ExportedAt   time.Time                `json:"exportedAt"`
	ID           directory.ID             `json:"id"`
	Organization directory.OrganizationID `json:"organizationId"`
	Name         string                   `json:"name"`
	Tenant       directory.TenantID       `json:"tenantId"`
	TenantObject directory.TenantID       `json:"tenantObjectId,omitempty"`
	CreatedAt    time.Time                `json:"createdAt"`
	Settings     directory.Settings       `json:"settings"`
}

// write adds a line to a page.
func write(page *bytes.Buffer, line Line) error {
	text, err := json.Marshal(line)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "portable.write")
	}
	page.Write(append(text, '\n'))
	return nil
}
