package portable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// Read reads a part of the export of a directory: consecutive lines. The first line says itself which
// directory it is; named is "" then. A fault of kind Invalid names the field that is wrong, as that of
// a body which is a list of lines.
func Read(part []byte, named directory.ID) (lines []Line, id directory.ID, err error) {
	if lines, err = readLines(part); err != nil {
		return nil, "", err
	}
	id = named
	if first := lines[0].Directory; first != nil {
		id = first.ID
	}
	switch {
	case id == "":
		err = &fault.Error{Op: "portable.read", Kind: fault.Invalid, Subject: "query.directory", Message: "name the directory, because this is not the first part of its export"}
	case named != "" && named != id:
		err = &fault.Error{Op: "portable.read", Kind: fault.Invalid, Subject: "query.directory", Message: "the part is of the directory " + string(id)}
	default:
		err = checkDirectory(lines, id)
	}
	return lines, id, err
}

// checkDirectory refuses lines that name another directory.
func checkDirectory(lines []Line, id directory.ID) error {
	for i, line := range lines {
		named := line.directories()
		for _, field := range slices.Sorted(maps.Keys(named)) {
			if named[field] != id {
				return refuse(i, line, field, "it is that of another directory than "+string(id))
			}
		}
	}
	return nil
}

// readLines reads consecutive lines.
func readLines(part []byte) ([]Line, error) {
	var lines []Line
	for text := range bytes.Lines(part) {
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		line, err := readLine(text, len(lines))
		if err != nil {
			return nil, err
		}
		if n := len(lines); n > 0 && line.Number != lines[n-1].Number+1 {
			return nil, refuse(n, line, "line", fmt.Sprintf("line %d follows line %d here: lines are missing, or are in another order", line.Number, lines[n-1].Number))
		}
		if n := len(lines); n > 0 && lines[n-1].Type == End {
			return nil, refuse(n, line, "line", "it is behind the line of the type end")
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, &fault.Error{Op: "portable.read", Kind: fault.Invalid, Subject: "body", Message: "there is no line: send a part of what GET …/export answered"}
	}
	return lines, nil
}

// refuse is the fault that a field of a line is wrong. at is its place in the part.
func refuse(at int, line Line, field, why string) error {
	where := fmt.Sprintf("body[%d]", at)
	if field != "" {
		where += "." + field
	}
	number := ""
	if line.Number > 0 {
		number = fmt.Sprintf("line %d of the export: ", line.Number)
	}
	return &fault.Error{Op: "portable.read", Kind: fault.Invalid, Subject: where, Message: number + why}
}

// Refuse is the fault that a field of what the first line has is wrong.
func Refuse(field, why string) error {
	return refuse(0, Line{Number: 1}, "directory."+field, why)
}

// readLine reads a line and checks it.
func readLine(text []byte, at int) (Line, error) {
	var line Line
	if at == 0 { // settings that the export does not have yet are the defaults
		line.Directory = &Directory{Settings: directory.DefaultSettings()}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&line)
	if err == nil && !errors.Is(decoder.Decode(&struct{}{}), io.EOF) {
		err = errors.New("there is more than one object")
	}
	if err != nil {
		return line, refuse(at, line, fieldOf(err), "it is not a line of an export: "+sentenceOf(err))
	}
	if line.Type != OfDirectory && at == 0 {
		line.Directory = nil
	}
	if line.Number < 1 {
		return line, refuse(at, line, "line", "lines are numbered from 1")
	}
	if field, why := line.wrong(); why != "" {
		return line, refuse(at, line, field, why)
	}
	return line, nil
}

// fieldOf is the field that an error of the decoder is about; "" if it names none.
func fieldOf(err error) string {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return inJSON(wrongType.Field)
	}
	if _, name, is := strings.Cut(err.Error(), "unknown field "); is {
		return strings.Trim(name, `"`)
	}
	return ""
}

// inJSON is the name of a field without the names that Go gives to embedded structures.
func inJSON(field string) string {
	parts := strings.Split(field, ".")
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part != "" && part[0] >= 'A' && part[0] <= 'Z' }), ".")
}

// sentenceOf says what is wrong without repeating a value.
func sentenceOf(err error) string {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrongType):
		return fmt.Sprintf("%s cannot be a %s", inJSON(wrongType.Field), wrongType.Value[:min(len(wrongType.Value), len("number"))])
	case errors.As(err, &syntax):
		return fmt.Sprintf("character %d is wrong", syntax.Offset)
	case strings.Contains(err.Error(), "unknown field"):
		return "there is no such field"
	default:
		return "it cannot be read"
	}
}

// accountID matches what Entra and the simulators use as ids.
var accountID = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// wrong says which field of a line is wrong, and why; "" if none is.
func (l Line) wrong() (field, why string) {
	parts := 0
	for _, there := range []bool{l.Directory != nil, l.Link != nil, l.GroupLink != nil, l.Member != nil, l.Within != nil, l.Former != nil, l.Waits != nil, l.Hold != nil, l.Held != nil, l.Counter != nil} {
		if there {
			parts++
		}
	}
	has := map[LineType]bool{
		OfDirectory: l.Directory != nil, OfUser: l.Link != nil, OfGroup: l.GroupLink != nil, OfMember: l.Member != nil, OfWithin: l.Within != nil,
		OfFormer: l.Former != nil, OfWait: l.Waits != nil, OfGuard: l.Hold != nil || l.Held != nil || l.Counter != nil, End: parts == 0,
	}
	matches, known := has[l.Type]
	switch {
	case !known:
		return "type", "there are no lines of this type"
	case (l.Type == OfDirectory) != (l.Number == 1):
		return "type", "the first line of an export has the type directory, and no other one has"
	case !matches || parts > 1, l.Connection != nil && l.Link == nil, l.GroupConnection != nil && l.GroupLink == nil:
		return "type", "a line of the type " + string(l.Type) + " has other fields"
	case l.Directory != nil:
		return l.Directory.wrong()
	}
	for _, id := range l.ids() {
		if why := id.wrong(); why != "" {
			return id.field, why
		}
	}
	return l.wrongWord()
}

// wrong says which field of the first line is wrong.
func (d Directory) wrong() (field, why string) {
	switch {
	case d.Format != Format:
		return "directory.format", fmt.Sprintf("the export has the format %d, and only %d can be read", d.Format, Format)
	case !directoryID.MatchString(string(d.ID)) || d.ID.Organization() != d.Organization:
		return "directory.id", "it is not the id of a directory of the organization"
	case d.Name == "" || utf8.RuneCountInString(d.Name) > longestName:
		return "directory.name", fmt.Sprintf("it has 1 to %d characters", longestName)
	case d.ExportedAt.IsZero():
		return "directory.exportedAt", "it is missing"
	case d.TenantObject != "" && !accountID.MatchString(string(d.TenantObject)):
		return "directory.tenantObjectId", "it is not the id of a tenant"
	}
	if err := d.Settings.Check(); err != nil {
		f := fault.Of(err)
		return "directory." + f.Subject, f.Message
	}
	return "", ""
}

// longestName is how many characters the name of a directory may have.
const longestName = 200

// directoryID matches the ids of directories.
var directoryID = regexp.MustCompile(directory.IDPattern)

// lineID is an id in a line.
type lineID struct {
	field, id string
	of        idSort
}

// idSort is a sort of ids.
type idSort int

const (
	inJumpCloud idSort = iota
	inEntra
	maybeInJumpCloud
	maybeInEntra
)

// wrong says why the id cannot be one of its sort; "" if it can.
func (i lineID) wrong() string {
	optional := i.of == maybeInJumpCloud || i.of == maybeInEntra
	switch {
	case i.id == "" && optional:
		return ""
	case i.of == inJumpCloud || i.of == maybeInJumpCloud:
		if !directory.IsJumpCloudID(i.id) {
			return "it is not an id of JumpCloud, which has " + directory.JumpCloudIDSays
		}
	case !accountID.MatchString(i.id):
		return "it is not an id of Entra"
	}
	return ""
}

// ids are the ids of a line from which keys of records are made.
func (l Line) ids() []lineID {
	switch {
	case l.Link != nil:
		all := []lineID{{"link.userId", string(l.Link.User), inJumpCloud}, {"link.entraId", string(l.Link.EntraID), maybeInEntra}}
		if l.Connection != nil {
			all = append(all, lineID{"connection.userId", string(l.Connection.User), inJumpCloud})
		}
		return all
	case l.GroupLink != nil:
		all := []lineID{{"groupLink.groupId", string(l.GroupLink.Group), inJumpCloud}, {"groupLink.entraId", string(l.GroupLink.EntraID), maybeInEntra}}
		if l.GroupConnection != nil {
			all = append(all, lineID{"groupConnection.groupId", string(l.GroupConnection.Group), inJumpCloud})
		}
		return all
	case l.Member != nil:
		return []lineID{{"member.groupId", string(l.Member.Group), inJumpCloud}, {"member.userId", string(l.Member.User), inJumpCloud}}
	case l.Within != nil:
		return []lineID{{"within.outerId", string(l.Within.Outer), inJumpCloud}, {"within.innerId", string(l.Within.Inner), inJumpCloud}}
	case l.Former != nil:
		return []lineID{{"former.entraId", string(l.Former.Account), inEntra}}
	case l.Waits != nil:
		return []lineID{
			{"waits.userId", string(l.Waits.User), inJumpCloud}, {"waits.managerId", string(l.Waits.Manager), maybeInJumpCloud},
			{"waits.entraId", string(l.Waits.Account), maybeInEntra}, {"waits.excludedId", string(l.Waits.Excluded), maybeInJumpCloud},
		}
	case l.Hold != nil:
		return []lineID{{"hold.id", l.Hold.ID, inEntra}}
	case l.Held != nil:
		return []lineID{
			{"held.holdId", l.Held.Hold, inEntra}, {"held.userId", string(l.Held.User), maybeInJumpCloud},
			{"held.entraId", string(l.Held.Account), maybeInEntra}, {"held.groupId", string(l.Held.Group), maybeInJumpCloud},
		}
	case l.Counter != nil:
		return []lineID{{"counter.groupId", string(l.Counter.Group), maybeInJumpCloud}}
	default:
		return nil
	}
}

// wrongWord says which field has none of the words that it may have.
func (l Line) wrongWord() (field, why string) {
	statuses := []directory.LinkStatus{directory.Pending, directory.Synced, directory.Parked, directory.Held, directory.Released}
	states := []directory.AccountState{directory.Enabled, directory.Disabled, directory.Absent}
	switch {
	case l.Link != nil && !slices.Contains(statuses, l.Link.Status):
		return "link.status", "there is no such status"
	case l.Link != nil && !slices.Contains(states, l.Link.State):
		return "link.state", "there is no such state"
	case l.Connection != nil && l.Connection.User != l.Link.User:
		return "connection.userId", "it is that of another user"
	case l.GroupLink != nil && !slices.Contains(statuses, l.GroupLink.Status):
		return "groupLink.status", "there is no such status"
	case l.GroupConnection != nil && l.GroupConnection.Group != l.GroupLink.Group:
		return "groupConnection.groupId", "it is that of another group"
	}
	return l.wrongOther()
}

// wrongOther says it of the lines that are not of users and groups.
func (l Line) wrongOther() (field, why string) {
	switch {
	case l.Waits != nil && (!l.Waits.ForOne() || l.Waits.Domain != nil && strings.Contains(l.Waits.Domain.Domain+string(l.Waits.Domain.Reason), "#")):
		return "waits", "a user waits for one of a manager, an account, an excluded user and a domain"
	case l.Hold != nil && !slices.Contains(plan.HoldKinds(), l.Hold.Kind):
		return "hold.kind", "there is no such kind"
	case l.Held != nil && (!slices.Contains(plan.HoldKinds(), l.Held.Kind) || l.Held.User == "" && l.Held.Account == ""):
		return "held", "it names neither a kind nor a person"
	case l.Counter != nil && !slices.Contains(plan.HoldKinds(), l.Counter.Kind):
		return "counter.kind", "there is no such kind"
	}
	return "", ""
}

// directories are the directories that a line names, by their fields.
func (l Line) directories() map[string]directory.ID {
	switch {
	case l.Link != nil && l.Connection != nil:
		return map[string]directory.ID{"link.directoryId": l.Link.Directory, "connection.directoryId": l.Connection.Directory}
	case l.Link != nil:
		return map[string]directory.ID{"link.directoryId": l.Link.Directory}
	case l.GroupLink != nil && l.GroupConnection != nil:
		return map[string]directory.ID{"groupLink.directoryId": l.GroupLink.Directory, "groupConnection.directoryId": l.GroupConnection.Directory}
	case l.GroupLink != nil:
		return map[string]directory.ID{"groupLink.directoryId": l.GroupLink.Directory}
	case l.Member != nil:
		return map[string]directory.ID{"member.directoryId": l.Member.Directory}
	case l.Within != nil:
		return map[string]directory.ID{"within.directoryId": l.Within.Directory}
	case l.Hold != nil:
		return map[string]directory.ID{"hold.directoryId": l.Hold.Directory}
	case l.Held != nil:
		return map[string]directory.ID{"held.directoryId": l.Held.Directory}
	default:
		return nil
	}
}

// records are those of some lines.
func records(lines []Line) []store.Portable {
	all := make([]store.Portable, len(lines))
	for i, l := range lines {
		all[i] = l.Portable
	}
	return all
}
