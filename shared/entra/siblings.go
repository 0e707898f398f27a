package entra

import (
	"context"
	"strconv"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
	"entrasync/shared/reconcile"
)

// withSiblings completes the actions that write a part of a property that Graph
// replaces completely: it reads the other parts and adds them unchanged. An action
// whose account cannot be read gets the error as its result.
func (c *Client) withSiblings(ctx context.Context, actions []plan.Action, results []reconcile.Result) []plan.Action {
	var requests []request
	missing := map[int][]directory.Attribute{}
	for i, action := range actions {
		siblings := directory.Siblings(action.Changes)
		if action.Type == plan.Provision || len(siblings) == 0 {
			continue
		}
		item, err := c.lookUp(ctx, strconv.Itoa(i), string(action.EntraID), siblings)
		if results[i].Err = err; err == nil {
			requests, missing[i] = append(requests, item), siblings
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
		account, err := c.lookedUp(answer, missing[i])
		if err == nil && account == nil {
			err = fault.New(fault.NotFound, "entra.look up", "the account is not in Entra")
		}
		if results[i].Err = err; err != nil {
			continue
		}
		changes := append([]directory.Change{}, actions[i].Changes...)
		for _, part := range missing[i] {
			changes = append(changes, directory.Change{Attribute: part, To: account.Attributes[part]})
		}
		completed[i].Changes = changes
	}
	return completed
}
