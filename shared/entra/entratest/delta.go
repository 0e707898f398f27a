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
	Beside string   `json:"o,omitempty"` // progress: the last object of that change, which may concern several
	Group  string   `json:"g,omitempty"` // the group whose members did not fit on the page
	Member int64    `json:"m,omitempty"` // the last member that did
	Again  string   `json:"r,omitempty"` // the last object on the page, which the next one repeats
	Select []string `json:"s,omitempty"`
	IDs    []string `json:"i,omitempty"`
	Issued int64    `json:"t"` // Unix seconds
	Begun  bool     `json:"e,omitempty"`
	Era    int      `json:"v,omitempty"` // of the tokens, which ends with [Simulator.ForgetChanges]
}

func (c *call) deltaUsers() (*answer, *graphError)  { return c.delta(kindUser) }
func (c *call) deltaGroups() (*answer, *graphError) { return c.delta(kindGroup) }

// delta answers one page of a delta query (Microsoft Graph documentation, delta
// query overview).
func (c *call) delta(kind string) (*answer, *graphError) {
	if c.behaviour.NoDelta {
		return nil, refuse(http.StatusBadRequest, codeNoDelta, textNoDelta)
	}
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
	page := &deltaPage{c: c, token: token, minimal: c.prefers("return=minimal"), value: []any{}, size: deltaPageSize, room: deltaMembersPage}
	if smaller := c.behaviour.DeltaPage; smaller > 0 {
		page.size, page.room = smaller, smaller
	}
	more := page.fill()
	body["value"] = append(page.value, page.later...)
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

// deltaStart is the token of the request, or a new one for a full round. A token has the
// options of its query: giving others beside it is refused, apart from another $select
// beside a $deltatoken (Microsoft Graph documentation, delta query overview).
func (c *call) deltaStart(kind string) (deltaToken, *graphError) {
	skip, delta := c.option("$skiptoken"), c.option("$deltatoken")
	begins := delta == "" || strings.EqualFold(delta, "latest")
	switch {
	case skip != "" && len(c.query) > 1:
		return deltaToken{}, badRequest("The query options of a delta query cannot be given together with a $skiptoken.")
	case skip != "":
		return c.deltaResume(kind, skip)
	case !begins && c.query.Has("$filter"):
		return deltaToken{}, badRequest("The $filter of a delta query cannot be given together with a $deltatoken.")
	}
	s, failure := c.selected(kind)
	if failure != nil {
		return deltaToken{}, failure
	}
	if !begins {
		token, failure := c.deltaResume(kind, delta)
		if s.names != nil {
			token.Select = s.names
		}
		return token, failure
	}
	token := deltaToken{Kind: kind, Full: true, Select: s.names}
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

// deltaResume reads a token and refuses one that is older than seven days or forgotten, in
// the form of the behaviour. One that is none of ours is always 400.
func (c *call) deltaResume(kind, raw string) (deltaToken, *graphError) {
	var token deltaToken
	lost := refuse(http.StatusBadRequest, "syncStateNotFound", "The sync state generation is not found.")
	if decodeToken(raw, &token) != nil || token.Kind != kind {
		return token, lost
	}
	if c.now.Sub(time.Unix(token.Issued, 0)) < deltaTokenLife && token.Era == c.sim.deltaEra() {
		return token, nil
	}
	if c.behaviour.DeltaDead == DeadNotFound {
		return token, lost
	}
	e := refuse(http.StatusGone, "resyncRequired", "Resync required. The delta token is no longer valid, and the application must reset the sync state.")
	if c.behaviour.DeltaDead == DeadGone {
		return token, e
	}
	query := url.Values{"$deltatoken": {""}}
	if len(token.Select) > 0 {
		query.Set("$select", strings.Join(token.Select, ","))
	}
	e.header = http.Header{}
	e.header.Set("Location", c.base+"/"+kind+"s/delta?"+queryString(query))
	return token, e
}

func (c *call) deltaLink(kind, option string, token deltaToken) string {
	token.Issued, token.Era = c.now.Unix(), c.sim.deltaEra()
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
	later   []any // at its end: parts and repetitions of what is on it
	size    int   // objects on it
	room    int   // for entries of members
}

// fill puts objects on the page and reports whether there is more.
func (p *deltaPage) fill() bool {
	p.repeatLast()
	for _, step := range p.steps() {
		if len(p.value) >= p.size || p.room == 0 {
			return true
		}
		if !p.wants(step.o) {
			p.token.After, p.token.Beside = step.at, step.o.ID
			continue
		}
		if p.c.behaviour.DeltaRepeats {
			p.token.Again = step.o.ID
		}
		if complete := p.add(step.o); !complete {
			return true
		}
		p.token.After, p.token.Beside, p.token.Group, p.token.Member = step.at, step.o.ID, "", 0
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
	if p.token.Full && p.c.behaviour.DeltaFirstRemoved {
		for _, o := range t.objects {
			if o.Seq <= p.token.Until && o.Ordinal > p.token.After {
				out = append(out, deltaStep{o, o.Ordinal})
			}
		}
		slices.SortFunc(out, func(a, b deltaStep) int { return cmp.Compare(a.at, b.at) })
		return out
	}
	if p.token.Full {
		from := sort.Search(len(t.order), func(i int) bool { return t.order[i].Ordinal > p.token.After })
		for _, o := range t.order[from:] {
			if o.Since <= p.token.Until && o.Deleted.IsZero() {
				out = append(out, deltaStep{o, o.Ordinal})
			}
		}
		return out
	}
	from := sort.Search(len(t.changes), func(i int) bool { return t.changes[i].seq > p.token.Base && t.changes[i].seq >= p.token.After })
	last := map[string]int64{} // each object once, at its last change
	for _, mark := range t.changes[from:] {
		if mark.seq <= p.token.Until {
			last[mark.id] = mark.seq
		}
	}
	for id, seq := range last {
		if o := t.objects[id]; seq > p.token.After || o.ID > p.token.Beside {
			out = append(out, deltaStep{o, seq})
		}
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
		p.put(removed(o, "deleted"))
		return true
	case !o.Deleted.IsZero():
		if o.DeletedSeq > p.token.Base {
			p.put(removed(o, "changed"))
		}
		return true
	}
	shown, changed := p.properties(o)
	if entries := p.managers(o); len(entries) > 0 && (!changed || !p.c.behaviour.DeltaManagerAlone) {
		shown["manager@delta"], changed = entries, true
	}
	entries, complete := p.members(o)
	if len(entries) > 0 {
		shown["members@delta"], changed = entries, true
	}
	if changed || p.isNew(o) {
		p.put(shown)
	}
	return complete
}

// put puts an object on the page: as it is, in two parts, and repeated, as the behaviour
// says. The first part keeps the place, the others come at the end of the page.
func (p *deltaPage) put(shown map[string]any) {
	parts := []any{shown}
	if p.c.behaviour.DeltaSplits {
		parts = halves(shown)
	}
	p.value, p.later = append(p.value, parts[0]), append(p.later, parts[1:]...)
	if p.c.behaviour.DeltaRepeats {
		p.later = append(p.later, parts...)
	}
}

// repeatLast puts the properties of the last object of the page before on this one.
func (p *deltaPage) repeatLast() {
	o := p.c.tenant.objects[strings.ToLower(p.token.Again)]
	p.token.Again = ""
	if o == nil || !o.Deleted.IsZero() || o.Purged {
		return
	}
	shown, _ := p.properties(o)
	p.later = append(p.later, shown)
}

// halves are two entries for an object, each with half of its properties.
func halves(shown map[string]any) []any {
	both := [2]map[string]any{{}, {}}
	n := 0
	for _, name := range slices.Sorted(maps.Keys(shown)) {
		switch name {
		case "id", "@odata.type", "@removed":
			both[0][name], both[1][name] = shown[name], shown[name]
		default:
			both[n%2][name] = shown[name]
			n++
		}
	}
	if n < 2 {
		return []any{shown}
	}
	return []any{both[0], both[1]}
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
		wanted := fresh || ever && (!p.minimal || p.token.Full) || name == "createdDateTime" && !p.minimal
		value := p.c.value(o, name, known)
		if wanted && (value != nil || p.minimal || p.c.behaviour.DeltaNulls) {
			shown[name] = value
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
	if o.Manager != "" && (p.isNew(o) || o.ManagerSeq > p.token.Base) {
		out = append(out, map[string]any{"@odata.type": "#microsoft.graph.user", "id": o.Manager})
	}
	return out
}

// isNew reports whether the round shows all of an object: it was created, or restored from
// deletedItems (assumed), since the base.
func (p *deltaPage) isNew(o *object) bool { return p.token.Full || o.Since > p.token.Base }

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
		if m.Seq > p.token.Until || !p.isNew(o) && m.Seq <= p.token.Base {
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
	if p.token.Full && !p.c.behaviour.DeltaFirstRemoved {
		return out, true
	}
	for _, id := range slices.Sorted(maps.Keys(o.Removed)) {
		if p.c.behaviour.DeltaSilentPurge && p.purged(id) {
			continue
		}
		if seq := o.Removed[id]; seq > p.token.Base && seq <= p.token.Until {
			out = append(out, map[string]any{"@odata.type": p.typeOf(id), "id": id, "@removed": map[string]any{"reason": "deleted"}})
		}
	}
	return out, true
}

// purged reports whether an object was deleted for good.
func (p *deltaPage) purged(id string) bool {
	o := p.c.tenant.objects[strings.ToLower(id)]
	return o == nil || o.Purged
}

func (p *deltaPage) typeOf(id string) string {
	if o := p.c.tenant.objects[strings.ToLower(id)]; o != nil {
		return o.odataType()
	}
	return "#microsoft.graph.directoryObject"
}
