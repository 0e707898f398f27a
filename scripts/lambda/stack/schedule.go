package stack

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// scheduleKnown are the properties of a schedule that are known here. The others would
// change when it runs or what the function gets. A flexible window only spreads the times of
// the runs.
var scheduleKnown = []string{"Name", "Description", "ScheduleExpression", "State", "RetryPolicy", "DeadLetterConfig", "FlexibleTimeWindow"}

// rate is the form of the schedules that are known here (EventBridge Scheduler user
// guide, rate-based schedules).
var rate = regexp.MustCompile(`^rate\((\d+) (minute|hour|day)s?\)$`)

// units are the units of a rate.
var units = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// scheduleOf is a schedule. Without a name it has that of the resource that SAM makes of
// it.
func (r *resolver) scheduleOf(properties map[string]any, resource, at string) (Schedule, error) {
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !slices.Contains(scheduleKnown, name) {
			return Schedule{}, refuse(at, "the property %s of a schedule is not known here", name)
		}
	}
	if state := cmp.Or(text(properties["State"]), "ENABLED"); state != "ENABLED" {
		return Schedule{}, refuse(at, "the schedule is %s: nothing would run", state)
	}
	s := Schedule{Name: cmp.Or(text(properties["Name"]), resource)}
	s.ARN = fmt.Sprintf("arn:aws:scheduler:%s:%s:schedule/default/%s", r.place.Region, r.place.AccountID, s.Name)
	var err error
	if s.Every, err = Rate(text(properties["ScheduleExpression"])); err != nil {
		return s, refuse(at, "%v", err)
	}
	return s, nil
}

// Rate is the time between two runs of a schedule.
func Rate(expression string) (time.Duration, error) {
	parts := rate.FindStringSubmatch(expression)
	if parts == nil {
		return 0, fmt.Errorf("the schedule is %q: only rate(…) is known here", expression)
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n < 1 {
		return 0, fmt.Errorf("the rate is %s: it must be above zero", parts[0])
	}
	return time.Duration(n) * units[parts[2]], nil
}

// text is a value of the template as a text; "" if it is not there.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
