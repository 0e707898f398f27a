package admin

import (
	"context"
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// groupView is the state of a group in a directory.
type groupView struct {
	Group       directory.GroupID    `json:"groupId"`
	Name        string               `json:"name,omitempty" doc:"The name in JumpCloud when it was last read"`
	EntraID     directory.EntraID    `json:"entraId,omitempty" doc:"The object id of the security group; missing as long as there is none"`
	DisplayName string               `json:"displayName,omitempty" doc:"The name that the security group certainly has"`
	Connected   bool                 `json:"connected" doc:"Whether the group is connected to this directory"`
	Unreadable  []string             `json:"unreadable,omitempty" doc:"What cannot be read of the group because its record is damaged: connection, and then connected and connectedBy say nothing. The log names the record"`
	ConnectedBy []directory.Path     `json:"connectedBy" doc:"By what the group is connected: direct for an administrator, jumpcloud for the connection source; empty when not connected any more"`
	Status      directory.LinkStatus `json:"status" enum:"pending,synced,parked,held,released"`
	Reason      directory.Reason     `json:"reason,omitempty" doc:"One typed word: why the group is parked, waits or was let go"`
	Message     string               `json:"message,omitempty" doc:"The reason as a sentence, with what to do"`
	Hold        string               `json:"holdId,omitempty" doc:"The hold in which the members wait who are to be taken out of the group, with the status held"`
	Origin      directory.Origin     `json:"owner,omitempty" enum:"created,taken_over"`
	Members     *membersView         `json:"members,omitempty" doc:"How the members stand; missing where the directory does not make groups security groups, and of a group that is not connected any more"`
	Unknown     []unknownWrite       `json:"unknown,omitempty" doc:"The writes of which nobody knows whether Entra did them, because entrasync stopped or got no answer; the next sync of a connected group compares them with Entra. Only in the view of one group"`
	Drift       []driftView          `json:"drift,omitempty" doc:"What somebody else changed in Entra, and what is not written again (yet)"`
	LastEventAt *time.Time           `json:"lastEventAt,omitempty"`
	LastWriteAt *time.Time           `json:"lastWriteAt,omitempty"`
	NextTryAt   *time.Time           `json:"nextTryAt,omitempty"`
}

// unknownWrite is a write whose result is not known.
type unknownWrite struct {
	Action  string           `json:"actionId"`
	Type    plan.Type        `json:"type" doc:"What was written, such as add_members"`
	At      time.Time        `json:"at" doc:"When it was begun"`
	Reason  directory.Reason `json:"reason,omitempty" doc:"One typed word: why the result is not known; missing while the write may be under way"`
	Message string           `json:"message"`
}

// membersView is the state of the members of a group.
type membersView struct {
	InSync     int             `json:"inSync" doc:"Members in JumpCloud and in Entra"`
	Waiting    int             `json:"waiting" doc:"Those who join or leave the security group by themselves, with the next write or once they have an account"`
	Refused    int             `json:"refused" doc:"Those whom Entra does not take"`
	Unreadable int             `json:"unreadable,omitempty" doc:"Those whose record is damaged, who are counted nowhere else. The log names the records"`
	NotInSync  []memberTrouble `json:"notInSync,omitempty" doc:"Who waits or is refused, and why; only in the view of one group"`
	More       int             `json:"more,omitempty" doc:"How many more wait or are refused than notInSync shows"`
}

// memberTrouble is a member who is not in sync, and why.
type memberTrouble struct {
	User    directory.UserID `json:"userId"`
	Status  memberStatus     `json:"status" enum:"waiting,refused"`
	Reason  directory.Reason `json:"reason,omitempty" doc:"One typed word; missing when the next write brings the member in sync"`
	Message string           `json:"message"`
}

// memberStatus is the status of one member.
type memberStatus string

// The statuses of a member.
const (
	memberInSync  memberStatus = "inSync"
	memberWaiting memberStatus = "waiting"
	memberRefused memberStatus = "refused"
)

// maxTroubles is how many members the view of a group names at most.
const maxTroubles = 100

// statusOf returns the status of a member.
func statusOf(m directory.Member) memberStatus {
	switch {
	case m.Problem != nil && m.Problem.Reason != directory.MemberAbsent:
		return memberRefused
	case m.Problem == nil && m.Wanted && m.Applied != "":
		return memberInSync
	default:
		return memberWaiting
	}
}

// countOf counts the members of a group by status; damaged is the number of records
// that cannot be read.
func countOf(members []directory.Member, damaged int) *membersView {
	view := membersView{Unreadable: damaged}
	for _, m := range members {
		switch statusOf(m) {
		case memberInSync:
			view.InSync++
		case memberWaiting:
			view.Waiting++
		case memberRefused:
			view.Refused++
		}
	}
	return &view
}

// pathsOf returns the paths by which a group is connected to a directory.
func pathsOf(group store.Group, id directory.ID) []directory.Path {
	for _, c := range group.Connections {
		if c.Directory == id {
			return c.Paths
		}
	}
	return nil
}

// viewOfGroup shows the link of a group, and its members if it has any to show.
func viewOfGroup(link directory.GroupLink, paths []directory.Path, members *membersView) groupView {
	return groupView{
		Group: link.Group, Name: link.Name, EntraID: link.EntraID, DisplayName: link.Applied, Connected: len(paths) > 0, ConnectedBy: append([]directory.Path{}, paths...),
		Status: link.Status, Reason: link.Reason, Message: link.Message, Hold: link.Hold, Origin: link.Origin, Members: members,
		LastEventAt: known(link.LastEventAt), LastWriteAt: known(link.LastWriteAt), NextTryAt: known(link.NextTryAt), Drift: viewOfDrift(link.Drift),
	}
}

// groupOf reads the link of a group in a directory, and which members are not in sync
// and why. NotFound if the group was never connected there.
func (a API) groupOf(ctx context.Context, dir directory.Directory, id directory.GroupID) (groupView, error) {
	group, err := a.Store.Group(ctx, dir.Organization, id)
	if err != nil {
		return groupView{}, err
	}
	link, found := group.Link(dir.ID)
	if !found {
		return groupView{}, fault.New(fault.NotFound, "admin.group", "the group "+string(id)+" was never connected to this directory")
	}
	unknown, err := a.unknownWrites(ctx, link)
	if err != nil {
		return groupView{}, err
	}
	if !dir.Settings.ManageGroups || !group.Connected(dir.ID) {
		shown := viewOfGroup(link, pathsOf(group, dir.ID), nil)
		shown.Unknown = unknown
		return shown, nil
	}
	members, damaged, err := a.membersOf(ctx, link)
	if err != nil {
		return groupView{}, err
	}
	view := countOf(members, damaged)
	view.NotInSync, err = a.troubles(ctx, dir.ID, members)
	view.More = view.Waiting + view.Refused - len(view.NotInSync)
	shown := viewOfGroup(link, pathsOf(group, dir.ID), view)
	shown.Unknown = unknown
	return shown, err
}

// unknownWrites are the open actions of a group. The events show no actions of groups, because
// Directory Insights has no such event of an application.
func (a API) unknownWrites(ctx context.Context, link directory.GroupLink) ([]unknownWrite, error) {
	var unknown []unknownWrite
	for _, id := range link.OpenActions {
		action, err := a.Store.Action(ctx, link.Directory.Organization(), id)
		if fault.Is(err, fault.NotFound) || err == nil && action.Status == plan.Succeeded {
			continue
		}
		if err != nil {
			return nil, err
		}
		each := unknownWrite{Action: id, Type: action.Type, At: action.At, Message: "the write was begun, and its result is not known yet"}
		if action.Error != nil {
			each.Reason, each.Message = action.Error.Reason, action.Error.Message
		}
		unknown = append(unknown, each)
	}
	return unknown, nil
}

// membersOf reads the members of a group, and counts the records that cannot be read.
// If the group does not exist in Entra, it returns only the wanted members, none of
// them as applied: an earlier group in Entra does not count.
func (a API) membersOf(ctx context.Context, link directory.GroupLink) (members []directory.Member, damaged int, err error) {
	for cursor, more := "", true; more; more = cursor != "" {
		page, err := a.Store.Members(ctx, link.Directory, link.Group, 0, cursor)
		if err != nil {
			return nil, 0, err
		}
		members, damaged, cursor = append(members, page.Items...), damaged+page.LeftOut, page.Cursor
	}
	if link.EntraID != "" {
		return members, damaged, nil
	}
	members = slices.DeleteFunc(members, func(m directory.Member) bool { return !m.Wanted })
	for i := range members {
		members[i].Applied = ""
	}
	return members, damaged, nil
}

// troubles returns the first members who are not in sync, and why.
func (a API) troubles(ctx context.Context, id directory.ID, members []directory.Member) ([]memberTrouble, error) {
	var late []directory.Member
	var users []directory.UserID
	for _, m := range members {
		if statusOf(m) != memberInSync && len(late) < maxTroubles {
			late, users = append(late, m), append(users, m.User)
		}
	}
	if len(late) == 0 {
		return nil, nil
	}
	records, err := a.Store.ShownUsers(ctx, id, users)
	if err != nil {
		return nil, err
	}
	troubles := make([]memberTrouble, len(late))
	for i, m := range late {
		link, _ := records[m.User].Known.Link(id)
		troubles[i] = troubleOf(m, link, records[m.User].DamagedLink)
	}
	return troubles, nil
}

// troubleOf says why a member is not in sync. link is the user's link; damaged says
// that it cannot be read.
func troubleOf(m directory.Member, link directory.Link, damaged bool) memberTrouble {
	trouble := memberTrouble{User: m.User, Status: statusOf(m)}
	switch {
	case trouble.Status == memberRefused:
		trouble.Reason, trouble.Message = m.Problem.Reason, m.Problem.Message
	case !m.Wanted:
		trouble.Reason, trouble.Message = directory.LeftGroup, "the user is not in the group any more and is taken out of the security group with the next write"
	case damaged:
		trouble.Message = "the record of the user is damaged, and whether there is an account is not known: put back a copy of the table"
	case link.EntraID == "":
		trouble.Reason, trouble.Message = directory.MemberAbsent, "the user has no account in this directory yet, and joins as soon as there is one"
		if link.Message != "" {
			trouble.Message += ": " + link.Message
		}
	default:
		trouble.Message = "the user joins the security group with the next write"
	}
	return trouble
}
