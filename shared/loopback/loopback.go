// Package loopback knows which hosts are this machine: what goes there may go by plain
// http, and what listens there hears nobody else.
package loopback

import (
	"net/netip"
	"strings"
)

// Is reports whether a host, a name or an address without port and brackets, is this
// machine for itself alone. Of names only localhost is.
func Is(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
