package directory

import (
	"slices"
	"strings"
)

// License is a license that an account has by itself: a product, and the parts of it that are
// turned off. Somebody who gets a license back gets it with the same parts.
type License struct {
	SKU string // the id of the product, a GUID in lower case
	// DisabledPlans are the ids of the parts that are turned off, sorted.
	DisabledPlans []string
}

// GroupLicense is a license that an account has as a member of a group.
type GroupLicense struct {
	SKU   string
	Group EntraID
}

// withoutPlans stands between the product and the parts of it that are turned off.
const withoutPlans = " without "

// Text is the license as a value of [AssignedLicenses], "<product>" or
// "<product> without <part>,<part>".
func (l License) Text() string {
	if len(l.DisabledPlans) == 0 {
		return l.SKU
	}
	return l.SKU + withoutPlans + strings.Join(l.DisabledPlans, ",")
}

// licenseOf is the license of a text.
func licenseOf(text string) License {
	sku, plans, some := strings.Cut(text, withoutPlans)
	l := License{SKU: sku}
	if some {
		l.DisabledPlans = strings.Split(plans, ",")
	}
	return l
}

// LicensesIn are the licenses in a value of [AssignedLicenses].
func LicensesIn(v Value) []License {
	licenses := make([]License, len(v))
	for i, text := range v {
		licenses[i] = licenseOf(text)
	}
	return licenses
}

// LicenseValue is the value of [AssignedLicenses] that has some licenses.
func LicenseValue(licenses []License) Value {
	var v Value
	for _, l := range licenses {
		v = append(v, l.Text())
	}
	slices.Sort(v)
	return v
}
