// Package portable takes everything that is known of a directory out of the table, as JSON
// Lines, and puts it back: before a directory is deactivated, or to move it.
//
// The lines have its settings, and the connections, links and members of users and groups as
// they are stored. They have no secrets: those belong to the organization, and are elsewhere.
// What they do not have is read or counted anew: who is excluded by a group, how far Entra's
// changes were read, tasks, jobs and the audit log.
package portable

import (
	"bytes"
	"encoding/json"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
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
	End         LineType = "end"    // the last line
)

// Line is one line.
type Line struct {
	Type      LineType   `json:"type"`
	Directory *Directory `json:"directory,omitempty"`
	// Link and Connection are those of a user, and GroupLink and GroupConnection those of a
	// group. A connection may be missing.
	Link            *directory.Link            `json:"link,omitempty"`
	Connection      *directory.Connection      `json:"connection,omitempty"`
	GroupLink       *directory.GroupLink       `json:"groupLink,omitempty"`
	GroupConnection *directory.GroupConnection `json:"groupConnection,omitempty"`
	Member          *directory.Member          `json:"member,omitempty"`
	// Lines is how many lines came before the last one.
	Lines int `json:"lines,omitempty"`
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
