package entra

import (
	"context"
	"strconv"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// parts are the attributes that Graph replaces together: a part that is not sent
// becomes null (Graph, employeeOrgData).
var parts = []directory.Attribute{directory.CostCenter, directory.Division}

// withWhole completes the actions that write one of the parts: the other one is
// read first and sent along as it is. Whose cannot be read gets the error as its
// result.
func (c *Client) withWhole(ctx context.Context, actions []plan.Action, results []reconcile.Result) []plan.Action {
	var requests []request
	for i, action := range actions {
		if action.Type == plan.Provision || action.Writes(parts[0]) == action.Writes(parts[1]) {
			continue
		}
		item, err := c.lookUp(ctx, strconv.Itoa(i), string(action.EntraID), parts)
		if results[i].Err = err; err == nil {
			requests = append(requests, item)
		}
	}
	if len(requests) == 0 {
		return actions
	}
	completed := append([]plan.Action{}, actions...)
	for id, answer := range c.send(ctx, requests) {
		i, err := strconv.Atoi(id)
		if err != nil {
			continue // not one of ours
		}
		account, err := c.lookedUp(answer, parts)
		if err == nil && account == nil {
			err = fault.New(fault.NotFound, "entra.look up", "the account is not in Entra")
		}
		if results[i].Err = err; err != nil {
			continue
		}
		changes := append([]directory.Change{}, actions[i].Changes...)
		for _, part := range parts {
			if !actions[i].Writes(part) {
				changes = append(changes, directory.Change{Attribute: part, To: account.Attributes[part]})
			}
		}
		completed[i].Changes = changes
	}
	return completed
}
