package main

import (
	"regexp"
	"strings"
)

// The rows of infra/dashboard.yaml that are derived: alarms, and metrics of one queue or
// of one function. Rows of a kind follow each other; the first of them is the pattern.
var (
	alarmRow  = regexp.MustCompile(`^ *"\$\{Account\}-([a-z-]+)",?$`)
	metricRow = regexp.MustCompile(`^ *\["AWS/(SQS|Lambda)","\w+","\w+Name","\$\{Prefix\}-([a-z-]+?)(?:-dead)?(?:\.fifo)?",\{.*\}\],?$`)
	alarmName = regexp.MustCompile(`(?m)^ +AlarmName: !Sub "\$\{Prefix\}-([a-z-]+)"$`)
)

// withRows puts the rows of what is watched, and of all alarms, into the text of
// infra/dashboard.yaml.
func withRows(text, alarms string, w watched) string {
	var alarmNames, queueNames, functionNames []string
	for _, found := range alarmName.FindAllStringSubmatch(alarms, -1) {
		alarmNames = append(alarmNames, found[1])
	}
	for _, q := range w.Queues {
		queueNames = append(queueNames, q.Name)
	}
	for _, f := range w.Functions {
		functionNames = append(functionNames, f.Name)
	}
	var lines []string
	within := false // rows of which the first was replaced by all
	for line := range strings.SplitSeq(text, "\n") {
		var names []string
		var name string
		if row := alarmRow.FindStringSubmatch(line); row != nil {
			names, name = alarmNames, row[1]
		} else if row := metricRow.FindStringSubmatch(line); row != nil {
			names, name = map[string][]string{"SQS": queueNames, "Lambda": functionNames}[row[1]], row[2]
		}
		switch {
		case names == nil:
			lines = append(lines, line)
		case !within:
			lines = append(lines, rows(line, name, names)...)
		}
		within = names != nil
	}
	return strings.Join(lines, "\n")
}

// rows repeat the row of one name for all names, with commas between.
func rows(like, name string, names []string) []string {
	like = strings.TrimSuffix(like, ",")
	all := make([]string, len(names))
	for n, other := range names {
		row := strings.ReplaceAll(like, "-"+name, "-"+other)
		all[n] = strings.ReplaceAll(row, `"label":"`+name, `"label":"`+other) + ","
	}
	if len(all) > 0 {
		all[len(all)-1] = strings.TrimSuffix(all[len(all)-1], ",")
	}
	return all
}
