package main

import (
	"fmt"
	"strings"
	"text/template"
)

// The derived part of infra/alarms.yaml lies between two lines.
const (
	derivedBegin = "  # From here on derived from template.yaml by `make derive`: change it there, or in scripts/template/derive.\n"
	derivedEnd   = "  # The end of what is derived.\n"
)

// withAlarms puts the alarms of queues and functions into the text of infra/alarms.yaml.
func withAlarms(text string, w watched) (string, error) {
	before, rest, begins := strings.Cut(text, derivedBegin)
	_, after, ends := strings.Cut(rest, derivedEnd)
	if !begins || !ends {
		return "", fmt.Errorf("%s lacks the lines between which it is derived", alarmsFile)
	}
	var derived strings.Builder
	if err := alarms.Execute(&derived, w); err != nil {
		return "", err
	}
	return before + derivedBegin + derived.String() + derivedEnd + after, nil
}

// alarms are the alarms of the queues, then those of the functions.
var alarms = template.Must(template.New(alarmsFile).Parse(`  # Messages that failed too often. Those about users and groups are taken out of the dead
  # letters every few minutes and stay for 14 days in a list of the API, which sends them
  # back; one that is still among the dead letters is not taken out.

{{range .Queues}}  {{.ID}}DeadAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub "${Prefix}-{{.Name}}-dead"
      AlarmDescription: !Sub There are messages in ${Prefix}-{{.Name}}-dead.fifo. Read the logs for why and mend it; {{if .Stranded}}GET /v1/dead-letters of the API lists them soon{{else}}then redrive them{{end}}.
      Namespace: AWS/SQS
      MetricName: ApproximateNumberOfMessagesVisible
      Dimensions: [{Name: QueueName, Value: !Sub "${Prefix}-{{.Name}}-dead.fifo"}]
      Statistic: Maximum
      Period: 300
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: 1
      TreatMissingData: notBreaching
      AlarmActions: [!Ref AlarmTopic]
      OKActions: [!Ref AlarmTopic]

{{if .Stranded}}  {{.ID}}StrandedAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub "${Prefix}-{{.Name}}-stranded"
      AlarmDescription: "A message of {{.Name}} was not finished in any of its tries; its user or group is parked as stranded. GET /v1/dead-letters of the API lists it: mend the cause, and send it back with POST /v1/dead-letters/redrive."
      Namespace: !Ref Prefix
      MetricName: stranded
      Dimensions: [{Name: queue, Value: {{.Name}}}]
      Statistic: Sum
      Period: 300
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: 1
      TreatMissingData: notBreaching
      AlarmActions: [!Ref AlarmTopic]
      OKActions: [!Ref AlarmTopic]

{{end}}{{end}}  # How long the oldest message has waited, in seconds. A task that is tried
  # again waits a minute each time, or up to five if Microsoft asks for it, so 20
  # tries take about 20 minutes as a rule; a first sync of many users takes hours.

{{range .Queues}}  {{.ID}}AgeAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub "${Prefix}-{{.Name}}-age"
      AlarmDescription: {{.Says}}; the oldest message has waited for over {{.Minutes}} minutes.
      Namespace: AWS/SQS
      MetricName: ApproximateAgeOfOldestMessage
      Dimensions: [{Name: QueueName, Value: !Sub "${Prefix}-{{.Name}}.fifo"}]
      Statistic: Maximum
      Period: 300
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanThreshold
      Threshold: {{.Seconds}}
      TreatMissingData: notBreaching
      AlarmActions: [!Ref AlarmTopic]
      OKActions: [!Ref AlarmTopic]

{{end}}  # Invocations that ended with an error, a crash or the time-out, and those that
  # AWS refused to start.

{{range .Functions}}  {{.ID}}ErrorsAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub "${Prefix}-{{.Name}}-errors"
      AlarmDescription: "The function {{.Name}} fails, crashes or runs into its time-out. Its log group says why."
      Namespace: AWS/Lambda
      MetricName: Errors
      Dimensions: [{Name: FunctionName, Value: !Sub "${Prefix}-{{.Name}}"}]
      Statistic: Sum
      Period: 300
      EvaluationPeriods: 1
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: 1
      TreatMissingData: notBreaching
      AlarmActions: [!Ref AlarmTopic]
      OKActions: [!Ref AlarmTopic]

  {{.ID}}ThrottlesAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub "${Prefix}-{{.Name}}-throttles"
      AlarmDescription: "AWS does not start the function {{.Name}} for a quarter of an hour: the concurrency of the account is used up."
      Namespace: AWS/Lambda
      MetricName: Throttles
      Dimensions: [{Name: FunctionName, Value: !Sub "${Prefix}-{{.Name}}"}]
      Statistic: Sum
      Period: 300
      EvaluationPeriods: 3
      ComparisonOperator: GreaterThanOrEqualToThreshold
      Threshold: 1
      TreatMissingData: notBreaching
      AlarmActions: [!Ref AlarmTopic]
      OKActions: [!Ref AlarmTopic]

{{if .Every}}  {{.ID}}MissedAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub "${Prefix}-{{.Name}}-missed"
      AlarmDescription: "The function {{.Name}} did not run at two of its times: its schedule is off, or may not invoke it. A new stack says so until the first run."
      Namespace: AWS/Lambda
      MetricName: Invocations
      Dimensions: [{Name: FunctionName, Value: !Sub "${Prefix}-{{.Name}}"}]
      Statistic: Sum
      Period: {{.Period}}
      EvaluationPeriods: {{.Periods}}
      ComparisonOperator: LessThanThreshold
      Threshold: 1
      TreatMissingData: breaching
      AlarmActions: [!Ref AlarmTopic]
      OKActions: [!Ref AlarmTopic]

{{end}}{{end}}`))
