package jumpcloud

import (
	"context"
	"net/http"
)

// ProbeKey implements reconcile.JumpCloud: it reads one user. The organization itself needs
// other rights than its users (assumed), and those are what the work on users needs.
func (c *Client) ProbeKey(ctx context.Context) error {
	_, err := c.do(ctx, call{op: "jumpcloud.probe", subject: string(c.organization), method: http.MethodGet, url: c.api + "/systemusers?limit=1&fields=_id"})
	return err
}
