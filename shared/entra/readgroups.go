package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// ReadGroups reads groups of every kind by their object ids, 20 in an HTTP request. It costs
// one resource unit for each group and no write unit.
func (c *Client) ReadGroups(ctx context.Context, ids []directory.EntraID) []reconcile.FoundGroups {
	found := make([]reconcile.FoundGroups, len(ids))
	var requests []request
	for i, id := range ids {
		info, err := c.groups.ByGroupId(string(id)).ToGetRequestInformation(ctx, &groups.GroupItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &groups.GroupItemRequestBuilderGetQueryParameters{Select: groupFields},
		})
		item, err := c.asItem(info, err)
		if err != nil {
			found[i].Err = fault.Wrap(err, fault.Internal, opReadGroups)
			continue
		}
		item.ID = strconv.Itoa(i)
		requests = append(requests, item)
	}
	answers := c.send(ctx, requests)
	for i := range found {
		if found[i].Err == nil {
			found[i] = readGroup(answers[strconv.Itoa(i)])
		}
	}
	return found
}

const opReadGroups = "entra.read groups"

// readGroup reads the answer about one group: none for a 404.
func readGroup(answer response) reconcile.FoundGroups {
	switch {
	case answer.err == nil && answer.Status == http.StatusNotFound:
		return reconcile.FoundGroups{}
	case answer.err != nil || answer.Status != http.StatusOK:
		return reconcile.FoundGroups{Err: readFault(opReadGroups, answer)}
	}
	var shown shownGroup
	if err := json.Unmarshal(answer.Body, &shown); err != nil || shown.ID == "" {
		return reconcile.FoundGroups{Err: unreadablePage(opReadGroups, err)}
	}
	return reconcile.FoundGroups{Groups: []directory.SecurityGroup{shown.group()}}
}
