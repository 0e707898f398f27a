package deployment_test

import (
	"net/http"
	"testing"
	"time"

	"entrasync/scripts/lambda/deployment"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// resync is a resync as the API shows it.
type resync struct {
	ID       string `json:"jobId"`
	Status   string
	Phase    string
	By       string
	Message  string
	Found    int
	Repaired int
}

// resyncs loses every webhook about a change, and does not read the feed: the schedule compares
// the directory and finds the change, and so does a resync that an administrator asks for.
func resyncs(t *testing.T, d *deployment.Deployment) {
	tenant := d.Entra.Tenant(string(d.Administrator.Tenant))
	const upn = "nora.berg@contoso.example"
	var list struct{ Items []struct{ ID string } }
	read(t, d, "/v1/directories", &list)
	path := "/v1/directories/" + list.Items[0].ID
	rename := func(surname string) {
		t.Helper()
		d.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
		defer d.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 0 })
		for _, user := range d.JumpCloud.Users() {
			if user.Text("email") != upn {
				continue
			}
			if err := d.JumpCloud.UpdateUser(user.Text("id"), jumpcloudtest.Fields{"lastname": surname}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ended := func(scheduled bool, surname string, last func() resync) {
		t.Helper()
		job := last()
		for deadline := time.Now().Add(patience); job.Status != "finished" && job.Status != "failed"; job = last() {
			if time.Now().After(deadline) {
				t.Fatalf("after %s the resync is %+v, want one that has ended", patience, job)
			}
			time.Sleep(100 * time.Millisecond)
		}
		account, _ := tenant.User(upn)
		if got := account.Text("surname"); got != surname || job.Status != "finished" || (job.By == "the schedule") != scheduled || job.Found < 1 || job.Repaired < 1 {
			t.Errorf("the resync ended as %+v, and her surname is %s; want it finished (scheduled: %t), with one difference repaired, and %s", job, got, scheduled, surname)
		}
	}

	rename("Lind")
	ended(true, "Lind", func() (job resync) {
		var jobs struct{ Items []resync }
		if read(t, d, path+"/jobs", &jobs); len(jobs.Items) == 0 { // its time has not come
			if err := d.Fire("ResyncFunction"); err != nil {
				t.Fatal(err)
			}
			return job
		}
		return jobs.Items[0]
	})
	settle(t, d)

	rename("Holm")
	var begun resync
	if err := d.Administrator.Call(t.Context(), http.MethodPost, path+"/resync", nil, &begun); err != nil {
		t.Fatal(err)
	}
	ended(false, "Holm", func() (job resync) {
		read(t, d, "/v1/jobs/"+begun.ID, &job)
		return job
	})
	settle(t, d)
}

// read reads something from the API.
func read(t *testing.T, d *deployment.Deployment, path string, into any) {
	t.Helper()
	if err := d.Administrator.Call(t.Context(), http.MethodGet, path, nil, into); err != nil {
		t.Fatal(err)
	}
}
