package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// check compares one function's role with the calls that it can make, and gives the
// differences.
func check(name string, f function, can []call) []string {
	var problems []string
	needed, problems := needs(name, f, can)
	allowed := map[string][]string{} // resources by action
	for _, s := range f.Statements {
		if s.Effect != "Allow" {
			problems = append(problems, "a statement that does not allow is not understood here")
		}
		for _, action := range s.Action {
			allowed[action] = append(allowed[action], s.Resource...)
			for _, resource := range s.Resource {
				problems = append(problems, about(name, f, action, resource, s.Condition)...)
			}
		}
	}
	for _, action := range slices.Sorted(maps.Keys(needed)) {
		if len(allowed[action]) == 0 {
			problems = append(problems, fmt.Sprintf("%s is needed for %s, but not allowed", action, needed[action]))
		}
	}
	for _, action := range slices.Sorted(maps.Keys(allowed)) {
		if needed[action] == "" {
			problems = append(problems, action+" is allowed, but nothing needs it")
		}
	}
	for _, s := range f.Schedules {
		problems = append(problems, scheduled(name, f, s)...)
	}
	return append(problems, unnamed(name, f, allowed)...)
}

// needs are the actions that a function needs, each with what needs it.
func needs(name string, f function, can []call) (needed map[string]string, problems []string) {
	needed = map[string]string{}
	for _, action := range runtimeActions {
		needed[action] = "Lambda itself"
	}
	for _, source := range f.Sources {
		for _, action := range sourceActions {
			needed[action] = source
		}
	}
	for _, c := range can {
		for _, action := range actions[c] {
			if switchedOff(name, f, action) {
				continue
			}
			needed[action] = c.String()
		}
		if actions[c] == nil {
			problems = append(problems, fmt.Sprintf("it can call %s, of which actions.go does not know what it needs", c))
		}
	}
	return needed, problems
}

// switchedOff reports whether the function never uses an action, because of its
// environment.
func switchedOff(name string, f function, action string) bool {
	switch action {
	case "sts:GetWebIdentityToken":
		return f.Environment["ENTRA_SIGN_IN"] != "federated"
	case "secretsmanager:GetSecretValue": // federated there is no proof to read
		return f.Environment["ENTRA_SIGN_IN"] == "federated" && readsOnlyProof(name)
	case "events:PutEvents":
		return f.Environment["ENTRASYNC_BUS"] == ""
	case "ses:SendEmail", "ses:SendRawEmail":
		return f.Environment["ENTRASYNC_MAIL_FROM"] == ""
	default:
		return false
	}
}

// secrets are the functions that may read or write a secret of the stack, by how its name
// goes on after the prefix. The webhook, which everybody can call, gets only the tokens
// that it compares with. Only users gets the key that opens passwords.
var secrets = map[string][]string{
	"admin-token-":    {"admin", "imports"},
	"entra-":          {"users", "groups", "sweep", "admin", "imports", "largeimport", "resync"}, // the sweep reads when it ends
	"password-key-":   {"users"},
	"api-keys/":       {"catchup", "users", "groups", "admin", "imports", "largeimport", "resync"},
	"webhook-tokens/": {"webhook", "admin"},
	"organizations/":  {"catchup", "users", "groups", "admin", "imports", "largeimport", "resync"}, // key and tokens together, as they were kept before
}

// planners are the functions that write the files of plans, or give them out. The files of the
// others are those of imports.
var planners = []string{"admin", "resync"}

// filesOf are the files in the bucket of results that are a function's business.
func filesOf(name string) string {
	if slices.Contains(planners, name) {
		return "/plans/*"
	}
	return "/imports/*"
}

// readsOnlyProof reports whether the only secret that a function may read is the one with
// which the application signs in to Entra.
func readsOnlyProof(name string) bool {
	for begin, functions := range secrets {
		if (begin == "entra-") != slices.Contains(functions, name) {
			return false
		}
	}
	return true
}

// mayHave reports whether a function may read or write a secret.
func mayHave(name string, f function, resource string) bool {
	_, rest, found := strings.Cut(resource, ":secret:"+f.Environment["ENTRASYNC_SECRETS_PREFIX"]+"/")
	for begin, functions := range secrets {
		if found && strings.HasPrefix(rest, begin) {
			return slices.Contains(functions, name)
		}
	}
	return false
}

// about gives what is wrong with allowing an action on a resource, such as one that the
// function's environment does not name.
func about(name string, f function, action, resource string, condition map[string]any) []string {
	if keys, known := withoutResource[action]; known {
		var problems []string
		for _, key := range keys {
			if !conditioned(condition, key) {
				problems = append(problems, fmt.Sprintf("%s has no condition on %s", action, key))
			}
		}
		return problems
	}
	if key := limited[action]; key != "" && !conditioned(condition, key) {
		return []string{fmt.Sprintf("%s has no condition on %s", action, key)}
	}
	service, _, _ := strings.Cut(action, ":")
	good := map[string]func(string) bool{
		"logs": func(own string) bool { return strings.HasSuffix(own, "log-group:"+logGroupOf(f, name)+":*") },
		"dynamodb": func(own string) bool {
			return strings.HasSuffix(strings.TrimSuffix(own, "/index/index"), ":table/"+f.Environment["ENTRASYNC_TABLE"])
		},
		"sqs": func(own string) bool {
			return slices.Contains(f.Sources, own) || slices.Contains(queues(f), lastOf(own, ":"))
		},
		"secretsmanager": func(own string) bool { return mayHave(name, f, own) },
		"s3": func(own string) bool {
			return strings.HasSuffix(own, ":::"+f.Environment["ENTRASYNC_RESULTS_BUCKET"]+filesOf(name))
		},
		"ses":    func(own string) bool { return sendsAs(own, f.Environment["ENTRASYNC_MAIL_FROM"]) },
		"events": func(own string) bool { return strings.HasSuffix(own, ":event-bus/"+f.Environment["ENTRASYNC_BUS"]) },
	}[service]
	if good == nil || !strings.HasPrefix(resource, "arn:") || !good(resource) {
		return []string{fmt.Sprintf("%s is allowed on %s, which its environment does not name or is none of its business", action, resource)}
	}
	return nil
}

// sendsAs reports whether an identity in SES is that of a sender: the address itself, its
// domain or one above.
func sendsAs(resource, from string) bool {
	_, identity, _ := strings.Cut(resource, ":identity/")
	_, domain, _ := strings.Cut(from, "@")
	return identity == from || strings.Contains(identity, ".") && !strings.ContainsAny(identity, "*?") && strings.HasSuffix("."+domain, "."+identity)
}

// conditioned reports whether a condition is about a key.
func conditioned(condition map[string]any, key string) bool {
	for _, operator := range condition {
		if keys, ok := operator.(map[string]any); ok && keys[key] != nil {
			return true
		}
	}
	return false
}

// unnamed gives the queues, tables, buses and buckets of the environment that the role does not
// name, and the queues on which an event source lacks rights.
func unnamed(name string, f function, allowed map[string][]string) []string {
	var all, problems []string
	for _, resources := range allowed {
		all = append(all, resources...)
	}
	named := func(suffix string) bool {
		return slices.ContainsFunc(all, func(resource string) bool { return strings.HasSuffix(resource, suffix) })
	}
	for _, queue := range queues(f) {
		if !named(":" + queue) {
			problems = append(problems, "nothing is allowed on the queue "+queue)
		}
	}
	if table := f.Environment["ENTRASYNC_TABLE"]; table != "" && !named(":table/"+table) {
		problems = append(problems, "nothing is allowed on the table")
	}
	if bus := f.Environment["ENTRASYNC_BUS"]; bus != "" && !named(":event-bus/"+bus) {
		problems = append(problems, "nothing is allowed on the bus")
	}
	if bucket := f.Environment["ENTRASYNC_RESULTS_BUCKET"]; bucket != "" && !named(":::"+bucket+filesOf(name)) {
		problems = append(problems, "nothing is allowed on the bucket")
	}
	for _, source := range f.Sources {
		for _, action := range sourceActions {
			if !slices.Contains(allowed[action], source) {
				problems = append(problems, fmt.Sprintf("%s is not allowed on %s, which feeds it", action, source))
			}
		}
	}
	return problems
}

// queues are the names of the queues whose URLs are in the environment.
func queues(f function) []string {
	var names []string
	for _, variable := range slices.Sorted(maps.Keys(f.Environment)) {
		if strings.HasSuffix(variable, "_QUEUE_URL") {
			names = append(names, lastOf(f.Environment[variable], "/"))
		}
	}
	return names
}

// logGroupOf is the log group of a function; its stack's name is the namespace of
// the metrics.
func logGroupOf(f function, name string) string {
	return "/aws/lambda/" + f.Environment["ENTRASYNC_METRICS_NAMESPACE"] + "-" + name
}

// lastOf is what stands after the last separator.
func lastOf(text, separator string) string {
	return text[strings.LastIndex(text, separator)+1:]
}
