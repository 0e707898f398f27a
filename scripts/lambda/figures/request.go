package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"entrasync/scripts/lambda/deployment"
	"entrasync/shared/aws/awstest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

const (
	burst  = 100 // users that change at once
	alone  = 20  // changes one after the other
	giveUp = 2 * time.Minute
	width  = 8 // requests of the administrator at once
)

// usage is what one change needs.
type usage struct {
	burst, alone share
}

// share is what one of several changes needs.
type share struct {
	requests   map[string]float64 // by operation
	empty      float64            // receives without a message, not among the requests
	read, kept float64            // capacity units of DynamoDB: reads, writes
}

// requests counts the requests to AWS for changes of users that are in sync.
func requests(ctx context.Context, out io.Writer, programs []program) (used usage, err error) {
	bootstraps := map[string]string{}
	for _, p := range programs {
		bootstraps[p.LogicalID] = p.bootstrap
	}
	d, err := deployment.Start(ctx, deployment.Config{Root: ".", Name: awstest.Name("figures"), Bootstraps: bootstraps})
	if err != nil {
		return used, err
	}
	defer func() {
		if stopped := d.Stop(); err == nil {
			err = stopped
		}
	}()
	users, err := connected(ctx, d)
	if err != nil {
		return used, err
	}
	retitle := func(n int, title string) error {
		return d.JumpCloud.UpdateUser(users[n%len(users)], jumpcloudtest.Fields{"jobTitle": title})
	}
	d.Usage()
	for n := range burst {
		if err := retitle(n, "At once"); err != nil {
			return used, err
		}
	}
	if err := settle(ctx, d); err != nil {
		return used, err
	}
	used.burst = shareOf(d.Usage(), burst)
	for n := range alone {
		if err := retitle(n, fmt.Sprint("Alone ", n)); err != nil {
			return used, err
		}
		if err := settle(ctx, d); err != nil {
			return used, err
		}
	}
	used.alone = shareOf(d.Usage(), alone)
	return used, used.show(out)
}

// connected creates users, and connects them; they are in sync.
func connected(ctx context.Context, d *deployment.Deployment) ([]string, error) {
	id, err := d.Administrator.CreateDirectory(ctx, "Figures", "user_job_title")
	if err != nil {
		return nil, err
	}
	var users []string
	for n := range burst {
		user, err := d.JumpCloud.CreateUser(jumpcloudtest.Fields{
			"username": fmt.Sprintf("user%d", n), "email": fmt.Sprintf("user%d@contoso.example", n), "firstname": "User", "lastname": fmt.Sprint(n), "state": "ACTIVATED"})
		if err != nil {
			return nil, err
		}
		users = append(users, user)
	}
	if err := settle(ctx, d); err != nil {
		return nil, err
	}
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(width)
	for _, user := range users {
		group.Go(func() error { return d.Administrator.Connect(inGroup, id, user) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return users, settle(ctx, d)
}

// settle waits until nothing is left to do, for at most giveUp.
func settle(ctx context.Context, d *deployment.Deployment) error {
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	return d.Settle(ctx, nil)
}

// shareOf divides what was used by the number of changes. Receives without a message are
// kept apart: on AWS they depend on time, not on changes.
func shareOf(used deployment.Usage, changes int) share {
	used.Requests["SQS.ReceiveMessage"] -= used.EmptyReceives
	s := share{requests: map[string]float64{}, empty: float64(used.EmptyReceives) / float64(changes), read: used.ReadUnits / float64(changes), kept: used.WriteUnits / float64(changes)}
	for name, n := range used.Requests {
		s.requests[name] = float64(n) / float64(changes)
	}
	return s
}

// of counts all requests with a prefix.
func (s share) of(prefix string) float64 {
	var sum float64
	for name, n := range s.requests {
		if strings.HasPrefix(name, prefix) {
			sum += n
		}
	}
	return sum
}

// show lists the requests.
func (u usage) show(out io.Writer) error {
	fmt.Fprintf(out, "\nRequests to AWS for one change of a user, receives and deletes of the event sources among them\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "operation\tin a burst of %d\talone (%d in turn)\n", burst, alone)
	all := maps.Clone(u.burst.requests)
	maps.Copy(all, u.alone.requests)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\n", name, u.burst.requests[name], u.alone.requests[name])
	}
	fmt.Fprintf(w, "all\t%.2f\t%.2f\n", u.burst.of(""), u.alone.of(""))
	fmt.Fprintf(w, "target\t%s\t%s\n", verdict(u.burst.of(""), maxBurstRequests, ""), verdict(u.alone.of(""), maxOneRequests, ""))
	fmt.Fprintf(w, "receives without a message, part of the idle polls\t%.2f\t%.2f\n", u.burst.empty, u.alone.empty)
	fmt.Fprintf(w, "read units of DynamoDB\t%.2f\t%.2f\n", u.burst.read, u.alone.read)
	fmt.Fprintf(w, "write units of DynamoDB\t%.2f\t%.2f\n", u.burst.kept, u.alone.kept)
	return w.Flush()
}
