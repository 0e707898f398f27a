package deployment_test

import (
	"encoding/json"
	"strings"
	"testing"

	"entrasync/scripts/lambda/deployment"
	"entrasync/shared/aws/awstest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// atLevelWarn puts the product up with the parameter LogLevel at warn and syncs one
// user: what the alarms count still reaches the log groups, and what is less
// important does not.
func atLevelWarn(t *testing.T, bootstraps map[string]string) {
	log := &journal{}
	d, err := deployment.Start(t.Context(), deployment.Config{Root: root, Name: awstest.Name("warn"), Bootstraps: bootstraps, Log: log,
		Parameters: map[string]string{"LogLevel": "warn"}})
	if err != nil {
		t.Fatal(err)
	}
	contoso, err := d.Administrator.CreateDirectory(t.Context(), "Contoso")
	if err != nil {
		t.Fatal(err)
	}
	ada, _ := d.JumpCloud.Users()[0]["_id"].(string)
	if err := d.Administrator.Connect(t.Context(), contoso, ada); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	if err := d.JumpCloud.UpdateUser(ada, jumpcloudtest.Fields{"jobTitle": "Countess"}); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
	counted := map[string]int{}
	for line := range strings.Lines(log.String()) {
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Errorf("the line %s is not JSON: %v", line, err)
		}
		if said["function"] != nil && said["level"] != "warn" && said["level"] != "error" {
			t.Errorf("the level of a line is %v, want warn or error: %s", said["level"], line)
		}
		for name := range said {
			counted[name]++
		}
	}
	for _, metric := range []string{"webhook_requests", "fanout_events", "users_settled", "actions"} {
		if counted[metric] == 0 {
			t.Errorf("no line of the log has the metric %s, want at least 1:\n%s", metric, log.end())
		}
	}
}
