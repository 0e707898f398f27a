package store

import (
	"testing"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/goldentest"
	"entrasync/shared/plan"
)

// No two sorts of records have the same key part: in one partition a list of the one
// would show the other.
func TestKeyPartsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, part := range []string{
		organizationPart, directoryPart, userPart, connectionPart, linkPart, actionPart, tenantPart, entraPart, passwordPart, groupPart,
		memberPart, dirtyPart, withinPart, noticePart, leasePart, doubtPart, waitPart, listPart, unfinishedPart, sweepPart, strandedPart, importPart, importedPart,
		jobPart, changesPart, catchUpPart, seenPart, credentialPart, excludedPart, waitingPart, healthPart, guardPart, authorizationPart,
	} {
		if seen[part] {
			t.Errorf("two key parts are %q, want each once", part)
		}
		seen[part] = true
	}
}

// Records stay where they are: the next version finds them by the same keys.
func TestKeysKeepTheirForm(t *testing.T) {
	const organization, user, group, tenant, account = directory.OrganizationID("org"), directory.UserID("user"), directory.GroupID("group"), directory.TenantID("Tenant"), directory.EntraID("account")
	id := directory.NewID(organization, "main")
	goldentest.Kept(t, "keys", map[string]Key{
		"organization": organizationKey(organization), "directory": directoryKey(id), "tenant claim": tenantClaimKey("contoso.example"),
		"connection": connectionKey(id, user), "link": linkKey(id, user),
		"group connection": groupConnectionKey(id, group), "group link": groupLinkKey(id, group), "lease": leaseKey(id, group),
		"within": withinKey(Within{Directory: id, Outer: group, Inner: "inner"}),
		"member": memberKey(id, group, user), "mark": dirtyKey(id, group, user), "notice": noticeKey(id, group, user),
		"owner": ownerKey(tenant, account), "former owner": formerKey(tenant, account, id), "turn": turnKey(organization, user), "password key": passwordKeyKey,
		"catch-up": catchUpKey(organization), "seen": {PK: seenPK(organization, "catch_up"), SK: seenPlace(time.Date(2026, 3, 2, 9, 14, 7, 0, time.UTC))},
		"authorization": authorizationKey("id"),
		"counts":        countsKey(id), "throttled": throttledKey(tenant),
		"imported": importedKey(tenant, organization, user),
		"import":   {PK: importPK("id"), SK: importSK}, "import stop": {PK: importPK("id"), SK: stopSK}, "import chunk": chunkKey("id", 7), "open import": {PK: openImportsPK, SK: "id"},
		"domain watch": DomainWatch{Directory: id, Awaits: directory.DomainWait{Reason: directory.DomainNotVerified, Domain: "contoso.example"}}.key(),
		"rollout":      rolloutKey(id, Selection{}), "retry of many": rolloutKey(id, Selection{Kind: "user", Status: directory.Parked, Reason: directory.DomainNotVerified}), "check": sweepKey(id, checkPart, user, ""),
		"job": jobKey("id"), "open job": openJobKey(id, Resync), "open deactivation": openJobKey(id, Deactivation), "last job": lastJobKey(id, Resync), "finding of a user": Finding{User: user}.key("id"), "finding of a group": Finding{Group: group}.key("id"),
		"changes": changesKey(id, TrackedAccounts), "shown": {PK: shownPK("id", TrackedAccounts), SK: "000007"},
		"doubt":     Doubt{Directory: id, What: UserInGroup, User: user, Group: group}.key(),
		"exclusion": exclusionKey(id, group), "excluded": excludedKey(id, group, user),
		"credential notice": credentialNoticeKey(organization), "credential notice of the deployment": credentialNoticeKey(""), "credential check": credentialCheckKey,
		"waiting": {PK: waitingPK(id), SK: Waiting{Kind: "user", ID: "id"}.prefix()}, "urgent waiting": {PK: waitingPK(id), SK: Waiting{Kind: "group", ID: "id", Urgent: true}.prefix()},
		"counter": counterKey(id, plan.Removals, ""), "counter of a group": counterKey(id, plan.Removals, group), "hold": holdKey(id, "id"),
		"held": HeldItem{Directory: id, Kind: plan.Suspensions, User: user}.key(), "held in a group": HeldItem{Directory: id, Kind: plan.Removals, Account: account, Group: group}.key(),
		"action": {PK: organizationPK(organization) + "#" + actionPart, SK: "id"},
	})
}
