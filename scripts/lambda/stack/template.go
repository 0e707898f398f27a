// Package stack reads the SAM template of this product and gives the resources that
// CloudFormation would create from it: every function with its environment, time-out,
// routes, event sources and schedules, the queues with their dead letters, the table, the
// bus and the bucket.
//
// It knows the part of CloudFormation that the template uses. Anything else is an error
// that names the place, never a guess.
package stack

import (
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"entrasync/shared/fault"
)

// Place is where and with which parameters a stack is put up.
type Place struct {
	StackName  string
	Region     string
	AccountID  string
	Parameters map[string]string // the others keep their defaults
	// QueueURL is the URL that the queue of that name will have.
	QueueURL func(name string) string
	APIURL   string // the URL that the HTTP API will have
}

// template is a template before intrinsic functions are computed, which are in their long
// form.
type template struct {
	Parameters map[string]map[string]any `yaml:"Parameters"`
	Conditions map[string]any            `yaml:"Conditions"`
	Mappings   map[string]any            `yaml:"Mappings"`
	Globals    map[string]any            `yaml:"Globals"`
	Resources  map[string]resource       `yaml:"Resources"`
}

// resource is one resource of a template.
type resource struct {
	Type       string         `yaml:"Type"`
	Condition  string         `yaml:"Condition"`
	Properties map[string]any `yaml:"Properties"`
	Metadata   map[string]any `yaml:"Metadata"`
}

// readTemplate reads a file.
func readTemplate(path string) (template, error) {
	var t template
	text, err := os.ReadFile(path)
	if err != nil {
		return t, fault.Wrap(err, fault.NotFound, "stack.Read")
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return t, fault.Wrap(err, fault.Invalid, "stack.Read "+path)
	}
	lengthen(&document)
	return t, fault.Wrap(document.Decode(&t), fault.Invalid, "stack.Read "+path)
}

// lengthen replaces the short form of intrinsic functions, !Ref x, by the long
// one, {Ref: x}.
func lengthen(n *yaml.Node) {
	for _, child := range n.Content {
		lengthen(child)
	}
	if len(n.Tag) < 2 || n.Tag[0] != '!' || n.Tag[1] == '!' {
		return
	}
	name := n.Tag[1:]
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	inner := *n
	inner.Tag, inner.Anchor = "", ""
	if inner.Kind == yaml.ScalarNode {
		inner.Tag = "!!str"
	}
	*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, &inner,
	}}
}

// refuse is an error about a place in the template.
func refuse(place, format string, values ...any) error {
	return &fault.Error{Op: "stack", Kind: fault.Invalid, Subject: place, Message: fmt.Sprintf(format, values...)}
}
