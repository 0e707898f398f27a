package deployment_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"entrasync/scripts/lambda/deployment"
	"entrasync/shared/aws/awstest"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/redirect"
)

// chosen is one more than an answer of the API shows the lines of.
const chosen = 101

// importing is an import as the API shows it.
type importing struct {
	ID       string `json:"jobId"`
	Status   string
	Message  string
	Imported int
	Failed   int
	File     string `json:"resultsUrl"`
	Mail     string
}

// imports imports users as an administrator does: they are chosen, and when the mail comes,
// its link is followed by a browser that has no token.
func imports(t *testing.T, d *deployment.Deployment, log *journal) {
	job := startImport(t, d)
	path := "/v1/imports/" + job.ID
	for deadline := time.Now().Add(patience); job.File == ""; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s the import is %+v, want one that has ended", patience, job)
		}
		if err := d.Administrator.Call(t.Context(), http.MethodGet, path, nil, &job); err != nil {
			t.Fatal(err)
		}
	}
	if job.Status != "finished" || job.Imported != chosen || job.Failed != 0 || job.Mail != "sent" {
		t.Errorf("the import ended as %+v, want it finished, %d imported and the mail sent", job, chosen)
	}
	link := mailedLink(t, job.ID)
	if !strings.HasPrefix(link, d.Administrator.API+path+"/results?key=") {
		t.Fatalf("the link in the mail is %s, want one of the API", link)
	}
	file := follow(t, link)
	lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file, "\ufeff"))).ReadAll()
	if err != nil || len(lines) != chosen+1 {
		t.Fatalf("the file has %d lines (%v), want %d and one of titles:\n%s", len(lines), err, chosen, file)
	}
	for _, line := range lines[1:] {
		if line[0] != "imported" || line[len(line)-1] == "" {
			t.Errorf("a line is %q, want imported, with the id of the user", line)
		}
	}
	if status, _ := get(t, link[:len(link)-4]+"NONE"); status != http.StatusUnauthorized {
		t.Errorf("another key: %d, want %d", status, http.StatusUnauthorized)
	}
	if _, key, _ := strings.Cut(link, "key="); key == "" || strings.Contains(log.String(), key) {
		t.Errorf("the key %q of the link is in the log", key)
	}
	if dead := deadLetters(t, d); len(dead) > 0 {
		t.Errorf("dead letters: %v, want none", dead)
	}
}

// startImport adds accounts to the tenant and has them imported.
func startImport(t *testing.T, d *deployment.Deployment) (job importing) {
	t.Helper()
	directories, err := d.Store.Directories(t.Context(), 0, "")
	if err != nil || len(directories.Items) != 1 {
		t.Fatalf("%d directories (%v), want 1", len(directories.Items), err)
	}
	tenant := d.Entra.Tenant(string(d.Administrator.Tenant))
	var ids []string
	for n := range chosen {
		alias := fmt.Sprintf("visitor%03d", n)
		added, err := tenant.AddUser(entratest.User{UserPrincipalName: alias + "@contoso.example", DisplayName: alias, AccountEnabled: true,
			Properties: map[string]any{"mailNickname": alias, "givenName": "Visitor", "surname": fmt.Sprint("No. ", n)}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, added.ID)
	}
	if err := d.Administrator.Call(t.Context(), http.MethodPost, "/v1/directories/"+string(directories.Items[0].ID)+"/imports",
		map[string]any{"userIds": ids, "notify": []string{"ann@contoso.example"}}, &job); err != nil {
		t.Fatal(err)
	}
	return job
}

// mailedLink is the link in the mail about an import, as SES has sent it.
func mailedLink(t *testing.T, id string) string {
	t.Helper()
	server, err := awstest.SESLocal.URL()
	if err != nil {
		t.Fatal(err)
	}
	status, body := get(t, server+"/store")
	var sent struct {
		Emails []struct {
			Destination struct{ To []string }
			Body        struct{ Text string }
		}
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatalf("%d: %v", status, err)
	}
	for _, mail := range sent.Emails {
		if found := regexp.MustCompile(`https?://\S+` + id + `/results\?key=\w+`).FindString(mail.Body.Text); found != "" {
			if to := strings.Join(mail.Destination.To, ","); to != "ann@contoso.example" {
				t.Errorf("the mail went to %s, want the address that was named", to)
			}
			return found
		}
	}
	t.Fatalf("SES has sent no mail about the import %s:\n%s", id, body)
	return ""
}

// follow gets what a link leads to.
func follow(t *testing.T, link string) string {
	t.Helper()
	status, address := get(t, link)
	if status != http.StatusFound {
		t.Fatalf("the link answers with %d, want %d: %s", status, http.StatusFound, address)
	}
	status, file := get(t, address)
	if status != http.StatusOK {
		t.Fatalf("the address that the link leads to answers with %d, want %d: %s", status, http.StatusOK, file)
	}
	return file
}

// get gets an address without a token: the body, or the address to which the answer leads.
func get(t *testing.T, address string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{CheckRedirect: redirect.FollowNone}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if to := response.Header.Get("Location"); to != "" {
		return response.StatusCode, to
	}
	return response.StatusCode, string(body)
}
