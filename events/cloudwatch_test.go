package events_test

import (
	"cmp"
	"math"
	"os"
	"strconv"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alarm is an alarm of the template.
type alarm struct {
	Threshold          float64
	ComparisonOperator string
	TreatMissingData   string
	EvaluationPeriods  int
	DatapointsToAlarm  int // 0: all of the evaluation periods
	// The receivers of mails about each state.
	AlarmActions, OKActions, InsufficientDataActions []string
}

// alarms reads the alarms of the template, by name. An evaluation period that is a
// parameter stays 0.
func alarms(t *testing.T) map[string]alarm {
	t.Helper()
	text, err := os.ReadFile("../infra/alarms.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string         `yaml:"Type"`
			Properties map[string]any `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	found := map[string]alarm{}
	for _, resource := range template.Resources {
		if resource.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		p := resource.Properties
		text := func(name string) string { s, _ := p[name].(string); return s }
		actions := func(name string) (list []string) {
			all, _ := p[name].([]any)
			for _, each := range all {
				topic, _ := each.(string)
				list = append(list, topic)
			}
			return list
		}
		a := alarm{ComparisonOperator: text("ComparisonOperator"), TreatMissingData: text("TreatMissingData"),
			AlarmActions: actions("AlarmActions"), OKActions: actions("OKActions"), InsufficientDataActions: actions("InsufficientDataActions")}
		threshold, _ := p["Threshold"].(int)
		a.Threshold = float64(threshold)
		a.EvaluationPeriods, _ = p["EvaluationPeriods"].(int)
		a.DatapointsToAlarm, _ = p["DatapointsToAlarm"].(int)
		found[text("AlarmName")] = a
	}
	return found
}

// none is a period without data.
var none = math.NaN()

// mails returns the states for which a new alarm sends mails with these data, one value
// for each period.
func mails(a alarm, data []float64) []string {
	var sent []string
	state := "INSUFFICIENT_DATA"
	for now := range data {
		next := a.evaluate(state, data[max(0, now+1-a.EvaluationPeriods):now+1])
		if next == state {
			continue
		}
		state = next
		if actions := map[string][]string{"ALARM": a.AlarmActions, "OK": a.OKActions, "INSUFFICIENT_DATA": a.InsufficientDataActions}; len(actions[state]) > 0 {
			sent = append(sent, state)
		}
	}
	return sent
}

// evaluate returns the state of an alarm after some periods (Amazon CloudWatch
// documentation, configuring how alarms treat missing data): ALARM if every period is a
// breach, or as many as DatapointsToAlarm says. Periods before the stack existed have no data.
func (a alarm) evaluate(state string, recent []float64) string {
	missing, breaches := a.EvaluationPeriods-len(recent), 0
	for _, value := range recent {
		switch {
		case math.IsNaN(value):
			missing++
		case a.breach(value):
			breaches++
		}
	}
	switch {
	case missing == a.EvaluationPeriods && a.TreatMissingData == "missing":
		return "INSUFFICIENT_DATA"
	case missing == a.EvaluationPeriods && a.TreatMissingData == "ignore":
		return state
	case a.TreatMissingData == "breaching", a.TreatMissingData == "missing" && breaches > 0:
		breaches += missing
	}
	if breaches >= cmp.Or(a.DatapointsToAlarm, a.EvaluationPeriods) {
		return "ALARM"
	}
	return "OK"
}

// breach compares one value with the threshold.
func (a alarm) breach(value float64) bool {
	switch a.ComparisonOperator {
	case "LessThanThreshold":
		return value < a.Threshold
	case "GreaterThanThreshold":
		return value > a.Threshold
	case "GreaterThanOrEqualToThreshold":
		return value >= a.Threshold
	}
	panic("no such comparison: " + strconv.Quote(a.ComparisonOperator))
}
