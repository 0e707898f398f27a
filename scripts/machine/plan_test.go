package machine_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// With real HTTP: a group is planned before it is connected, a plan of a resync is a job with
// pages and a file, and nothing was written.
func TestPlans(t *testing.T) {
	p := start(t)
	group, err := p.machine.JumpCloud.CreateGroup("Design")
	p.must(err)
	ina := p.hire("ina")
	p.must(p.machine.JumpCloud.AddMember(group, ina))
	p.settle()
	directory := "/v1/directories/" + p.directory
	before := p.machine.Entra.Counters().WriteUnits

	planned := p.call("PUT", directory+"/connections/groups/"+group+"?dryRun=true", nil, 200)
	if counts, _ := planned["counts"].(map[string]any); counts["provision"] != 1.0 || counts["create_group"] != 1.0 || planned["status"] != "finished" {
		t.Errorf("got %v, want an account and a group to be created", planned)
	}
	job, _ := p.call("POST", directory+"/resync", map[string]bool{"dryRun": true}, 202)["jobId"].(string)
	for p.call("GET", "/v1/jobs/"+job, nil, 200)["status"] != "finished" {
		p.settle()
	}
	if counts, _ := p.call("GET", directory+"/plan", nil, 200)["counts"].(map[string]any); len(counts) > 0 {
		t.Errorf("got %v, want that nothing would be done", counts)
	}
	if units := p.machine.Entra.Counters().WriteUnits; units != before {
		t.Errorf("%d units were written by plans, want none", units-before)
	}
	if file := p.download("/v1/jobs/" + job + "/plan/file"); !strings.HasPrefix(strings.TrimPrefix(file, "\ufeff"), "type,status,kind") {
		t.Errorf("the file is %q, want its columns", file)
	}
	p.call("PUT", directory+"/connections/groups/"+group, nil, 202)
	p.settle()
	p.mustHave("connected", "Design", "ina")
}

// download follows the redirect of a file.
func (p *product) download(path string) string {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.machine.URL()+path, nil)
	p.must(err)
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := http.DefaultClient.Do(request)
	p.must(err)
	body, err := io.ReadAll(response.Body)
	p.must(err)
	p.must(response.Body.Close())
	if response.StatusCode != http.StatusOK {
		var problem map[string]any
		_ = json.Unmarshal(body, &problem)
		p.t.Fatalf("%s: %d %v, want the file", path, response.StatusCode, problem)
	}
	return string(body)
}
