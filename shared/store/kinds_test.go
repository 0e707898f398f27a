package store

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// fate is what becomes of a kind of record when its directory is deactivated.
type fate string

const (
	deleted   fate = "it is deleted"
	expiring  fate = "it is of a job, an import or an invitation, and expires"
	elsewhere fate = "it is of the organization, a tenant or the deployment"
)

// fates says it of all records, by the function that makes their keys.
var fates = map[string]fate{
	"linkKey": deleted, "connectionKey": deleted, "groupLinkKey": deleted, "groupConnectionKey": deleted, "leaseKey": deleted, "withinKey": deleted,
	"memberKey": deleted, "dirtyKey": deleted, "noticeKey": deleted, "sweepKey": deleted, "rolloutKey": deleted, "DomainWatch.key": deleted,
	"formerKey": deleted, "Wait.key": deleted, "ManagerAccount": deleted, "FreeAccount": deleted, "ExcludedName": deleted, "DomainOf": deleted,
	"Doubt.key": deleted, "Stranded.key": deleted, "memberListKey": deleted, "accountListKey": deleted, "exclusionKey": deleted, "excludedKey": deleted,
	"countsKey": deleted, "lastJobKey": deleted, "changesKey": deleted, "counterKey": deleted, "holdKey": deleted, "HeldItem.key": deleted,
	"directoryKey": deleted, "tenantClaimKey": deleted, "ownerKey": deleted, "openJobKey": deleted, "Job.openKey": deleted, "OpenJob.key": deleted,

	"jobKey": expiring, "Finding.key": expiring, "planTaskKey": expiring, "journalKey": expiring, "chunkKey": expiring, "authorizationKey": expiring,

	"organizationKey": elsewhere, "catchUpKey": elsewhere, "credentialNoticeKey": elsewhere, "importedKey": elsewhere, "turnKey": elsewhere, "throttledKey": elsewhere,
}

// Whoever adds a kind of record says here what becomes of it when its directory is deactivated, and
// adds one to those that TestADeactivationForgetsEveryKind looks for.
func TestTheFateOfEveryKindIsKnown(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			f, is := declared.(*ast.FuncDecl)
			if !is || f.Type.Results == nil || len(f.Type.Results.List) != 1 {
				continue
			}
			result, is := f.Type.Results.List[0].Type.(*ast.Ident)
			if !is || result.Name != "Key" && result.Name != "Awaited" {
				continue
			}
			name := f.Name.Name
			if f.Recv != nil {
				name = fmt.Sprint(f.Recv.List[0].Type) + "." + name
			}
			if found[name] = true; fates[name] == "" {
				t.Errorf("nobody says what becomes of the records of %s when a directory is deactivated", name)
			}
		}
	}
	for name := range fates {
		if !found[name] {
			t.Errorf("there is no function %s any more", name)
		}
	}
	kinds := map[string]bool{}
	for name := range KindsOf(directory.Directory{ID: "org-main", Organization: "org", TenantObject: "tenant"}, "user", "group", "account") {
		name, _, _ = strings.Cut(name, " ")
		kinds[name] = true
	}
	for name, fate := range fates {
		if is := fate == deleted; is && !kinds[name] && !slices.Contains([]string{"directoryKey", "tenantClaimKey", "ownerKey", "openJobKey", "Job.openKey", "OpenJob.key"}, name) {
			t.Errorf("no record of %s is among those that a deactivation is tested with", name)
		}
	}
}

// KindsOf are records of a directory of every kind that a deactivation deletes, by the function that
// makes their keys, except for those that every deactivation begins with.
func KindsOf(d directory.Directory, user directory.UserID, group directory.GroupID, account directory.EntraID) map[string]Write {
	id, now := d.ID, time.Now().UTC()
	must := func(item Item, err error) Write {
		if err != nil {
			panic(err)
		}
		return Write{Item: item, If: Any}
	}
	made := func(w Write, err error) Write {
		w.If = Any
		return must(w.Item, err)
	}
	link := directory.NewLink(id, user)
	link.EntraID, link.Status = account, directory.Synced
	groupLink := directory.NewGroupLink(id, group)
	groupLink.EntraID = account + "-group"
	mark := Mark{Directory: id, Group: group, User: user}
	notice := must(encode(noticeKey(id, group, user), mark))
	notice.Item.setUnfinished(id, PendingNotice, 0)
	wait := func(what Awaited) Write { return must(Wait{For: what, Directory: id, User: user}.item()) }
	stranded := Stranded{ID: "stranded", Organization: d.Organization, Directory: id, At: now}
	hold := Hold{ID: "hold", Directory: id, Kind: plan.Removals, Status: HoldOpen, Since: now}
	rejected := Hold{ID: "rejected", Directory: id, Kind: plan.Suspensions, Status: HoldRejected, DecidedAt: now, Passes: 1}
	return map[string]Write{
		"linkKey": must(linkItem(link)), "connectionKey": must(connectionItem(directory.Connection{Directory: id, User: user, Paths: []directory.Path{directory.Direct}})),
		"connectionKey ended": must(connectionItem(directory.Connection{Directory: id, User: user + "x", Ended: directory.Disconnected})),
		"groupLinkKey":        must(groupLinkItem(groupLink)), "groupConnectionKey": must(groupConnectionItem(directory.GroupConnection{Directory: id, Group: group, Paths: []directory.Path{directory.Direct}})),
		"leaseKey": must(encode(leaseKey(id, group), Lease{Directory: id, Group: group})), "withinKey": must(Within{Directory: id, Outer: group, Inner: "inner"}.item()),
		"memberKey": made(memberWrite(directory.Member{Directory: id, Group: group, User: user, Wanted: true})), "dirtyKey": made(mark.write(false)), "noticeKey": notice,
		"sweepKey check": made(Check{Directory: id, User: user}.write()), "sweepKey place": must(encode(sweepKey(id, placePart, "", ""), sweepPlace{"cursor"})),
		"sweepKey sent": must(encode(sweepKey(id, sentPart, user, ""), Sent{Directory: id, User: user, At: now})),
		"rolloutKey":    made(Rollout{Directory: id, Stage: RolloutOfUsers}.begins()), "rolloutKey of some": made(Rollout{Directory: id, Only: Selection{Kind: plan.OfUser}, Stage: RolloutOfUsers}.begins()),
		"DomainWatch.key": must(DomainWatch{Directory: id, Awaits: directory.DomainWait{Reason: directory.DomainNotVerified, Domain: "corp.example"}}.item()),
		"formerKey":       must(former{User: user, At: now}.item(d.TenantObject, account+"x", id)),
		"Wait.key":        wait(ManagerAccount(id, "boss")), "ManagerAccount": wait(ManagerAccount(id, "manager")), "FreeAccount": wait(FreeAccount(d.TenantObject, account)),
		"ExcludedName": wait(ExcludedName(id, "glass")), "DomainOf": wait(DomainOf(id, directory.DomainWait{Reason: directory.DomainFederated, Domain: "corp.example"})),
		"Doubt.key":    must(Doubt{Directory: id, What: UserExists, User: user, Absence: plan.Absence{Since: now}}.item()),
		"Stranded.key": must(encode(stranded.key(), stranded)), "waitingPK": must(encode(Key{PK: waitingPK(id), SK: Waiting{Kind: plan.OfUser, ID: string(user)}.prefix() + "1"}, Waiting{Directory: id})),
		"memberListKey": must(encode(memberListKey(id, group, listPlace), MemberList{})), "memberListKey part": must(encode(memberListKey(id, group, "part"), listedPart{})),
		"memberListKey of the source": must(encode(memberListKey(id, "", listPlace), MemberList{})),
		"memberListKey of excluded":   must(encode(memberListKey(id, d.Settings.Exclude.Group, listPlace), MemberList{})),
		"accountListKey":              must(encode(accountListKey(id, group, listPlace), AccountList{})), "accountListKey part": must(encode(accountListKey(id, group, "part"), accountsPart{})),
		"exclusionKey": must(encode(exclusionKey(id, d.Settings.Exclude.Group), Exclusion{Directory: id})), "excludedKey": must(excludedMember{Directory: id, Group: d.Settings.Exclude.Group, User: user}.item()),
		"excludedKey of a former group": must(excludedMember{Directory: id, Group: "former", User: user}.item()),
		"countsKey":                     must(encode(countsKey(id), Counts{Directory: id})), "lastJobKey resync": must(encode(lastJobKey(id, Resync), LastJob{Directory: id})), "lastJobKey plan": must(encode(lastJobKey(id, Plan), LastJob{Directory: id})),
		"changesKey accounts": must(encode(changesKey(id, TrackedAccounts), ChangesLink{Directory: id})), "changesKey groups": must(encode(changesKey(id, TrackedGroups), ChangesLink{Directory: id})),
		"changesKey blockers": must(encode(changesKey(id, TrackedBlockers), ChangesLink{Directory: id})),
		"counterKey":          made(Counter{Open: "hold"}.put(counterKey(id, plan.Removals, ""), now)), "counterKey of a group": made(Counter{}.put(counterKey(id, plan.Removals, group), now)),
		"holdKey": made(hold.put()), "holdKey rejected": made(rejected.put()), "HeldItem.key": made(HeldItem{Hold: "hold", Directory: id, Kind: plan.Removals, User: user}.put()),
	}
}
