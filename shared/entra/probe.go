package entra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Probe implements reconcile.Entra. It signs in again first: a token that is still good
// does not show that the credentials no longer are, nor what was granted since.
func (c *Client) Probe(ctx context.Context, scope directory.Scope) (tenant directory.Tenant, rights string, err error) {
	fresh, err := c.tokens.afresh(ctx, time.Time{})
	if err != nil {
		return tenant, "", err
	}
	rights, tenant.Granted = fresh.rights.digest(), fresh.granted()
	const op = "entra.probe"
	switch scope {
	case directory.OfUsers:
		one := int32(1)
		r, err := c.asItem(c.users.ToGetRequestInformation(ctx, &users.UsersRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Select: []string{"id"}, Top: &one},
		}))
		return tenant, rights, c.mayRead(ctx, op, r, err, readable)
	case directory.OfGroups:
		one := int32(1)
		r, err := c.asItem(c.groups.ToGetRequestInformation(ctx, &groups.GroupsRequestBuilderGetRequestConfiguration{
			QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{Select: []string{"id"}, Top: &one},
		}))
		return tenant, rights, c.mayRead(ctx, op, r, err, groupsReadable)
	case directory.OfPart: // the permissions are in the token
		return tenant, rights, nil
	default:
		tenant, err = c.Describe(ctx)
		return tenant, rights, err
	}
}

// Prove is Describe with a sign-in that begins after a time: the only proof of consent is a
// token that was made after it. What the token allows is in the answer also beside a
// fault.
func (c *Client) Prove(ctx context.Context, since time.Time) (directory.Tenant, error) {
	fresh, err := c.tokens.afresh(ctx, since)
	if err != nil {
		return directory.Tenant{}, err
	}
	tenant, err := c.Describe(ctx)
	if err != nil {
		tenant.Granted = fresh.granted()
	}
	return tenant, err
}

// mayRead sends a request that reads something and returns why Graph refuses it.
func (c *Client) mayRead(ctx context.Context, op string, r request, err error, explain func(*fault.Error) *fault.Error) error {
	if err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	status, header, body, err := c.exchangeItem(ctx, r)
	if err != nil {
		return fault.Wrap(err, fault.Transient, op)
	}
	if status != http.StatusOK {
		return explain(refusal(op, status, header, body))
	}
	return nil
}

// digest represents what a token allows, only to be compared with that of another token;
// "" if it cannot be read.
func (r rights) digest() string {
	if !r.readable {
		return ""
	}
	const size = 8
	sum := sha256.Sum256([]byte(strings.Join(r.roles, " ") + "/" + strings.Join(r.directoryRoles, " ")))
	return hex.EncodeToString(sum[:size])
}
