package portable

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

const (
	// MaxPage is how many bytes of lines make a page full: what follows until the page ends
	// leaves it below 1 MiB, the most that a request can have which reads it back.
	MaxPage = 512 << 10
	// atOnce is how many users or members are read at once.
	atOnce = 50
)

// place is where the next page begins.
type place struct {
	Stage  LineType          `json:"s"`
	Cursor string            `json:"c,omitempty"` // of the list of links
	Group  directory.GroupID `json:"g,omitempty"` // whose members are being listed
	Next   string            `json:"x,omitempty"` // the cursor of the links after that group
	Lines  int               `json:"n"`           // how many came before
}

// Page is a part of an export: whole lines. Cursor is "" for the last one.
type Page struct {
	Lines  []byte
	Cursor string
}

// Export makes one page of an export of a directory. What changes between two pages is in one
// of them as it is then.
func Export(ctx context.Context, records *store.Store, d directory.Directory, cursor string) (Page, error) {
	e := export{store: records, directory: d, place: place{Stage: OfDirectory}}
	if cursor != "" {
		if err := e.place.read(cursor); err != nil {
			return Page{}, err
		}
	}
	for e.page.Len() < MaxPage {
		over, err := e.step(ctx)
		if err != nil {
			return Page{}, err
		}
		if over {
			return Page{Lines: e.page.Bytes()}, nil
		}
	}
	next, err := json.Marshal(e.place)
	return Page{Lines: e.page.Bytes(), Cursor: base64.RawURLEncoding.EncodeToString(next)}, err
}

// read reads a cursor.
func (p *place) read(cursor string) error {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	*p = place{}
	if err == nil {
		err = json.Unmarshal(raw, p)
	}
	if err != nil || !p.exists() {
		return &fault.Error{Op: "portable.export", Kind: fault.Invalid, Subject: "cursor", Message: "the cursor is not that of an export: start again without one"}
	}
	return nil
}

// exists reports whether an export comes to the place.
func (p place) exists() bool {
	switch p.Stage {
	case OfDirectory, OfUser, OfGroup, OfWithin, OfFormer, OfWait, OfGuard, End:
		return p.Group == ""
	case OfMember:
		return p.Group != ""
	default:
		return false
	}
}

// export makes a page.
type export struct {
	store     *store.Store
	directory directory.Directory
	place     place
	page      bytes.Buffer
}

// add adds a line.
func (e *export) add(line Line) error {
	e.place.Lines++
	line.Number = e.place.Lines
	return write(&e.page, line)
}

// step adds some lines; over says that the last one is among them.
func (e *export) step(ctx context.Context) (over bool, err error) {
	switch e.place.Stage {
	case OfDirectory:
		d := e.directory
		e.place.Stage = OfUser
		return false, e.add(Line{Type: OfDirectory, Directory: &Directory{
			Format: Format, ExportedAt: time.Now().UTC(), ID: d.ID, Organization: d.Organization, Name: d.Name,
			Tenant: d.Tenant, TenantObject: d.TenantObject, CreatedAt: d.CreatedAt, Settings: d.Settings,
		}})
	case OfUser:
		return false, e.users(ctx)
	case OfGroup:
		return false, e.group(ctx)
	case OfMember:
		return false, e.members(ctx)
	case OfWithin:
		return false, e.others(ctx, e.store.WithinOf, OfFormer)
	case OfFormer:
		return false, e.others(ctx, e.store.FormerUsersOf, OfWait)
	case OfWait:
		return false, e.others(ctx, e.store.WaitsOf, OfGuard)
	case OfGuard:
		return false, e.others(ctx, e.store.GuardOf, End)
	default:
		return true, e.add(Line{Type: End})
	}
}

// users adds some users.
func (e *export) users(ctx context.Context) error {
	list, err := e.store.Links(ctx, e.directory.ID, atOnce, e.place.Cursor)
	if err != nil {
		return err
	}
	ids := make([]directory.UserID, len(list.Items))
	var accounts []directory.EntraID
	for i, link := range list.Items {
		if ids[i] = link.User; link.EntraID != "" {
			accounts = append(accounts, link.EntraID)
		}
	}
	known, err := e.store.ShownUsers(ctx, e.directory.ID, ids)
	if err != nil {
		return err
	}
	owners, err := e.store.Owners(ctx, e.directory.TenantObject, accounts)
	if err != nil {
		return err
	}
	for _, id := range ids {
		line := Line{Type: OfUser}
		link, found := known[id].Known.Link(e.directory.ID)
		if !found { // it was removed just now, or is damaged
			continue
		}
		line.Link = &link
		if owner := owners[link.EntraID]; owner.User == id {
			line.Username = owner.Username
		}
		if all := known[id].Known.Connections; len(all) > 0 {
			line.Connection = &all[0]
		}
		if err := e.add(line); err != nil {
			return err
		}
	}
	if e.place.Cursor = list.Cursor; list.Cursor == "" {
		e.place.Stage = OfGroup
	}
	return nil
}

// group adds the next group.
func (e *export) group(ctx context.Context) error {
	list, err := e.store.GroupLinks(ctx, e.directory.ID, 1, e.place.Cursor)
	if err != nil {
		return err
	}
	e.place.Next, e.place.Cursor = list.Cursor, ""
	if len(list.Items) == 0 {
		e.afterGroup()
		return nil
	}
	id := list.Items[0].Group
	known, err := e.store.ShownGroups(ctx, e.directory.ID, []directory.GroupID{id})
	if err != nil {
		return err
	}
	link, found := known[id].Known.Link(e.directory.ID)
	if !found {
		e.afterGroup()
		return nil
	}
	line := Line{Type: OfGroup, Portable: store.Portable{GroupLink: &link}}
	if all := known[id].Known.Connections; len(all) > 0 {
		line.GroupConnection = &all[0]
	}
	e.place.Stage, e.place.Group = OfMember, id
	return e.add(line)
}

// members adds some members of the present group.
func (e *export) members(ctx context.Context) error {
	list, err := e.store.Members(ctx, e.directory.ID, e.place.Group, atOnce, e.place.Cursor)
	if err != nil {
		return err
	}
	for _, m := range list.Items {
		if err := e.add(Line{Type: OfMember, Portable: store.Portable{Member: &m}}); err != nil {
			return err
		}
	}
	if e.place.Cursor = list.Cursor; list.Cursor == "" {
		e.afterGroup()
	}
	return nil
}

// afterGroup goes on behind the present group.
func (e *export) afterGroup() {
	e.place.Stage, e.place.Cursor, e.place.Group, e.place.Next = OfGroup, e.place.Next, "", ""
	if e.place.Cursor == "" {
		e.place.Stage = OfWithin
	}
}

// others adds some records of the present stage; next is the one after it.
func (e *export) others(ctx context.Context, list func(context.Context, directory.ID, int, string) (store.List[store.Portable], error), next LineType) error {
	page, err := list(ctx, e.directory.ID, atOnce, e.place.Cursor)
	if err != nil {
		return err
	}
	for _, p := range page.Items {
		if err := e.add(Line{Type: e.place.Stage, Portable: p}); err != nil {
			return err
		}
	}
	if e.place.Cursor = page.Cursor; page.Cursor == "" {
		e.place.Stage = next
	}
	return nil
}
