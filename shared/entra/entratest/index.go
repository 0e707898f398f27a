package entratest

import (
	"slices"
	"strings"
)

// addresses are the mail addresses, in lower case, that no other object may have: a UPN
// must also differ from all proxyAddresses.
func (o *object) addresses() []string {
	var out []string
	if mail := o.text("mail"); mail != "" {
		out = append(out, strings.ToLower(mail))
	}
	for _, proxy := range o.texts("proxyAddresses") {
		_, address, found := strings.Cut(proxy, ":")
		if !found {
			address = proxy
		}
		out = append(out, strings.ToLower(address))
	}
	return out
}

// isM365 reports whether a group is a Microsoft 365 group.
func (o *object) isM365() bool { return slices.Contains(o.texts("groupTypes"), "Unified") }

// link records in a reverse index that from refers to to.
func link(index map[string]map[string]bool, to, from string) {
	if to == "" {
		return
	}
	if index[to] == nil {
		index[to] = map[string]bool{}
	}
	index[to][strings.ToLower(from)] = true
}

// index adds an object to the indexes of names; a deleted one only by the name that it
// keeps.
func (t *tenant) index(o *object) {
	if !o.Deleted.IsZero() {
		if name := o.text("uniqueName"); name != "" {
			t.deletedUniqueName[strings.ToLower(name)] = o.ID
		}
		return
	}
	if o.Kind == kindUser {
		t.users++
	}
	if o.is("isAssignableToRole") {
		t.assignable[strings.ToLower(o.ID)] = true
	}
	eachName(t, o, func(index map[string]string, name string) { index[name] = o.ID })
}

// unindex removes an object from the indexes of names before it changes.
func (t *tenant) unindex(o *object) {
	if !o.Deleted.IsZero() {
		if name := strings.ToLower(o.text("uniqueName")); t.deletedUniqueName[name] == o.ID {
			delete(t.deletedUniqueName, name)
		}
		return
	}
	if o.Kind == kindUser {
		t.users--
	}
	delete(t.assignable, strings.ToLower(o.ID))
	eachName(t, o, func(index map[string]string, name string) {
		if index[name] == o.ID {
			delete(index, name)
		}
	})
}

// eachName calls f for every index that has the object, with its name there.
func eachName(t *tenant, o *object, f func(index map[string]string, name string)) {
	for _, address := range o.addresses() {
		f(t.byAddress, address)
	}
	if o.Kind == kindUser {
		f(t.byUPN, strings.ToLower(o.text("userPrincipalName")))
		if id := o.text("onPremisesImmutableId"); id != "" {
			f(t.byImmutable, id)
		}
		return
	}
	if name := o.text("uniqueName"); name != "" {
		f(t.byUniqueName, strings.ToLower(name))
	}
	if o.isM365() {
		f(t.byMailName, strings.ToLower(o.text("mailNickname")))
	}
}

// holder is the id of another object that has the name in the index; "" if none.
func holder(index map[string]string, name, self string) string {
	if id, taken := index[name]; taken && id != self {
		return id
	}
	return ""
}
