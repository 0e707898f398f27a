// Package completemail writes the mail "User Import Complete": what became of an import,
// and the link to its results.
//
// The mail has two forms with the same content, plain text and HTML. The HTML has no
// pictures, loads nothing and can be read at the width of a phone, in light and in dark.
// Both are put together by plain functions, because the methods of html/template keep
// every method of every type in a program.
package completemail

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"entrasync/shared/mail"
)

// Complete is an import that has ended.
type Complete struct {
	Job          string // its id
	Directory    string // the name of the directory that the users came from
	Organization string // the name of the JumpCloud organization that they were imported into
	Started      time.Time
	Finished     time.Time
	// Total is how many users were chosen. What is neither imported nor failed was not
	// tried, because the import was stopped.
	Total, Imported, Failed int
	Stopped                 bool      // by a person, before all users were tried
	Link                    string    // to the results; "" if there is no file of them
	LinkExpires             time.Time // when the link ends
}

// Message is the mail to some addresses.
func (c Complete) Message(to ...string) mail.Message {
	said := c.content()
	return mail.Message{To: to, Subject: said.title + ": " + oneLine(c.Directory), Text: said.text(), HTML: said.html()}
}

// content is what the mail says, without its form.
type content struct {
	title, summary string
	facts, counts  []row
	link           string
	notes          []string
}

// row is a line of a table.
type row struct{ label, value string }

func (c Complete) content() content {
	return content{title: c.title(), summary: c.summary(), facts: c.facts(), counts: c.counts(), link: c.Link, notes: c.notes()}
}

func (c Complete) title() string {
	if c.Stopped {
		return "User Import Stopped"
	}
	return "User Import Complete"
}

// summary is the sentence that a person reads first.
func (c Complete) summary() string {
	switch {
	case c.Stopped:
		return fmt.Sprintf("The import from Microsoft 365 into JumpCloud was stopped. Imported until then: %s of %s.", grouped(c.Imported), users(c.Total))
	case c.Total == 0:
		return "The import from Microsoft 365 into JumpCloud has ended. There was no user to import."
	case c.Imported == c.Total:
		return fmt.Sprintf("The import from Microsoft 365 into JumpCloud has ended. All chosen users were imported: %s.", grouped(c.Total))
	case c.Imported == 0:
		return "The import from Microsoft 365 into JumpCloud has ended. None of the chosen users was imported."
	default:
		return fmt.Sprintf("The import from Microsoft 365 into JumpCloud has ended. Imported: %s of %s.", grouped(c.Imported), users(c.Total))
	}
}

func (c Complete) facts() []row {
	return []row{
		{"Directory", oneLine(c.Directory)},
		{"Organization", oneLine(c.Organization)},
		{"Started", moment(c.Started)},
		{"Finished", fmt.Sprintf("%s (took %s)", moment(c.Finished), c.Finished.Sub(c.Started).Round(time.Second))},
		{"Job", oneLine(c.Job)},
	}
}

// notTried is how many users an import that was stopped left out.
func (c Complete) notTried() int { return max(0, c.Total-c.Imported-c.Failed) }

func (c Complete) counts() []row {
	rows := []row{{"Chosen", grouped(c.Total)}, {"Imported", grouped(c.Imported)}, {"Not imported", grouped(c.Failed)}}
	if n := c.notTried(); n > 0 {
		rows = append(rows, row{"Not tried", grouped(n)})
	}
	return rows
}

// notes say what to do.
func (c Complete) notes() []string {
	var notes []string
	if c.Link != "" {
		notes = append(notes, fmt.Sprintf("The file has one line for each chosen user. The link works until %s, and without signing in: "+
			"there are names and addresses behind it, so forward it only to people who may see them.", moment(c.LinkExpires)))
	}
	if c.Failed > 0 {
		notes = append(notes, "Users who were not imported: the column “message” says why for each of them and what to do. When that is done, "+
			"repeat the import for these users only. Those who were imported are not imported twice.")
	}
	if c.notTried() > 0 {
		notes = append(notes, "Users who were not tried: nothing was changed for them. They can be imported at any time.")
	}
	if c.Imported > 0 {
		notes = append(notes, "The imported users are on the Users page of JumpCloud, active or staged as your settings say. "+
			"They keep signing in to Microsoft 365 as before until they are active and connected to the directory.")
	}
	return notes
}

// users is a number of users.
func users(n int) string {
	if n == 1 {
		return "1 user"
	}
	return grouped(n) + " users"
}

// grouped is a number with commas between its thousands.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// moment is a time for people in any country: the month is a word.
func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// oneLine is a name without line breaks, so that it cannot look like a part of the mail.
func oneLine(name string) string { return strings.Join(strings.Fields(name), " ") }
