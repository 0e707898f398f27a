package play

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/plan"
)

// report prints what the last step did in Entra, and which users are parked or held.
func (d *day) report(ctx context.Context) error {
	actions, err := d.newActions(ctx)
	if err != nil {
		return err
	}
	arrived := map[string]time.Time{}
	for _, delivery := range d.stage.JumpCloud.Deliveries() {
		arrived[delivery.EventID] = delivery.Tried
	}
	for _, a := range actions {
		since := "the request"
		start, byEvent := arrived[a.Cause.ID]
		if byEvent {
			since = "the webhook"
		} else {
			start = a.Cause.At
		}
		took := a.CompletedAt.Sub(start)
		if byEvent && a.Status == plan.Succeeded {
			d.latencies = append(d.latencies, took)
		}
		_, _ = fmt.Fprintf(d.out, "       %-18s %s, %d ms after %s\n", a.Subject.Name, sentence(a), took.Milliseconds(), since)
	}
	return d.reportStuck(ctx, actions)
}

// reportStuck prints the users that are newly parked or held, with the reason, and those that
// are not any more.
func (d *day) reportStuck(ctx context.Context, actions []plan.Action) error {
	links, err := d.stuckLinks(ctx)
	if err != nil {
		return err
	}
	changed := false
	now := map[string]directory.Standing{}
	for _, link := range links {
		now[string(link.User)] = link.Standing
		if d.stuck[string(link.User)].Message != link.Message {
			changed = true
			_, _ = fmt.Fprintf(d.out, "       %s (%s): %s\n", link.Status, link.Reason, link.Message)
		}
	}
	for name, id := range d.ids {
		if before, was := d.stuck[id]; was && now[id].Status == "" {
			changed = true
			_, _ = fmt.Fprintf(d.out, "       %s is not %s any more\n", name, before.Status)
		}
	}
	d.stuck = now
	if len(actions) == 0 && !changed {
		_, _ = fmt.Fprintln(d.out, "       nothing to write in Entra")
	}
	return nil
}

// stuckLinks are the links that are parked or held.
func (d *day) stuckLinks(ctx context.Context) ([]directory.Link, error) {
	links, err := d.stage.Store.Links(ctx, d.directory, 0, "")
	return slices.DeleteFunc(links.Items, func(link directory.Link) bool {
		return link.Status != directory.Parked && link.Status != directory.Held
	}), err
}

// sentence is an action in words.
func sentence(a plan.Action) string {
	if a.Status == plan.Failed {
		return fmt.Sprintf("%s refused: %s", strings.ReplaceAll(string(a.Type), "_", " "), a.Error.Message)
	}
	if a.Subject.Kind == "group" {
		return groupSentence(a)
	}
	var set []string
	for _, c := range a.Changes {
		if c.Attribute == directory.ImmutableID || c.Attribute == directory.MailNickname {
			continue
		}
		if len(c.To) == 0 {
			set = append(set, string(c.Attribute)+" cleared")
		} else {
			set = append(set, fmt.Sprintf("%s %q", c.Attribute, c.To.String()))
		}
	}
	switch a.Type {
	case plan.Provision:
		return "account created"
	case plan.TakeOver:
		return "account taken over: " + strings.Join(set, ", ")
	case plan.Enable:
		return "sign-in allowed again"
	case plan.Deprovision:
		return "sign-in blocked (" + string(a.Reason) + ")"
	case plan.EndSessions:
		return "sessions ended"
	default:
		return strings.Join(set, ", ")
	}
}

// groupSentence is an action on a group in words.
func groupSentence(a plan.Action) string {
	joined, left := 0, 0
	var set []string
	for _, c := range a.Changes {
		if c.Attribute == directory.Members {
			joined, left = len(c.To), len(c.From)
			continue
		}
		set = append(set, fmt.Sprintf("%s %q", c.Attribute, c.To.String()))
	}
	switch a.Type {
	case plan.CreateGroup:
		return fmt.Sprintf("security group created with %s", members(joined))
	case plan.TakeOverGroup:
		return "security group taken over"
	case plan.AddMembers:
		return members(joined) + " added to the security group"
	case plan.RemoveMembers:
		return members(left) + " removed from the security group"
	case plan.DeleteGroup:
		return "security group deleted"
	default:
		return strings.Join(set, ", ")
	}
}

// members is a number of members in words.
func members(n int) string {
	if n == 1 {
		return "1 member"
	}
	return fmt.Sprintf("%d members", n)
}

// reportLatencies prints how fast events reached Entra.
func (d *day) reportLatencies() {
	if len(d.latencies) == 0 {
		return
	}
	slices.Sort(d.latencies)
	at := func(share float64) time.Duration {
		return d.latencies[min(int(share*float64(len(d.latencies))), len(d.latencies)-1)]
	}
	_, _ = fmt.Fprintf(d.out, "\n%d changes went from the webhook to Entra: half of them within %d ms, the slowest, while Microsoft throttled, took %d ms.\n",
		len(d.latencies), at(0.5).Milliseconds(), at(1).Milliseconds())
}

// row is one person on both sides. Both texts must be the same.
type row struct {
	name, jumpCloud, entra string
	parked                 string // why entrasync stopped at this person, "" if it did not
}

// leftAlone are the people whose accounts entrasync must not write, with the reason.
// Anybody else who is parked at the end is a difference.
var leftAlone = map[string]directory.Reason{"radia.perlman": directory.SyncedFromOnPremises}

// compare shows both directories and fails if they differ. It reads the simulators, not
// entrasync's records.
func (d *day) compare(ctx context.Context) error {
	rows, err := d.rows(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\tJUMPCLOUD\tENTRA\t")
	different, parked := 0, 0
	for _, r := range rows {
		verdict := "same"
		switch {
		case r.parked != "" && r.parked == string(leftAlone[r.name]):
			verdict = "left alone: " + r.parked
			parked++
		case r.parked != "":
			verdict = "DIFFERENT, parked: " + r.parked
			different++
		case r.jumpCloud != r.entra:
			verdict = "DIFFERENT"
			different++
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.name, r.jumpCloud, r.entra, verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if different > 0 {
		return fmt.Errorf("%d people differ", different)
	}
	if len(rows) == 0 || parked != len(leftAlone) {
		return fmt.Errorf("%d people were compared and %d left alone, want at least 1 and exactly %d", len(rows), parked, len(leftAlone))
	}
	_, _ = fmt.Fprintf(d.out, "\nBoth directories agree about all %d people; %d of them entrasync leaves alone and says why.\n", len(rows), parked)
	return nil
}

// rows pairs the people of both sides.
func (d *day) rows(ctx context.Context) ([]row, error) {
	stuck, err := d.stuckLinks(ctx)
	if err != nil {
		return nil, err
	}
	left := map[string]string{}
	for _, link := range stuck {
		left[string(link.User)] = string(link.Reason)
	}
	tenant := d.stage.tenant()
	var rows []row
	for name, id := range d.ids {
		person, exists := d.stage.JumpCloud.User(id)
		upn := name + "@contoso.example"
		if exists {
			upn = person.Text("email")
		}
		account, found := tenant.User(upn)
		r := row{name: name, jumpCloud: wantedOf(name, person, exists), entra: "no account", parked: left[id]}
		if found {
			r.entra = shownOf(account)
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.name, b.name) })
	return rows, nil
}

// disconnected are the people who lost their last connection: one by the
// administrator, one by leaving the team.
var disconnected = []string{"grace.hopper", "hedy.lamarr"}

// blocked is what Entra shows of somebody who must not sign in.
const blocked = "sign-in blocked, sessions ended"

// wantedOf is what Entra should show of a person of JumpCloud.
func wantedOf(name string, person jumpcloudtest.Fields, exists bool) string {
	switch {
	case !exists, slices.Contains(disconnected, name):
		return blocked
	case person.Text("state") != "ACTIVATED":
		return blocked
	default:
		return strings.Join([]string{person.Text("firstname") + " " + person.Text("lastname"), person.Text("jobTitle"), person.Text("department"), person.Text("location")}, ", ")
	}
}

// shownOf is what Entra shows of an account.
func shownOf(account entratest.User) string {
	if !account.AccountEnabled && account.Text("signInSessionsValidFromDateTime") == "" {
		return "sign-in blocked, sessions open"
	}
	if !account.AccountEnabled {
		return blocked
	}
	return strings.Join([]string{account.Text("givenName") + " " + account.Text("surname"), account.Text("jobTitle"), account.Text("department"), account.Text("officeLocation")}, ", ")
}
