package directory

import (
	"slices"
	"strings"
)

// Region is where JumpCloud hosts an organization.
type Region string

// The regions of JumpCloud (JumpCloud API documentation).
const (
	US    Region = "us"
	EU    Region = "eu"
	India Region = "in"
)

// Regions lists all regions.
var Regions = []Region{US, EU, India}

// jumpCloudDomain is the suffix of every host name of JumpCloud.
const jumpCloudDomain = ".jumpcloud.com"

// Host changes an address of JumpCloud in the US into that of the region:
// console.jumpcloud.com becomes console.eu.jumpcloud.com, admin-oauth.id.jumpcloud.com
// becomes admin-oauth.id.eu.jumpcloud.com. It does not change an address that is not
// JumpCloud's, or that has a region already.
func (r Region) Host(address string) string {
	if r == US || r == "" {
		return address
	}
	scheme, rest, _ := strings.Cut(address, "://")
	host, path, hasPath := strings.Cut(rest, "/")
	service, found := strings.CutSuffix(host, jumpCloudDomain)
	if !found || slices.ContainsFunc(Regions, func(each Region) bool { return strings.HasSuffix(service, "."+string(each)) }) {
		return address
	}
	address = scheme + "://" + service + "." + string(r) + jumpCloudDomain
	if hasPath {
		address += "/" + path
	}
	return address
}
