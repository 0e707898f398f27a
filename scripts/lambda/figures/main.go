// Command figures measures what the shipped functions cost: how large their programs are,
// how fast they start and how much memory they have then, how many requests to AWS a
// change needs, and what AWS would bill for that in a month. Run it at the root of the
// module. If a server is not installed, it says so in one line and leaves out the rest.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"entrasync/scripts/lambda/deployment"
	"entrasync/scripts/lambda/runtimeapi"
	"entrasync/scripts/lambda/size"
	"entrasync/scripts/lambda/stack"
	"entrasync/shared/aws/awstest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// run measures one figure after the other, so that none disturbs another.
func run(ctx context.Context, out io.Writer) (err error) {
	if err := deployment.Supported(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "entrasync-figures-")
	if err != nil {
		return err
	}
	defer func() {
		if removed := os.RemoveAll(folder); err == nil {
			err = removed
		}
	}()
	s, err := readStack()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Building the functions as sam build does, for this machine's processor …")
	programs, err := build(ctx, folder, s)
	if err != nil {
		return err
	}
	if err := sizes(out, programs); err != nil {
		return err
	}
	if err := starts(ctx, out, programs); err != nil {
		return err
	}
	for _, server := range []*awstest.Server{awstest.DynamoDBLocal, awstest.Fauxqs, awstest.SESLocal, awstest.MotoServer} {
		if _, err := server.URL(); err != nil {
			fmt.Fprintln(out, "\nRequests and cost are left out:", err)
			return nil
		}
	}
	used, err := requests(ctx, out, programs)
	if err != nil {
		return err
	}
	cost(out, s, used)
	return nil
}

// program is a function that is ready to be started.
type program struct {
	stack.Function
	bootstrap string
	graph     bool  // it has the Graph SDK in it
	most      int64 // bytes that it may have; 0 for any number
}

// readStack reads the template with addresses at which nothing listens: no function sends
// a request before its first event.
func readStack() (*stack.Stack, error) {
	return stack.Read("template.yaml", stack.Place{
		StackName: "figures", Region: awstest.Region, AccountID: "000000000000",
		Parameters: map[string]string{"EntraClientId": "00000000-0000-0000-0000-000000000000"},
		QueueURL:   func(name string) string { return "http://127.0.0.1:9/000000000000/" + name },
		APIURL:     "http://127.0.0.1:9",
	})
}

// emptyFunction is the logical id under which the empty function is shown.
const emptyFunction = "empty"

// build builds every function of the stack, and the empty one to compare with.
func build(ctx context.Context, folder string, s *stack.Stack) ([]program, error) {
	var names []string
	for _, f := range s.Functions {
		names = append(names, f.LogicalID)
	}
	built, err := deployment.Build(ctx, ".", folder, names...)
	if err != nil {
		return nil, err
	}
	programs := []program{{Function: stack.Function{LogicalID: emptyFunction, Name: emptyFunction, MemoryMB: 128, Timeout: runtimeapi.MaxInit}}}
	if programs[0].bootstrap, err = buildEmpty(ctx, folder); err != nil {
		return nil, err
	}
	for _, f := range s.Functions {
		p := program{Function: f, bootstrap: built[f.LogicalID]}
		if p.most, p.graph, err = size.Most(p.bootstrap); err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}
