package machine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"entrasync/scripts/machine"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/metric"
)

// copied waits until the copy of the day has been made, which happens at the second
// start, and gives its path.
func (p *product) copied() string {
	p.t.Helper()
	made := metric.Key("table_copies", "outcome", "made")
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for range 2000 {
		if p.machine.Metrics.Counts()[made] > 0 {
			copies, err := filepath.Glob(filepath.Join(p.folder, "backup", "table-*.db"))
			if err != nil || len(copies) != 1 {
				p.t.Fatalf("copies %q (%v), want 1", copies, err)
			}
			return copies[0]
		}
		<-poll.C
	}
	p.t.Fatal("no copy was made within 10 s, want 1")
	return ""
}

// A user who is suspended in JumpCloud is disabled after a copy was put back, whatever the
// state was when the copy was made and in between.
func TestAfterARestoreNothingIsTakenForDone(t *testing.T) {
	p := start(t)
	jc := func() *jumpcloudtest.Simulator { return p.machine.JumpCloud }
	ada, alan := jc().Users()[0], jc().Users()[1]
	group, err := jc().CreateGroup("Pioneers")
	p.must(err)
	p.connect(ada.Text("_id"))
	p.call("PUT", "/v1/directories/"+p.directory+"/connections/groups/"+group, nil, 202)
	p.settle()
	p.must(jc().SuspendUser(ada.Text("_id")))
	p.settle()
	if p.account(ada.Text("email")).AccountEnabled {
		t.Fatal("ada is suspended and enabled, want disabled")
	}

	p.close()
	p.open()
	path := p.copied()
	p.must(jc().UpdateUser(ada.Text("_id"), jumpcloudtest.Fields{"state": "ACTIVATED", "suspended": false}))
	p.settle()
	if !p.account(ada.Text("email")).AccountEnabled {
		t.Fatal("ada is activated and disabled, want enabled")
	}
	jc().Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 }) // these changes send no webhook
	p.must(jc().SuspendUser(ada.Text("_id")))
	p.must(jc().AddMember(group, alan.Text("_id")))
	p.settle()

	config := p.machine.Config
	if _, err := machine.Restore(t.Context(), config, ""); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a restore while it runs: %v, want that the folder is in use", err)
	}
	p.close()
	done, err := machine.Restore(t.Context(), config, "")
	if err != nil || done.Copy != path {
		t.Fatalf("restored %+v (%v), want %s", done, err, path)
	}
	p.open()
	p.settle()
	if p.account(ada.Text("email")).AccountEnabled {
		t.Error("ada is suspended and enabled after the restore, want disabled")
	}
	p.mustHave("after the restore", "Pioneers", "Alan")
	p.mustStand("after the restore", ada.Text("_id"), "disabled", "suspended", "direct")
	if _, err := os.Stat(filepath.Join(p.folder, "restored")); !os.IsNotExist(err) {
		t.Errorf("the marker of the restore: %v, want that it is gone", err)
	}
	if n := strings.Count(p.log.String(), "the table is an older copy"); n != 1 {
		t.Errorf("the restore is logged %d times, want once", n)
	}
}
