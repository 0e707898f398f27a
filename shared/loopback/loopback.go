// Package loopback knows which hosts are this machine. Requests to them may use plain
// http, and a listener on them accepts no connection from another machine.
package loopback

import (
	"net/netip"
	"strings"
)

// Is reports whether a host is this machine, reached by its loopback interface. The host
// is a name or an address, without port and brackets. The only such name is localhost.
func Is(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
