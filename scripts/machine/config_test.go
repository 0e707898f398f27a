package machine_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"entrasync/scripts/machine"
	"entrasync/scripts/simulated/onemachine"
	"entrasync/shared/fault"
)

// realSystems are the variables of a product without simulators.
var realSystems = map[string]string{
	"JUMPCLOUD_API_URL": "https://console.jumpcloud.com/api", "JUMPCLOUD_API_KEY": "k", "JUMPCLOUD_ORG_ID": "5f0c1e2d3a4b5c6d7e8f9012",
	"GRAPH_URL": "https://graph.microsoft.com/v1.0", "ENTRA_LOGIN_URL": "https://login.microsoftonline.com", "ENTRA_CLIENT_ID": "app", "ENTRA_CLIENT_SECRET": "s",
}

// configWith reads them with some changed.
func configWith(change map[string]string) (machine.Config, error) {
	return machine.ConfigFrom(func(name string) string {
		if value, changed := change[name]; changed {
			return value
		}
		return realSystems[name]
	})
}

// The error names the variable of a wrong value, what is wrong, and an example.
func TestConfigFrom(t *testing.T) {
	const long = "0123456789abcdef"
	for _, tc := range []struct {
		name   string
		change map[string]string
		want   string // in the error; "" for none
	}{
		{"everything named", nil, ""},
		{"no API key", map[string]string{"JUMPCLOUD_API_KEY": ""}, "JUMPCLOUD_API_KEY is missing: JUMPCLOUD_API_URL is set"},
		{"no organization", map[string]string{"JUMPCLOUD_ORG_ID": " "}, "JUMPCLOUD_ORG_ID is missing"},
		{"no login", map[string]string{"ENTRA_LOGIN_URL": ""}, "ENTRA_LOGIN_URL is missing"},
		{"no client id", map[string]string{"ENTRA_CLIENT_ID": ""}, "ENTRA_CLIENT_ID is missing"},
		{"no client secret", map[string]string{"ENTRA_CLIENT_SECRET": ""}, "ENTRA_CLIENT_SECRET is missing"},
		{"login without Graph", map[string]string{"GRAPH_URL": ""}, "GRAPH_URL is missing"},
		{"Directory Insights without JumpCloud", map[string]string{"JUMPCLOUD_API_URL": "", "JUMPCLOUD_INSIGHTS_URL": "https://api.jumpcloud.com/insights/directory/v1"}, "JUMPCLOUD_API_URL is missing"},
		{"JumpCloud by plain http", map[string]string{"JUMPCLOUD_API_URL": "http://console.jumpcloud.com/api"}, "JUMPCLOUD_API_URL is \"http://console"},
		{"Graph that is no address", map[string]string{"GRAPH_URL": "graph"}, "GRAPH_URL is \"graph\""},
		{"a public address by plain http", map[string]string{"ENTRASYNC_PUBLIC_URL": "http://entrasync.example.com"}, "ENTRASYNC_PUBLIC_URL is \"http://entrasync"},
		{"a public address", map[string]string{"ENTRASYNC_PUBLIC_URL": "https://entrasync.example.com/"}, ""},
		{"an address without a host", map[string]string{"GRAPH_URL": "https:///v1.0"}, "GRAPH_URL is \"https:///v1.0\""},
		{"an address without a scheme", map[string]string{"GRAPH_URL": "graph.microsoft.com/v1.0"}, "GRAPH_URL is \"graph.microsoft.com/v1.0\""},
		{"an address with a query", map[string]string{"GRAPH_URL": "https://graph.microsoft.com/v1.0?x=1"}, "GRAPH_URL is"},
		{"sign-in by plain http", map[string]string{"ENTRA_LOGIN_URL": "http://evil.example"}, "ENTRA_LOGIN_URL is"},
		{"plain http on this machine", map[string]string{"GRAPH_URL": "http://127.0.0.1:9/v1.0", "ENTRA_LOGIN_URL": "http://localhost:9"}, ""},
		{"plain http on this machine, IPv6", map[string]string{"GRAPH_URL": "http://[::1]:9/v1.0"}, ""},
		{"webhook tokens that are none", map[string]string{"ENTRASYNC_WEBHOOK_TOKEN": " , "}, "ENTRASYNC_WEBHOOK_TOKEN holds 0 tokens"},
		{"three webhook tokens", map[string]string{"ENTRASYNC_WEBHOOK_TOKEN": "a,b,c"}, "ENTRASYNC_WEBHOOK_TOKEN holds 3 tokens"},
		{"a token that is no token", map[string]string{"ENTRASYNC_ADMIN_TOKEN": "pass word " + long}, "ENTRASYNC_ADMIN_TOKEN has a character"},
		{"a short token on loopback", map[string]string{"ENTRASYNC_ADMIN_TOKEN": "x"}, ""},
		{"a short token on localhost", map[string]string{"ENTRASYNC_ADMIN_TOKEN": "x", "ENTRASYNC_ADDR": "localhost:8080"}, ""},
		{"a short token on IPv6's loopback", map[string]string{"ENTRASYNC_ADMIN_TOKEN": "x", "ENTRASYNC_ADDR": "[::1]:8080"}, ""},
		{"a short token for everybody", map[string]string{"ENTRASYNC_ADMIN_TOKEN": long[:15], "ENTRASYNC_ADDR": "0.0.0.0:8080"}, "ENTRASYNC_ADMIN_TOKEN has a token of 15 characters"},
		{"a short token for everybody, no host", map[string]string{"ENTRASYNC_ADMIN_TOKEN": long[:15], "ENTRASYNC_ADDR": ":8080"}, "ENTRASYNC_ADMIN_TOKEN has a token of 15 characters"},
		{"a token of 16 for everybody", map[string]string{"ENTRASYNC_ADMIN_TOKEN": long, "ENTRASYNC_ADDR": "0.0.0.0:8080"}, ""},
		{"the second webhook token is short", map[string]string{"ENTRASYNC_WEBHOOK_TOKEN": long + ",short", "ENTRASYNC_ADDR": "192.0.2.1:8080"}, "ENTRASYNC_WEBHOOK_TOKEN has a token of 5 characters"},
		{"no token for everybody", map[string]string{"ENTRASYNC_ADDR": "0.0.0.0:8080"}, ""},
		{"a key with a line end in it", map[string]string{"JUMPCLOUD_API_KEY": "canary\nkey"}, "JUMPCLOUD_API_KEY has a blank"},
		{"a secret with quotation marks and blanks", map[string]string{"ENTRA_CLIENT_SECRET": "canary secret"}, "ENTRA_CLIENT_SECRET has a blank"},
		{"a password in an address", map[string]string{"GRAPH_URL": "https://me:canary@graph.microsoft.com"}, "GRAPH_URL has a user name"},
		{"a catch-up every five minutes", map[string]string{"ENTRASYNC_CATCHUP_EVERY": "5m"}, ""},
		{"a catch-up that is no time", map[string]string{"ENTRASYNC_CATCHUP_EVERY": "5"}, "ENTRASYNC_CATCHUP_EVERY is \"5\": it must be a time with its unit, such as 1m"},
		{"a catch-up that is too often", map[string]string{"ENTRASYNC_CATCHUP_EVERY": "100ms"}, "ENTRASYNC_CATCHUP_EVERY is 100ms: it must be between 1s and 168h0m0s"},
		{"a catch-up that is too rare", map[string]string{"ENTRASYNC_CATCHUP_EVERY": "169h"}, "ENTRASYNC_CATCHUP_EVERY is 169h"},
		{"no port", map[string]string{"ENTRASYNC_ADDR": "localhost"}, "ENTRASYNC_ADDR is \"localhost\""},
		{"a port that is a name", map[string]string{"ENTRASYNC_ADDR": "127.0.0.1:http"}, "ENTRASYNC_ADDR is \"127.0.0.1:http\""},
		{"a port that is none", map[string]string{"ENTRASYNC_ADDR": "127.0.0.1:70000"}, "ENTRASYNC_ADDR is"},
		{"odd organization", map[string]string{"JUMPCLOUD_ORG_ID": "a-b"}, "JUMPCLOUD_ORG_ID is \"a-b\""},
		{"an organization of 23 digits", map[string]string{"JUMPCLOUD_ORG_ID": "5f0c1e2d3a4b5c6d7e8f901"}, "JUMPCLOUD_ORG_ID is"},
		{"an organization's name", map[string]string{"JUMPCLOUD_ORG_ID": "Contoso"}, "JUMPCLOUD_ORG_ID is \"Contoso\""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := configWith(tc.change)
			if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error = %v, want %q", err, tc.want)
			}
			if err != nil && !strings.Contains(err.Error(), "such as") {
				t.Errorf("error = %v, want one with an example", err)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("error = %v, want one without the secret", err)
			}
		})
	}
}

// The error names all wrong variables at once, a line each.
func TestAllWrongVariablesAreSaidAtOnce(t *testing.T) {
	_, err := configWith(map[string]string{
		"ENTRASYNC_ADDR": "0.0.0.0:8080", "ENTRASYNC_ADMIN_TOKEN": "short", "ENTRASYNC_WEBHOOK_TOKEN": "brief", "JUMPCLOUD_ORG_ID": "x", "GRAPH_URL": "y", "ENTRA_CLIENT_ID": "",
	})
	if err == nil {
		t.Fatal("no error, want one about five variables")
	}
	var named []string
	for line := range strings.Lines(err.Error()) {
		name, _, _ := strings.Cut(line, " ")
		named = append(named, name)
	}
	want := []string{"ENTRASYNC_ADMIN_TOKEN", "ENTRASYNC_WEBHOOK_TOKEN", "JUMPCLOUD_ORG_ID", "GRAPH_URL", "ENTRA_CLIENT_ID"}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Errorf("the variables of the error %v (-want +got):\n%s", err, diff)
	}
}

// Without simulators every variable of an outside system has to be set. The start names
// those that are missing, one a line, and leaves the data folder alone.
func TestAMachineWithoutSimulatorsNeedsEveryVariable(t *testing.T) {
	jumpcloud := []string{"JUMPCLOUD_API_URL", "JUMPCLOUD_API_KEY", "JUMPCLOUD_ORG_ID"}
	entra := []string{"GRAPH_URL", "ENTRA_LOGIN_URL", "ENTRA_CLIENT_ID", "ENTRA_CLIENT_SECRET"}
	for name, missing := range map[string][]string{"all": slices.Concat(jumpcloud, entra), "JumpCloud": jumpcloud, "Entra": entra} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "data")
			change := map[string]string{"ENTRASYNC_ADDR": "127.0.0.1:0", "ENTRASYNC_DATA": folder}
			for _, variable := range missing {
				change[variable] = ""
			}
			c, err := configWith(change)
			if err != nil {
				t.Fatal(err)
			}
			m, err := machine.Start(t.Context(), c, zerolog.Nop())
			if err == nil {
				t.Fatalf("it starts, and needs %v: %v", missing, m.Stop())
			}
			var named []string
			for line := range strings.Lines(fault.Of(err).Message) {
				variable, rest, _ := strings.Cut(line, " ")
				named = append(named, variable)
				if want := "is missing, and no simulator is plugged in: set it, such as " + examples[variable]; strings.TrimSpace(rest) != want {
					t.Errorf("%s %q, want %q", variable, rest, want)
				}
			}
			if diff := cmp.Diff(missing, named); diff != "" || !fault.Is(err, fault.Invalid) {
				t.Errorf("%v, of kind %v, want kind %v; variables (-want +got):\n%s", err, fault.Of(err).Kind, fault.Invalid, diff)
			}
			if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the data folder: %v, want none", err)
			}
		})
	}
}

func TestAMachineWithoutSimulatorsStarts(t *testing.T) {
	const nobody = "http://127.0.0.1:1"
	c, err := configWith(map[string]string{
		"ENTRASYNC_ADDR": "127.0.0.1:0", "ENTRASYNC_DATA": t.TempDir(), "JUMPCLOUD_API_URL": nobody, "GRAPH_URL": nobody, "ENTRA_LOGIN_URL": nobody,
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := machine.Start(t.Context(), c, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	var described bytes.Buffer
	m.Describe(&described)
	if got, want := described.String(), "GRAPH_URL                "+nobody+"\n"; !strings.Contains(got, want) || strings.Contains(got, "simulat") {
		t.Errorf("it describes itself with\n%s, want %q and no simulator", got, want)
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
}

// Simulators that fail at start are stopped, and the start fails with their error.
func TestSimulatorsThatFailAreStopped(t *testing.T) {
	c, err := configWith(map[string]string{"ENTRASYNC_ADDR": "127.0.0.1:0", "ENTRASYNC_DATA": t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	broken, stopped := errors.New("no simulator today"), 0
	c.Simulate = func(*machine.Config) (func() error, error) {
		return func() error { stopped++; return nil }, broken
	}
	m, err := machine.Start(t.Context(), c, zerolog.Nop())
	if m != nil || !errors.Is(err, broken) || stopped != 1 {
		t.Errorf("started: %t, error %v, stopped %d times; want not started, %v, once", m != nil, err, stopped, broken)
	}
}

func TestConfigDefaults(t *testing.T) {
	c, err := machine.ConfigFrom(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(machine.Config{Addr: "127.0.0.1:8080", Data: ".local", CatchUpEvery: "1m", ResyncEvery: "24h"}, c); diff != "" {
		t.Errorf("the defaults (-want +got):\n%s", diff)
	}
}

func TestTheOrganizationIsWrittenAsJumpCloudDoes(t *testing.T) {
	c, err := configWith(map[string]string{"JUMPCLOUD_ORG_ID": "5F0C1E2D3A4B5C6D7E8F9012"})
	if err != nil || c.Organization != "5f0c1e2d3a4b5c6d7e8f9012" {
		t.Errorf("the organization is %q (%v), want it in lower case", c.Organization, err)
	}
}

func TestUnknownVariables(t *testing.T) {
	got := machine.UnknownVariables([]string{
		"PATH=/bin", "HOME=/root", "ENTRASYNC_ADDR=127.0.0.1:1", "ENTRASYNC_ADRR=127.0.0.1:1", "ENTRASYNC_WEBHOOK_TOKENS=canary", "ENTRASYNC_COLOUR=red",
		"GRAPH_URI=x", "JUMPCLOUD_ORGID=x", "JUMPCLOUD_API_KEY=canary", "ENTRA_CLIENT_SECRET=canary", "GRAPHICS=x", "ENTRASYNC_=",
	})
	want := []machine.Unknown{
		{Name: "ENTRASYNC_", Nearest: "ENTRASYNC_ADDR"}, {Name: "ENTRASYNC_ADRR", Nearest: "ENTRASYNC_ADDR"}, {Name: "ENTRASYNC_COLOUR", Nearest: "ENTRASYNC_ADDR"},
		{Name: "ENTRASYNC_WEBHOOK_TOKENS", Nearest: "ENTRASYNC_WEBHOOK_TOKEN"}, {Name: "GRAPH_URI", Nearest: "GRAPH_URL"}, {Name: "JUMPCLOUD_ORGID", Nearest: "JUMPCLOUD_ORG_ID"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unknown variables (-want +got):\n%s", diff)
	}
}

// The help has every variable with its default.
func TestHelp(t *testing.T) {
	var help bytes.Buffer
	machine.Help(&help)
	for _, want := range []string{
		"ENTRASYNC_ADDR", "(default: 127.0.0.1:8080)", "ENTRASYNC_DATA", "(default: .local)", "ENTRASYNC_ADMIN_TOKEN", "ENTRASYNC_WEBHOOK_TOKEN", "JUMPCLOUD_API_URL",
		"JUMPCLOUD_INSIGHTS_URL", "JUMPCLOUD_API_KEY", "JUMPCLOUD_ORG_ID", "GRAPH_URL", "ENTRA_LOGIN_URL", "ENTRA_CLIENT_ID", "ENTRA_CLIENT_SECRET", "restore", "--help",
	} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("the help does not say %s", want)
		}
	}
}

// examples are the examples of the variables that can be wrong or missing.
var examples = map[string]string{
	"ENTRASYNC_ADDR": "127.0.0.1:8080", "ENTRASYNC_ADMIN_TOKEN": "what `openssl rand -hex 24` prints", "ENTRASYNC_WEBHOOK_TOKEN": "what `openssl rand -hex 24` prints",
	"JUMPCLOUD_API_URL": "https://console.jumpcloud.com/api", "JUMPCLOUD_INSIGHTS_URL": "https://api.jumpcloud.com/insights/directory/v1",
	"JUMPCLOUD_API_KEY": "jca_…", "JUMPCLOUD_ORG_ID": "5f0c1e2d3a4b5c6d7e8f9012",
	"GRAPH_URL": "https://graph.microsoft.com/v1.0", "ENTRA_LOGIN_URL": "https://login.microsoftonline.com",
	"ENTRA_CLIENT_ID": "8f1b6c0e-6d1a-4a55-9c83-0d2f7b3e5a10", "ENTRA_CLIENT_SECRET": "abc8Q~…",
}

// An error has the example of its own variable and of no other: with the address of another
// system, that one would get a key that is not for it.
func TestEachVariableHasItsOwnExample(t *testing.T) {
	wrong := map[string][]string{
		"ENTRASYNC_ADDR": {"localhost", "127.0.0.1:x", "a b:1"}, "ENTRASYNC_ADMIN_TOKEN": {"a b"}, "ENTRASYNC_WEBHOOK_TOKEN": {"a b", ",", "a,b,c"},
		"JUMPCLOUD_API_KEY": {"", "a b"}, "JUMPCLOUD_ORG_ID": {"", "x"}, "ENTRA_CLIENT_ID": {""}, "ENTRA_CLIENT_SECRET": {"", "a b"},
		"GRAPH_URL": {""}, "ENTRA_LOGIN_URL": {""},
	}
	for _, name := range []string{"JUMPCLOUD_API_URL", "JUMPCLOUD_INSIGHTS_URL", "GRAPH_URL", "ENTRA_LOGIN_URL"} {
		wrong[name] = append(wrong[name], "host.example", "http://host.example", "https://me:canary@host.example", "https://host.example?x=1", "https://host.example#x", "https://", "%")
	}
	for name, values := range wrong {
		for _, value := range values {
			_, err := configWith(map[string]string{name: value})
			if err == nil || !strings.HasPrefix(err.Error(), name+" ") || !strings.Contains(err.Error(), "such as "+examples[name]) {
				t.Errorf("%s=%q: %v, want the example %s", name, value, err, examples[name])
				continue
			}
			for other, example := range examples {
				if example != examples[name] && strings.Contains(err.Error(), example) {
					t.Errorf("%s=%q: %v, want no example of %s", name, value, err, other)
				}
			}
		}
	}
	_, err := configWith(map[string]string{"JUMPCLOUD_API_URL": "", "JUMPCLOUD_INSIGHTS_URL": "https://api.jumpcloud.com/insights/directory/v1"})
	if err == nil || !strings.Contains(err.Error(), "such as "+examples["JUMPCLOUD_API_URL"]) {
		t.Errorf("error = %v, want the example %s", err, examples["JUMPCLOUD_API_URL"])
	}
}

// Two secrets with one value are one secret: who has one of them has the other.
func TestNoTwoSecretsAreTheSame(t *testing.T) {
	const same = "canary-0123456789abcdef"
	secrets := []string{"ENTRASYNC_ADMIN_TOKEN", "ENTRASYNC_WEBHOOK_TOKEN", "JUMPCLOUD_API_KEY", "ENTRA_CLIENT_SECRET"}
	for i, first := range secrets {
		for _, second := range secrets[i+1:] {
			for _, given := range []string{same, "another-0123456789," + same, same + " , another-0123456789"} {
				change := map[string]string{first: same, second: same}
				for _, name := range []string{first, second} {
					if name == "ENTRASYNC_WEBHOOK_TOKEN" {
						change[name] = given
					}
				}
				_, err := configWith(change)
				if err == nil || !strings.Contains(err.Error(), second+" holds the same as "+first) || !strings.Contains(err.Error(), "such as "+examples[second]) {
					t.Errorf("%s and %s: %v, want that they are the same, and an example of %s", first, second, err, second)
				} else if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
					t.Errorf("error = %v, want one line without the secret", err)
				}
			}
		}
	}
	if _, err := configWith(map[string]string{"ENTRASYNC_WEBHOOK_TOKEN": same + "," + same}); err == nil || !strings.Contains(err.Error(), "ENTRASYNC_WEBHOOK_TOKEN holds the same token twice") {
		t.Errorf("the same token twice: %v, want that it is refused", err)
	}
	if _, err := configWith(map[string]string{"ENTRASYNC_ADMIN_TOKEN": same, "ENTRASYNC_WEBHOOK_TOKEN": same + "x," + same + "y", "JUMPCLOUD_API_KEY": same + "z"}); err != nil {
		t.Errorf("secrets that differ: %v, want no error", err)
	}
}

// This includes a token that was made up: it was printed, and somebody could copy it into
// the other variable.
func TestAMadeUpTokenIsNoOtherSecret(t *testing.T) {
	variables := map[string]string{"ENTRASYNC_ADDR": "127.0.0.1:0", "ENTRASYNC_DATA": t.TempDir()}
	start := func() (*onemachine.Machine, error) {
		t.Helper()
		c, err := machine.ConfigFrom(func(name string) string { return variables[name] })
		if err != nil {
			t.Fatal(err)
		}
		return onemachine.Start(t.Context(), c, zerolog.Nop())
	}
	m, err := start()
	if err != nil {
		t.Fatal(err)
	}
	madeUp := m.Config.AdminToken
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	variables["ENTRASYNC_WEBHOOK_TOKEN"] = madeUp
	switch m, err = start(); {
	case err == nil:
		t.Error("it starts with the API's token as the webhook's, want an error; its stop:", m.Stop())
	case !strings.Contains(err.Error(), "ENTRASYNC_WEBHOOK_TOKEN holds the same as ENTRASYNC_ADMIN_TOKEN") || strings.Contains(err.Error(), madeUp):
		t.Error(err)
	}
	variables["ENTRASYNC_WEBHOOK_TOKEN"] = ""
	if m, err = start(); err != nil || m.Config.AdminToken != madeUp {
		t.Fatal(err)
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
}
