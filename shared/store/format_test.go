package store

import (
	"encoding/json"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/goldentest"
	"entrasync/shared/plan"
)

// Later versions can read what is stored in the table.
func TestRecordsKeepTheirFormat(t *testing.T) {
	goldentest.Kept(t, "organization", goldentest.Filled[directory.Organization]())
	goldentest.Kept(t, "directory", goldentest.Filled[directory.Directory]())
	goldentest.Kept(t, "tenant-claim", goldentest.Filled[tenantClaim]())
	goldentest.Kept(t, "connection", goldentest.Filled[directory.Connection]())
	goldentest.Kept(t, "link", goldentest.Filled[directory.Link]())
	goldentest.Kept(t, "group-connection", goldentest.Filled[directory.GroupConnection]())
	goldentest.Kept(t, "group-link", goldentest.Filled[directory.GroupLink]())
	goldentest.Kept(t, "member", goldentest.Filled[directory.Member]())
	goldentest.Kept(t, "member-list", goldentest.Filled[MemberList]())
	goldentest.Kept(t, "listed-part", goldentest.Filled[listedPart]())
	goldentest.Kept(t, "account-list", goldentest.Filled[AccountList]())
	goldentest.Kept(t, "accounts-part", goldentest.Filled[accountsPart]())
	goldentest.Kept(t, "exclusion", goldentest.Filled[Exclusion]())
	goldentest.Kept(t, "excluded-member", goldentest.Filled[excludedMember]())
	goldentest.Kept(t, "within", goldentest.Filled[Within]())
	goldentest.Kept(t, "mark", goldentest.Filled[Mark]())
	goldentest.Kept(t, "check", goldentest.Filled[Check]())
	goldentest.Kept(t, "sent", goldentest.Filled[Sent]())
	goldentest.Kept(t, "sweep-place", goldentest.Filled[sweepPlace]())
	goldentest.Kept(t, "rollout", goldentest.Filled[Rollout]())
	goldentest.Kept(t, "domainwatch", goldentest.Filled[DomainWatch]())
	goldentest.Kept(t, "owner", goldentest.Filled[Owner]())
	goldentest.Kept(t, "former-owner", goldentest.Filled[former]())
	goldentest.Kept(t, "wait", goldentest.Filled[Wait]())
	waiting := goldentest.Filled[Waiting]()
	waiting.Task = json.RawMessage(`"Task"`)
	goldentest.Kept(t, "waiting", waiting)
	goldentest.Kept(t, "lease", goldentest.Filled[Lease]())
	goldentest.Kept(t, "doubt", goldentest.Filled[Doubt]())
	goldentest.Kept(t, "turn", goldentest.Filled[turn]())
	goldentest.Kept(t, "stranded", goldentest.Filled[Stranded]())
	goldentest.Kept(t, "imported", goldentest.Filled[Imported]())
	goldentest.Kept(t, "import", goldentest.Filled[Import]())
	goldentest.Kept(t, "import-chunk", goldentest.Filled[ImportChunk]())
	goldentest.Kept(t, "import-stop", goldentest.Filled[Stop]())
	goldentest.Kept(t, "job", goldentest.Filled[Job]())
	goldentest.Kept(t, "open-job", goldentest.Filled[OpenJob]())
	goldentest.Kept(t, "last-job", goldentest.Filled[LastJob]())
	goldentest.Kept(t, "finding", goldentest.Filled[Finding]())
	goldentest.Kept(t, "changes-link", goldentest.Filled[ChangesLink]())
	goldentest.Kept(t, "shown-part", goldentest.Filled[ShownPart]())
	goldentest.Kept(t, "catch-up", goldentest.Filled[CatchUp]())
	goldentest.Kept(t, "authorization", goldentest.Filled[Authorization]())
	goldentest.Kept(t, "counts", goldentest.Filled[Counts]())
	goldentest.Kept(t, "throttled", goldentest.Filled[Throttled]())
	goldentest.Kept(t, "seen", goldentest.Filled[Seen]())
	goldentest.Kept(t, "credential-notice", goldentest.Filled[CredentialNotice]())
	goldentest.Kept(t, "credential-check", goldentest.Filled[credentialCheck]())
	goldentest.Kept(t, "hold", goldentest.Filled[Hold]())
	goldentest.Kept(t, "held-item", goldentest.Filled[HeldItem]())
	goldentest.Kept(t, "counter", goldentest.Filled[Counter]())
	goldentest.Kept(t, "action", goldentest.Filled[plan.Action]())
}
