package main

import "fmt"

// price is what AWS bills for a unit.
type price struct {
	name    string
	dollars float64
	per     float64 // units
	unit    string
}

// The AWS public price list, us-east-1, as known in 2025, in US dollars, without
// the free tier.
var (
	lambdaRequests = price{"Lambda requests", 0.20, 1e6, "requests"}
	lambdaTime     = price{"Lambda time, arm64", 0.0000133334, 1, "GB-seconds"}
	httpAPI        = price{"HTTP API", 1.00, 1e6, "requests"}
	sqsFIFO        = price{"SQS FIFO", 0.50, 1e6, "requests"}
	dynamoReads    = price{"DynamoDB reads on demand", 0.125, 1e6, "units"}
	dynamoWrites   = price{"DynamoDB writes on demand", 0.625, 1e6, "units"}
	dynamoStorage  = price{"DynamoDB storage and point-in-time recovery", 0.25 + 0.20, 1, "GB"}
	busEvents      = price{"EventBridge events", 1.00, 1e6, "events"}
	secretsKept    = price{"Secrets Manager secrets", 0.40, 1, "secrets"}
	secretsRead    = price{"Secrets Manager calls", 0.05, 1e4, "calls"}
	logsTaken      = price{"CloudWatch Logs", 0.50, 1, "GB"}
	metricsKept    = price{"CloudWatch metrics of our own", 0.30, 1, "metrics"}
	alarmsKept     = price{"CloudWatch alarms", 0.10, 1, "alarms"}
	dashboardsKept = price{"CloudWatch dashboards", 3.00, 1, "dashboards"}
	traces         = price{"X-Ray traces recorded", 5.00, 1e6, "traces"}
)

// of is the cost of so many units.
func (p price) of(units float64) float64 { return units * p.dollars / p.per }

// String is the price as it is shown.
func (p price) String() string {
	if p.per == 1 {
		return fmt.Sprintf("$%.6g for 1", p.dollars)
	}
	return fmt.Sprintf("$%.6g for %.0f", p.dollars, p.per)
}

// Assumptions of the estimate, where nothing can be measured.
const (
	changesPerUser  = 10.0             // events of JumpCloud for one user in a month, each with one write
	secondsPerMonth = 30 * 24 * 3600.0 // seconds

	// A change is billed for the time of its invocations: 30 ms of the webhook,
	// 30 ms of fanout and a second of users, most of which is waiting for
	// JumpCloud and Graph; in batches, so that this is the upper end.
	webhookSeconds, fanoutSeconds, usersSeconds = 0.03, 0.03, 1.0

	// A run of a schedule that finds nothing to do is billed for that many seconds.
	scheduledSeconds = 0.1

	idlePollers  = 5.0    // long polls that an event source mapping keeps open (AWS Lambda documentation, SQS)
	longPoll     = 20.0   // seconds
	logBytes     = 3000.0 // of one change in all functions
	itemBytes    = 2500.0 // of a user and its link, index included
	actionBytes  = 1500.0 // of one action, index included, kept for a year
	ownMetrics   = 44.0
	ownAlarms    = 8.0  // beside those of every queue and function
	tracedShare  = 0.05 // X-Ray samples that part of the requests, and one a second
	secretsOfOrg = 4.0  // of a stack with one organization
	secretsOfAll = 1.0  // the list of organizations, which is read only while strangers call
	secretsTTL   = 300.0
)
