package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"entrasync/scripts/lambda/stack"
)

// sizesOfCompany are the numbers of users for which the cost is shown.
var sizesOfCompany = []float64{1000, 10_000, 100_000}

// line is one line of a bill: units for a number of users.
type line struct {
	price price
	units func(users float64) float64
	says  string // how the units are computed
}

// cost shows what a month would cost, with the arithmetic. It takes the usage of a change
// that comes alone, which costs most.
func cost(out io.Writer, s *stack.Stack, used usage) {
	lines := bill(s, used.alone)
	fmt.Fprintf(out, "\nEstimated cost of a month in us-east-1 (AWS public price list, as known in 2025; free tier and outgoing traffic left out)\n")
	fmt.Fprintf(out, "Supposed: %.0f changes of each user in a month, each reckoned as if it came alone\n", changesPerUser)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "price\tunits\t")
	for _, users := range sizesOfCompany {
		fmt.Fprintf(w, "%.0f users\t", users)
	}
	fmt.Fprintln(w)
	sums := make([]float64, len(sizesOfCompany))
	for _, l := range lines {
		fmt.Fprintf(w, "%s: %s\t%s\t", l.price.name, l.price, l.says)
		for n, users := range sizesOfCompany {
			dollars := l.price.of(l.units(users))
			sums[n] += dollars
			fmt.Fprintf(w, "$%.2f\t", dollars)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "all\t\t")
	for _, sum := range sums {
		fmt.Fprintf(w, "$%.2f\t", sum)
	}
	fmt.Fprintln(w)
	_ = w.Flush() // to a terminal
}

// memory is the memory of a function in GB.
func memory(s *stack.Stack, logical string) float64 {
	for _, f := range s.Functions {
		if f.LogicalID == logical {
			return float64(f.MemoryMB) / 1024
		}
	}
	return 0
}

// bill are the lines of the bill.
func bill(s *stack.Stack, one share) []line {
	var mappings, runs, runSeconds float64
	alarms := ownAlarms + float64(len(s.Queues)) // dead letters are queues, too
	for _, f := range s.Functions {
		mappings += float64(len(f.Sources))
		alarms += 2
		if len(f.Schedules) > 0 {
			alarms++
		}
		for _, schedule := range f.Schedules {
			n := secondsPerMonth / schedule.Every.Seconds()
			runs, runSeconds = runs+n, runSeconds+n*scheduledSeconds*float64(f.MemoryMB)/1024
		}
	}
	// per is for what every change uses, fixed for what the stack uses without any.
	per := func(each float64) func(float64) float64 {
		return func(users float64) float64 { return users * changesPerUser * each }
	}
	fixed := func(n float64) func(float64) float64 { return func(float64) float64 { return n } }
	invocations := 3.0 // webhook, fanout, users
	seconds := webhookSeconds*memory(s, "WebhookFunction") + fanoutSeconds*memory(s, "FanoutFunction") + usersSeconds*memory(s, "UsersFunction")
	polls := mappings * idlePollers * secondsPerMonth / longPoll
	secretCalls := 2 * secretsOfOrg * secondsPerMonth / secretsTTL
	gigabytes := func(users float64) float64 {
		return users * (itemBytes + 12*changesPerUser*actionBytes) / 1e9
	}
	return []line{
		{httpAPI, per(1), "1 a change"},
		{lambdaRequests, fixed(runs), fmt.Sprintf("%.0f runs of schedules", runs)},
		{lambdaTime, fixed(runSeconds), fmt.Sprintf("%.0f of runs of schedules", runSeconds)},
		{lambdaRequests, per(invocations), fmt.Sprintf("%.0f a change", invocations)},
		{lambdaTime, per(seconds), fmt.Sprintf("%.3f a change", seconds)},
		{sqsFIFO, per(one.of("SQS.")), fmt.Sprintf("%.2f a change", one.of("SQS."))},
		{sqsFIFO, fixed(polls), fmt.Sprintf("%.0f: %.0f sources × %.0f long polls of %.0f s", polls, mappings, idlePollers, longPoll)},
		{dynamoReads, per(one.read), fmt.Sprintf("%.2f a change", one.read)},
		{dynamoWrites, per(one.kept), fmt.Sprintf("%.2f a change", one.kept)},
		{dynamoStorage, gigabytes, fmt.Sprintf("%.0f bytes a user and %.0f an action, a year's", itemBytes, actionBytes)},
		{busEvents, per(one.of("Events.")), fmt.Sprintf("%.2f a change", one.of("Events."))},
		{secretsKept, fixed(secretsOfOrg + secretsOfAll), "a stack with one organization"},
		{secretsRead, fixed(secretCalls), fmt.Sprintf("%.0f at most: each secret every %.0f s by two processes", secretCalls, secretsTTL)},
		{logsTaken, per(logBytes / 1e9), fmt.Sprintf("%.0f bytes a change", logBytes)},
		{traces, per(invocations * tracedShare), fmt.Sprintf("%.0f %% of the invocations", 100*tracedShare)},
		{metricsKept, fixed(ownMetrics), fmt.Sprintf("%.0f", ownMetrics)},
		{alarmsKept, fixed(alarms), fmt.Sprintf("%.0f", alarms)},
		{dashboardsKept, fixed(1), "1"},
	}
}
