package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/functions/sweep"
	"entrasync/functions/webhook"
	"entrasync/shared/aws/emf"
	"entrasync/shared/credentials"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
	"entrasync/shared/store"
)

// Some alarms count log lines of the functions users and groups. The patterns of
// infra/alarms.yaml must match the lines that the functions write.
func TestAlarmsFindTheirLines(t *testing.T) {
	withdrawn := fault.New(fault.Unauthorized, "test", "the tenant has withdrawn its consent")
	refused := fault.New(fault.Invalid, "test", "the domain is not verified")
	for name, tc := range map[string]struct {
		bob  error // what Entra says about Bob
		last bool  // whether it is the last try
		want map[string]int
	}{
		"all in sync":            {nil, false, map[string]int{"users_in_sync": 2}},
		"one parked":             {refused, false, map[string]int{"users_in_sync": 1, "users_parked": 1}},
		"consent lost":           {withdrawn, false, map[string]int{"users_in_sync": 1, "consent_lost": 1}},
		"consent lost, last try": {withdrawn, true, map[string]int{"users_in_sync": 1, "consent_lost": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			world := &outside{refusals: map[directory.UPN]error{"bob@contoso.example": tc.bob}}
			handler := newUsers(t, world, emf.New(&log, "entrasync"))
			batch := read[events.SQSEvent](t, filepath.Join("users", "tasks.json"))
			if tc.last {
				batch.Records[1].Attributes["ApproximateReceiveCount"] = "20"
			}
			if _, err := handler.Handle(zerolog.New(&log).WithContext(t.Context()), batch); err != nil {
				t.Fatal(err)
			}
			for metric, filter := range filters(t, "UsersLogs", 3) {
				if got := filter.sum(t, log.String()); got != tc.want[metric] {
					t.Errorf("%s is %d, want %d, in\n%s", metric, got, tc.want[metric], log.String())
				}
			}
		})
	}
}

func TestAlarmsOfGroupsFindTheirLines(t *testing.T) {
	withdrawn := fault.New(fault.Unauthorized, "test", "the tenant has withdrawn its consent")
	refused := fault.New(fault.Invalid, "test", "the name is not allowed")
	for name, tc := range map[string]struct {
		refusal error // what Entra says about any group
		last    bool  // whether it is the last try
		want    map[string]int
	}{
		"in sync":                {nil, false, map[string]int{}},
		"parked":                 {refused, false, map[string]int{"groups_parked": 1}},
		"consent lost":           {withdrawn, false, map[string]int{"consent_lost": 1}},
		"consent lost, last try": {withdrawn, true, map[string]int{"consent_lost": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			world := &outsideGroups{refusal: tc.refusal}
			lane := newQueue(t)
			handler := newGroups(t, reconcile.Parts{Store: connected(t), Clients: world, Metrics: emf.New(&log, "entrasync"),
				Lanes: reconcile.Lanes{UsersLive: lane, UsersBulk: lane, GroupsLive: lane, GroupsBulk: lane}}, world)
			batch := read[events.SQSEvent](t, filepath.Join("groups", "bulk.json"))
			if tc.last {
				batch.Records[0].Attributes["ApproximateReceiveCount"] = "20"
			}
			if _, err := handler.Handle(zerolog.New(&log).WithContext(t.Context()), batch); err != nil {
				t.Fatal(err)
			}
			for metric, filter := range filters(t, "GroupsLogs", 2) {
				if got := filter.sum(t, log.String()); got != tc.want[metric] {
					t.Errorf("%s is %d, want %d, in\n%s", metric, got, tc.want[metric], log.String())
				}
			}
		})
	}
}

// Every refused webhook counts for one of the alarms, by its cause.
func TestAlarmsOfRefusedWebhooksFindTheirLines(t *testing.T) {
	var log bytes.Buffer
	counter := emf.New(&log, "entrasync")
	for _, cause := range []webhook.Cause{webhook.WrongSecret, webhook.MissingSecret, webhook.UnknownOrganization, webhook.TooLarge, webhook.TooManyEvents, webhook.NotJSON} {
		counter.Count("webhook_refused", 1, "cause", string(cause))
	}
	counter.Count("webhook_requests", 5, "status", "Accepted")
	lines := zerolog.New(&log)
	lines.Warn().Str("cause", "wrong_secret").Msg("a webhook came with a wrong secret")
	want := map[string]int{"webhook_secrets_refused": 2, "webhooks_unknown": 1, "webhooks_refused": 3}
	for metric, filter := range filters(t, "WebhookLogs", len(want)) {
		if got := filter.sum(t, log.String()); got != want[metric] {
			t.Errorf("%s is %d, want %d, in\n%s", metric, got, want[metric], log.String())
		}
	}
}

// A webhook that JumpCloud sent and that is lost rings at once. Strangers ring rarely.
func TestAlarmsOfRefusedWebhooks(t *testing.T) {
	// many is n periods of the same data.
	many := func(n int, value float64) []float64 { return slices.Repeat([]float64{value}, n) }
	for name, tc := range map[string]struct {
		alarm string
		data  []float64 // of each period
		want  []string
	}{
		"one that cannot be read":              {"webhooks-refused", []float64{none, none, 1, none, none}, []string{"OK", "ALARM", "OK"}},
		"one with a wrong secret":              {"webhook-secret", slices.Concat([]float64{none, 1}, many(12, none)), []string{"OK", "ALARM", "OK"}},
		"a scan of a known address":            {"webhook-secret", slices.Concat([]float64{none}, many(100, 50), many(11, none)), []string{"OK", "ALARM"}},
		"a stranger who comes every half hour": {"webhook-secret", slices.Concat([]float64{none}, slices.Repeat([]float64{9, none, none, none, none, none}, 50)), []string{"OK", "ALARM"}},
		"a scan of made-up ids":                {"webhook-unknown", []float64{none, 5000, 5000, none, none}, []string{"OK"}},
		"a channel with a wrong address":       {"webhook-unknown", slices.Concat([]float64{none, 1}, many(5, none), []float64{1}, many(9, none), []float64{1, none}), []string{"OK", "ALARM"}},
	} {
		if got := mails(alarms(t)["${Prefix}-"+tc.alarm], tc.data); !slices.Equal(got, tc.want) {
			t.Errorf("%s: sent %v, want %v", name, got, tc.want)
		}
	}
}

// The alarm for missing successes is raised when there were none for as many hours as it
// says, and not earlier: not soon after the first deployment or the first directory.
func TestAlarmOfNoSuccess(t *testing.T) {
	const hours = 3
	for name, tc := range map[string]struct {
		perHour []float64
		want    []string
	}{
		"a new stack without a directory":   {[]float64{none, none, none, none, none, none, none}, []string{"OK"}},
		"its first directory":               {[]float64{none, none, none, none, 0, 0}, []string{"OK"}},
		"nobody is ever in sync":            {[]float64{none, none, 0, 0, 0}, []string{"OK", "ALARM"}},
		"its first success":                 {[]float64{none, 0, 0, 4, 0, 0}, []string{"OK"}},
		"a quiet night":                     {[]float64{4, 0, 0, 2, 0, 0, 7}, []string{"OK"}},
		"successes stay away":               {[]float64{4, 0, 0, 0, 0, 0}, []string{"OK", "ALARM"}},
		"and come back":                     {[]float64{4, 0, 0, 0, 0, 1}, []string{"OK", "ALARM", "OK"}},
		"an hour in which nothing runs":     {[]float64{4, 0, 0, none, 0, 0}, []string{"OK"}},
		"all hours of a stack that is down": {[]float64{4, none, none, none, none}, []string{"OK"}},
	} {
		alarm := alarms(t)["${Prefix}-no-success"]
		alarm.EvaluationPeriods = hours // the template's parameter
		if got := mails(alarm, tc.perHour); !slices.Equal(got, tc.want) {
			t.Errorf("%s: sent %v, want %v", name, got, tc.want)
		}
	}
}

// The sweep gives each hour its 0, as soon as there is a directory, and says which
// credentials end.
func TestAlarmsOfTheSweepFindTheirLines(t *testing.T) {
	for name, tc := range map[string]struct {
		records *store.Store
		ends    time.Duration // from now, of the credential for Entra
		want    map[string]string
	}{
		"no directory, far from the end": {newStore(t), 100 * 24 * time.Hour, map[string]string{}},
		"a directory":                    {connected(t), 100 * 24 * time.Hour, map[string]string{"users_in_sync": "0"}},
		"a credential that ends":         {connected(t), 3 * 24 * time.Hour, map[string]string{"users_in_sync": "0", "credentials_to_replace": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			counter := emf.New(&log, "entrasync")
			entra := func(context.Context) (directory.Credential, error) {
				return directory.Credential{Kind: directory.EntraSecret, ExpiresAt: time.Now().Add(tc.ends)}, nil
			}
			handler, err := sweep.New(reconcile.Sweep{Store: tc.records, Users: newQueue(t), Groups: newQueue(t), Metrics: counter}, noDeadLetters(),
				credentials.Watch{Store: tc.records, Entra: entra, Metrics: counter}.Run)
			if err != nil {
				t.Fatal(err)
			}
			if err := handler.Handle(zerolog.New(&log).WithContext(t.Context()), read[events.EventBridgeEvent](t, filepath.Join("sweep", "schedule.json"))); err != nil {
				t.Fatal(err)
			}
			for metric, filter := range filters(t, "SweepLogs", 2) {
				got, matched := filter.values(t, log.String())
				if want, wanted := tc.want[metric]; matched != wanted || wanted && fmt.Sprint(got) != want {
					t.Errorf("%s has data: %t, and is %d, want %t and %q, in\n%s", metric, matched, got, wanted, want, log.String())
				}
			}
		})
	}
	alarm := alarms(t)["${Prefix}-credentials"]
	if got := mails(alarm, []float64{none, 1, none, none, 1, none}); !slices.Equal(got, []string{"ALARM", "ALARM"}) {
		t.Errorf("two counts on two days sent %v, want a mail for each", got)
	}
}

// filter is a metric filter: which lines, and which of their values.
type filter struct{ pattern, value string }

// filters reads the metric filters of the template for a log, by the metric they make.
// It fails if their number is not want.
func filters(t *testing.T, logs string, want int) map[string]filter {
	t.Helper()
	text, err := os.ReadFile("../infra/alarms.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]filter{}
	for _, m := range regexp.MustCompile(`(?s)LogGroupName: !Ref (\w+)\s+FilterPattern: '([^']+)'.*?MetricName: (\w+), MetricValue: "?([$.\w]+)`).FindAllStringSubmatch(string(text), -1) {
		if m[1] == logs {
			found[m[3]] = filter{m[2], m[4]}
		}
	}
	if len(found) != want {
		t.Fatalf("%d metric filters of %s in the template, not %d: %v", len(found), logs, want, found)
	}
	return found
}

// sum adds the values of the lines that match.
func (f filter) sum(t *testing.T, log string) int {
	t.Helper()
	sum, _ := f.values(t, log)
	return sum
}

// values adds the values of the lines that match, and reports whether there is one: a 0 is
// data, too.
func (f filter) values(t *testing.T, log string) (sum int, matched bool) {
	t.Helper()
	for line := range strings.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("the line %q is not JSON", line)
		}
		p := pattern{words: patternWord.FindAllString(strings.Trim(f.pattern, "{} "), -1), fields: fields}
		matches := p.either()
		if len(p.words) > 0 {
			t.Fatalf("the pattern %s cannot be parsed at %v, want 0 words", f.pattern, p.words)
		}
		if !matches {
			continue
		}
		matched = true
		value := f.value
		if field, ok := strings.CutPrefix(value, "$."); ok {
			value = fmt.Sprint(fields[field])
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatalf("the value %q is no number in %s", value, line)
		}
		sum += n
	}
	return sum, matched
}

// patternWord is a word of a filter pattern for JSON (Amazon CloudWatch Logs
// documentation, filter pattern syntax), of the forms that our patterns have.
var patternWord = regexp.MustCompile(`\$\.\w+|"[^"]*"|\d+|\|\||&&|[()=>]`)

// pattern is the rest of a pattern while it is matched with one line.
type pattern struct {
	words  []string
	fields map[string]any
}

func (p *pattern) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

func (p *pattern) skip(word string) bool {
	if len(p.words) == 0 || p.words[0] != word {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *pattern) either() bool {
	matches := p.both()
	for p.skip("||") {
		other := p.both()
		matches = matches || other
	}
	return matches
}

func (p *pattern) both() bool {
	matches := p.one()
	for p.skip("&&") {
		other := p.one()
		matches = matches && other
	}
	return matches
}

func (p *pattern) one() bool {
	if p.skip("(") {
		matches := p.either()
		return p.skip(")") && matches
	}
	value := p.fields[strings.TrimPrefix(p.next(), "$.")]
	if p.skip(">") {
		limit, _ := strconv.ParseFloat(p.next(), 64)
		number, is := value.(float64)
		return is && number > limit
	}
	p.skip("=")
	return value == strings.Trim(p.next(), `"`)
}
