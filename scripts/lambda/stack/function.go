package stack

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The defaults of Lambda and of its event source mappings for SQS (AWS SAM
// specification; AWS Lambda documentation, quotas).
const (
	defaultTimeout     = 3 * time.Second
	defaultMemory      = 128
	defaultBatch       = 10
	defaultConcurrency = 10     // of a queue without a limit: enough here
	defaultLogLevel    = "INFO" // of a log in JSON
)

// function makes a function of its properties and of the global ones of the template.
func (r *resolver) function(logical string) (Function, error) {
	f := Function{LogicalID: logical, Name: r.physical[logical].ref, Environment: map[string]string{}, Timeout: defaultTimeout}
	names := []string{"Environment", "Timeout", "MemorySize", "Events", "LoggingConfig"}
	global, _ := r.template.Globals["Function"].(map[string]any)
	all, err := r.some(global, "Globals.Function", names...)
	if err != nil {
		return f, err
	}
	own, err := r.properties(logical, names...)
	if err != nil {
		return f, err
	}
	either := func(name string) any {
		if value, has := own[name]; has {
			return value
		}
		return all[name]
	}
	for _, from := range []map[string]any{all, own} {
		environment, _ := from["Environment"].(map[string]any)
		variables, _ := environment["Variables"].(map[string]any)
		for name, value := range variables {
			f.Environment[name] = fmt.Sprint(value)
		}
	}
	if timeout := either("Timeout"); timeout != nil {
		if f.Timeout, err = seconds(timeout); err != nil {
			return f, refuse(logical, "the time-out is %v", timeout)
		}
	}
	if f.MemoryMB, err = number(either("MemorySize"), defaultMemory); err != nil {
		return f, refuse(logical, "the memory is %v", either("MemorySize"))
	}
	f.LogLevel = logLevel(all, own)
	return f, r.events(&f, own)
}

// logLevel is the lowest level of lines that Lambda passes on. The function's own setting
// wins over the global one.
func logLevel(all, own map[string]any) string {
	logging := map[string]any{"ApplicationLogLevel": defaultLogLevel}
	for _, from := range []map[string]any{all, own} {
		config, _ := from["LoggingConfig"].(map[string]any)
		maps.Copy(logging, config)
	}
	if logging["LogFormat"] != "JSON" {
		return ""
	}
	return fmt.Sprint(logging["ApplicationLogLevel"])
}

// events adds the event sources and schedules of a function.
func (r *resolver) events(f *Function, own map[string]any) error {
	events, _ := own["Events"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(events)) {
		event, _ := events[name].(map[string]any)
		properties, _ := event["Properties"].(map[string]any)
		at := f.LogicalID + "." + name
		switch kind := fmt.Sprint(event["Type"]); kind {
		case "SQS":
			source, err := sourceOf(properties, at)
			if err != nil {
				return err
			}
			f.Sources = append(f.Sources, source)
		case "ScheduleV2":
			schedule, err := r.scheduleOf(properties, f.LogicalID+name, at)
			if err != nil {
				return err
			}
			f.Schedules = append(f.Schedules, schedule)
		default:
			return refuse(at, "an event of type %s is not known here", kind)
		}
	}
	return nil
}

// route adds the routes of the HTTP API to the functions that they lead to.
func (r *resolver) route(s *Stack, exists []string) error {
	for _, logical := range exists {
		if r.template.Resources[logical].Type != typeRoute {
			continue
		}
		route, err := r.properties(logical, "RouteKey", "Target")
		if err != nil {
			return err
		}
		// The target is integrations/{id}, the integration names the function.
		integration := slices.IndexFunc(exists, func(id string) bool {
			return r.template.Resources[id].Type == "AWS::ApiGatewayV2::Integration" && fmt.Sprint(route["Target"]) == "integrations/"+r.physical[id].ref
		})
		if integration < 0 {
			return refuse(logical, "the target %v is no integration of this stack", route["Target"])
		}
		target, err := r.properties(exists[integration], "IntegrationUri")
		if err != nil {
			return err
		}
		function := slices.IndexFunc(s.Functions, func(f Function) bool {
			return fmt.Sprint(target["IntegrationUri"]) == r.physical[f.LogicalID].attributes["Arn"]
		})
		if function < 0 {
			return refuse(logical, "%v is no function of this stack", target["IntegrationUri"])
		}
		s.Functions[function].Routes = append(s.Functions[function].Routes, Route(fmt.Sprint(route["RouteKey"])))
	}
	return nil
}

// sourceOf is an event source mapping.
func sourceOf(properties map[string]any, at string) (Source, error) {
	s := Source{QueueARN: fmt.Sprint(properties["Queue"])}
	var err error
	if s.BatchSize, err = number(properties["BatchSize"], defaultBatch); err != nil {
		return s, refuse(at, "the batch size is %v", properties["BatchSize"])
	}
	scaling, _ := properties["ScalingConfig"].(map[string]any)
	if s.Concurrency, err = number(scaling["MaximumConcurrency"], defaultConcurrency); err != nil {
		return s, refuse(at, "the concurrency is %v", scaling["MaximumConcurrency"])
	}
	if window, has := properties["MaximumBatchingWindowInSeconds"]; has {
		if s.Window, err = seconds(window); err != nil {
			return s, refuse(at, "the batching window is %v", window)
		}
	}
	types, _ := properties["FunctionResponseTypes"].([]any)
	s.ReportFailures = slices.Contains(types, any("ReportBatchItemFailures"))
	return s, nil
}
