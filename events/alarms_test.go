package events_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/rs/zerolog"

	"entrasync/shared/aws/emf"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
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

// Every refused webhook counts for the alarm, whatever the cause.
func TestAlarmOfRefusedWebhooksFindsItsLines(t *testing.T) {
	var log bytes.Buffer
	counter := emf.New(&log, "entrasync")
	counter.Count("webhook_refused", 1, "cause", "wrong_secret")
	counter.Count("webhook_refused", 1, "cause", "unknown_organization")
	counter.Count("webhook_requests", 5, "status", "Accepted")
	lines := zerolog.New(&log)
	lines.Warn().Str("cause", "wrong_secret").Msg("a webhook came with a wrong secret")
	for metric, filter := range filters(t, "WebhookLogs", 1) {
		if got := filter.sum(t, log.String()); metric != "webhooks_refused" || got != 2 {
			t.Errorf("%s is %d, want 2, in\n%s", metric, got, log.String())
		}
	}
	alarm := alarms(t)["${Prefix}-webhooks-refused"]
	if got := mails(alarm, []float64{none, none, 1, none, none}); !slices.Equal(got, []string{"OK", "ALARM", "OK"}) {
		t.Errorf("one refused webhook and no other data gives the states %v", got)
	}
}

// The alarm for missing successes sends no mail before the first success, and a mail
// when successes stop.
func TestAlarmOfNoSuccess(t *testing.T) {
	const hours = 3
	for name, tc := range map[string]struct {
		perHour []float64
		want    []string
	}{
		"a new stack that nothing is connected to yet": {[]float64{none, none, none, none, none, none, none}, nil},
		"its first success":                            {[]float64{none, none, 4, none}, []string{"OK"}},
		"a quiet night":                                {[]float64{4, none, none, 2, none, none, 7}, []string{"OK"}},
		"successes stay away":                          {[]float64{4, none, none, none, none, none}, []string{"OK", "INSUFFICIENT_DATA"}},
		"and come back":                                {[]float64{4, none, none, none, none, 1}, []string{"OK", "INSUFFICIENT_DATA", "OK"}},
	} {
		alarm := alarms(t)["${Prefix}-no-success"]
		alarm.EvaluationPeriods = hours // the template's parameter
		if got := mails(alarm, tc.perHour); !slices.Equal(got, tc.want) {
			t.Errorf("%s: sent %v, want %v", name, got, tc.want)
		}
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
	sum := 0
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
	return sum
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
