package entratest

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"
)

// deltaToken is the content of the links of a delta query: the query, the changes that
// the round reports, and the progress. Clients must treat it as opaque.
type deltaToken struct {
	Kind   string   `json:"k"`
	Base   int64    `json:"b"`           // the round reports the changes after this one
	Full   bool     `json:"f,omitempty"` // the round reports every object
	Until  int64    `json:"u,omitempty"` // last change of the round; 0 at its start
	After  int64    `json:"a,omitempty"` // progress: ordinal of a full round, change of another
	Group  string   `json:"g,omitempty"` // the group whose members did not fit on the page
	Member int64    `json:"m,omitempty"` // the last member that did
	Select []string `json:"s,omitempty"`
	IDs    []string `json:"i,omitempty"`
	Issued int64    `json:"t"` // Unix seconds
	Begun  bool     `json:"e,omitempty"`
}

func (c *call) deltaUsers() (*answer, *graphError)  { return c.delta(kindUser) }
func (c *call) deltaGroups() (*answer, *graphError) { return c.delta(kindGroup) }

// delta answers one page of a delta query (Microsoft Graph documentation, delta
// query overview).
func (c *call) delta(kind string) (*answer, *graphError) {
	token, failure := c.deltaStart(kind)
	if failure != nil {
		return nil, failure
	}
	c.tenant.mu.RLock()
	defer c.tenant.mu.RUnlock()
	s := selection{names: token.Select}
	body := map[string]any{"@odata.context": c.context(kind+"s", s, false), "value": []any{}}
	if strings.EqualFold(c.option("$deltatoken"), "latest") {
		token.Base, token.Full = c.visible(), false
		body["@odata.deltaLink"] = c.deltaLink(kind, "$deltatoken", token)
		return ok(body), nil
	}
	if token.Until == 0 {
		token.Until = max(c.visible(), token.Base)
	}
	if c.behaviour.DeltaEmptyPages && !token.Begun {
		token.Begun = true
		body["@odata.nextLink"] = c.deltaLink(kind, "$skiptoken", token)
		return ok(body), nil
	}
	token.Begun = true
	page := &deltaPage{c: c, token: token, minimal: c.prefers("return=minimal"), value: []any{}, room: deltaMembersPage}
	more := page.fill()
	body["value"] = page.value
	if more {
		body["@odata.nextLink"] = c.deltaLink(kind, "$skiptoken", page.token)
	} else {
		next := deltaToken{Kind: kind, Base: token.Until, Select: token.Select, IDs: token.IDs}
		body["@odata.deltaLink"] = c.deltaLink(kind, "$deltatoken", next)
	}
	return ok(body), nil
}

// option is a query option by name without regard to case: both $deltatoken and
// $deltaToken are documented.
func (c *call) option(name string) string {
	for given, values := range c.query {
		if strings.EqualFold(given, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// deltaStart is the token of the request, or a new one for a full round.
func (c *call) deltaStart(kind string) (deltaToken, *graphError) {
	raw := cmp.Or(c.option("$skiptoken"), c.option("$deltatoken"))
	if raw != "" && !strings.EqualFold(raw, "latest") {
		return c.deltaResume(kind, raw)
	}
	token := deltaToken{Kind: kind, Full: true}
	s, failure := c.selected(kind)
	if failure != nil {
		return token, failure
	}
	token.Select = s.names
	if !c.query.Has("$filter") {
		return token, nil
	}
	f, failure := c.parseFilter(kind)
	if failure != nil {
		return token, failure
	}
	if f.exact != "id" || len(f.names) > maxDeltaIDs {
		return token, unsupportedQuery("A delta query can be filtered by up to %d ids only.", maxDeltaIDs)
	}
	token.IDs = f.names
	return token, nil
}

// deltaResume reads a token and refuses one that is older than seven days: with 410 and
// the URL to start again, or with 400 syncStateNotFound.
func (c *call) deltaResume(kind, raw string) (deltaToken, *graphError) {
	var token deltaToken
	if decodeToken(raw, &token) != nil || token.Kind != kind {
		return token, refuse(http.StatusBadRequest, "syncStateNotFound", "The sync state generation is not found.")
	}
	if c.now.Sub(time.Unix(token.Issued, 0)) < deltaTokenLife {
		return token, nil
	}
	if c.behaviour.DeltaSyncStateAbsent {
		return token, refuse(http.StatusBadRequest, "syncStateNotFound", "The sync state generation is not found.")
	}
	e := refuse(http.StatusGone, "resyncRequired", "Resync required. The delta token is no longer valid, and the application must reset the sync state.")
	query := url.Values{"$deltatoken": {""}}
	if len(token.Select) > 0 {
		query.Set("$select", strings.Join(token.Select, ","))
	}
	e.header = http.Header{}
	e.header.Set("Location", c.base+"/"+kind+"s/delta?"+queryString(query))
	return token, e
}

func (c *call) deltaLink(kind, option string, token deltaToken) string {
	token.Issued = c.now.Unix()
	return c.linkBase() + "/" + kind + "s/delta?" + option + "=" + encodeToken(token)
}

// visible is the last change that delta queries show at this time.
func (c *call) visible() int64 {
	t := c.tenant
	if c.behaviour.DeltaLag <= 0 {
		return t.seq
	}
	cutoff := c.now.Add(-c.behaviour.DeltaLag)
	at := sort.Search(len(t.changes), func(i int) bool { return t.changes[i].at.After(cutoff) })
	if at == len(t.changes) {
		return t.seq
	}
	return t.changes[at].seq - 1
}

// deltaPage is a page that is being filled.
type deltaPage struct {
	c       *call
	token   deltaToken
	minimal bool
	value   []any
	room    int // for entries of members
}

// fill puts objects on the page and reports whether there is more.
func (p *deltaPage) fill() bool {
	for _, step := range p.steps() {
		if len(p.value) >= deltaPageSize || p.room == 0 {
			return true
		}
		if !p.wants(step.o) {
			p.token.After = step.at
			continue
		}
		if complete := p.add(step.o); !complete {
			return true
		}
		p.token.After, p.token.Group, p.token.Member = step.at, "", 0
	}
	return false
}

// deltaStep is an object and the progress after it.
type deltaStep struct {
	o  *object
	at int64
}

func (p *deltaPage) steps() []deltaStep {
	t := p.c.tenant
	var out []deltaStep
	if p.token.Full {
		from := sort.Search(len(t.order), func(i int) bool { return t.order[i].Ordinal > p.token.After })
		for _, o := range t.order[from:] {
			if o.Since <= p.token.Until && o.Deleted.IsZero() {
				out = append(out, deltaStep{o, o.Ordinal})
			}
		}
		return out
	}
	after := max(p.token.After, p.token.Base)
	from := sort.Search(len(t.changes), func(i int) bool { return t.changes[i].seq > after })
	last := map[string]int64{} // each object once, at its last change
	for _, mark := range t.changes[from:] {
		if mark.seq <= p.token.Until {
			last[mark.id] = mark.seq
		}
	}
	for id, seq := range last {
		out = append(out, deltaStep{t.objects[id], seq})
	}
	slices.SortFunc(out, func(a, b deltaStep) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.o.ID, b.o.ID)) })
	return out
}

func (p *deltaPage) wants(o *object) bool {
	return o != nil && o.Kind == p.token.Kind && (len(p.token.IDs) == 0 || slices.Contains(p.token.IDs, o.ID))
}

// add puts the changes of an object on the page, if it has any, and reports whether all
// of them fitted.
func (p *deltaPage) add(o *object) bool {
	switch {
	case o.Purged:
		p.value = append(p.value, removed(o, "deleted"))
		return true
	case !o.Deleted.IsZero():
		if o.DeletedSeq > p.token.Base {
			p.value = append(p.value, removed(o, "changed"))
		}
		return true
	}
	shown, changed := p.properties(o)
	if entries := p.managers(o); len(entries) > 0 {
		shown["manager@delta"], changed = entries, true
	}
	entries, complete := p.members(o)
	if len(entries) > 0 {
		shown["members@delta"], changed = entries, true
	}
	if changed || p.token.Full || o.Since > p.token.Base {
		p.value = append(p.value, shown)
	}
	return complete
}

func removed(o *object, reason string) map[string]any {
	return map[string]any{"id": o.ID, "@removed": map[string]any{"reason": reason}}
}

// properties are the selected properties that were ever set, or with return=minimal
// those that changed. It also reports whether any changed.
func (p *deltaPage) properties(o *object) (map[string]any, bool) {
	shown, changed := map[string]any{"id": o.ID}, false
	if o.Facts.Agent {
		shown["@odata.type"] = agentType
	}
	names := p.token.Select
	if names == nil {
		names = defaultNames(o.Kind)
	}
	d, err := described()
	if err != nil {
		return shown, false
	}
	for _, name := range names {
		known := d.properties[o.Kind][name]
		if known.link || known.schema == nil {
			continue
		}
		stored, ever := o.Props[name]
		fresh := ever && stored.Seq > p.token.Base
		changed = changed || fresh
		if fresh || ever && (!p.minimal || p.token.Full) || name == "createdDateTime" && !p.minimal {
			shown[name] = p.c.value(o, name, known)
		}
	}
	return shown, changed
}

func (p *deltaPage) managers(o *object) []any {
	if o.Kind != kindUser || !slices.Contains(p.token.Select, "manager") {
		return nil
	}
	var out []any
	if !p.token.Full {
		for _, id := range slices.Sorted(maps.Keys(o.Managers)) {
			if o.Managers[id] > p.token.Base && id != o.Manager {
				out = append(out, map[string]any{"@odata.type": "#microsoft.graph.user", "id": id, "@removed": map[string]any{"reason": "deleted"}})
			}
		}
	}
	if o.Manager != "" && (p.token.Full || o.ManagerSeq > p.token.Base) {
		out = append(out, map[string]any{"@odata.type": "#microsoft.graph.user", "id": o.Manager})
	}
	return out
}

// members are the changes of a group's members, as many as the page has room for, with
// the removed members at the end. It also reports whether all of them fitted.
func (p *deltaPage) members(o *object) ([]any, bool) {
	if o.Kind != kindGroup || p.token.Select != nil && !slices.Contains(p.token.Select, "members") {
		return nil, true
	}
	from := int64(0)
	if p.token.Group == o.ID {
		from = p.token.Member
	}
	var out []any
	at := sort.Search(len(o.Members), func(i int) bool { return o.Members[i].N > from })
	for _, m := range o.Members[at:] {
		if m.Seq > p.token.Until || !p.token.Full && m.Seq <= p.token.Base {
			continue
		}
		if p.room == 0 {
			p.token.Group = o.ID
			return out, false
		}
		out = append(out, map[string]any{"@odata.type": p.typeOf(m.ID), "id": m.ID})
		p.room--
		p.token.Member = m.N
	}
	if p.token.Full {
		return out, true
	}
	for _, id := range slices.Sorted(maps.Keys(o.Removed)) {
		if seq := o.Removed[id]; seq > p.token.Base && seq <= p.token.Until {
			out = append(out, map[string]any{"@odata.type": p.typeOf(id), "id": id, "@removed": map[string]any{"reason": "deleted"}})
		}
	}
	return out, true
}

func (p *deltaPage) typeOf(id string) string {
	if o := p.c.tenant.objects[strings.ToLower(id)]; o != nil {
		return o.odataType()
	}
	return "#microsoft.graph.directoryObject"
}
