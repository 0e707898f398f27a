package entratest

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// The two kinds of directory objects that are simulated.
const (
	kindUser  = "user"
	kindGroup = "group"
)

// tenant is the directory of one tenant. Objects change only through apply, so that
// replaying the journal gives the same directory again; values of properties are never
// changed in place, so they may be read after the lock is released.
type tenant struct {
	Tenant
	mu      sync.RWMutex
	seq     int64              // of the last change
	next    int64              // ordinal of the next object
	objects map[string]*object // by id in lower case, soft-deleted ones and tombstones too
	order   []*object          // by ordinal, without tombstones
	changes []changeMark       // by seq, for delta queries and their lag

	byUPN        map[string]string // names in lower case to ids, of objects that are not deleted
	byAddress    map[string]string // mail and proxy addresses
	byImmutable  map[string]string // onPremisesImmutableId of users
	byUniqueName map[string]string
	// deletedUniqueName are the uniqueNames of groups that can be restored.
	deletedUniqueName map[string]string
	byMailName        map[string]string          // mailNickname of Microsoft 365 groups
	memberOf          map[string]map[string]bool // member to groups, deleted ones too
	reports           map[string]map[string]bool // manager to users
	assignable        map[string]bool            // role-assignable groups
	users             int                        // users that are not deleted: the size of the tenant
}

// changeMark records which object changed when.
type changeMark struct {
	seq int64
	id  string
	at  time.Time
}

// object is a user, a group, or the tombstone of one.
type object struct {
	Kind    string          `json:"kind"`
	ID      string          `json:"id"`
	Ordinal int64           `json:"ordinal"`
	Seq     int64           `json:"seq"` // of its last change
	At      time.Time       `json:"at"`  // of its last change
	Created time.Time       `json:"created"`
	Since   int64           `json:"since"` // seq of the create or the last restore
	Props   map[string]prop `json:"props,omitempty"`

	Deleted    time.Time `json:"deleted,omitzero"` // soft-deleted since
	DeletedSeq int64     `json:"deletedSeq,omitempty"`
	Purged     bool      `json:"purged,omitempty"` // a tombstone: gone for good

	Manager    string           `json:"manager,omitempty"`
	ManagerSeq int64            `json:"managerSeq,omitempty"`
	Managers   map[string]int64 `json:"managers,omitempty"` // former ones: seq of the end

	Members    []member         `json:"members,omitempty"` // by N
	NextMember int64            `json:"nextMember,omitempty"`
	Removed    map[string]int64 `json:"removed,omitempty"` // former members: seq of the removal
	Owners     []string         `json:"owners,omitempty"`

	Facts facts `json:"facts,omitzero"`

	hidden  time.Time // not readable before: replication lag, not kept in the journal
	members map[string]bool
}

// prop is the value of a property and the number of the change that set it. A nil value
// was cleared.
type prop struct {
	Value any   `json:"v"`
	Seq   int64 `json:"s"`
}

// member is one entry of a group. N orders the entries for paging.
type member struct {
	ID  string `json:"id"`
	Seq int64  `json:"s"`
	N   int64  `json:"n"`
}

// facts are set by a test and never written through Graph.
type facts struct {
	DirectoryRoles  []string  `json:"directoryRoles,omitempty"` // of a user, by display name
	EverSynced      bool      `json:"everSynced,omitempty"`     // was mastered on premises once
	MadeByExchange  bool      `json:"madeByExchange,omitempty"` // a mail user
	Agent           bool      `json:"agent,omitempty"`          // of the type agentUser
	PasswordHash    string    `json:"passwordHash,omitempty"`
	PasswordAt      time.Time `json:"passwordAt,omitzero"`
	PasswordChanges int       `json:"passwordChanges,omitempty"`
	MustChange      bool      `json:"mustChange,omitempty"` // forceChangePasswordNextSignIn
}

// change is one change of one object: an entry of the journal, made by apply.
type change struct {
	Seq    int64          `json:"seq"`
	At     time.Time      `json:"at"`
	Kind   string         `json:"kind"`
	ID     string         `json:"id"`
	Create bool           `json:"create,omitempty"`
	Set    map[string]any `json:"set,omitempty"`

	Manager *string  `json:"manager,omitempty"` // "": none
	Add     []string `json:"add,omitempty"`
	Remove  []string `json:"remove,omitempty"`
	Owners  []string `json:"owners,omitempty"` // added
	Delete  bool     `json:"delete,omitempty"` // softly
	Restore bool     `json:"restore,omitempty"`
	Purge   bool     `json:"purge,omitempty"`
	Facts   *facts   `json:"facts,omitempty"`
	hidden  time.Time
}

func newTenant(t Tenant) *tenant {
	return &tenant{
		Tenant: t, objects: map[string]*object{},
		byUPN: map[string]string{}, byAddress: map[string]string{}, byImmutable: map[string]string{},
		byUniqueName: map[string]string{}, deletedUniqueName: map[string]string{}, byMailName: map[string]string{},
		memberOf: map[string]map[string]bool{}, reports: map[string]map[string]bool{}, assignable: map[string]bool{},
	}
}

// apply makes a change. The caller holds the lock and has checked every rule.
func (t *tenant) apply(c change) *object {
	t.seq = c.Seq
	o := t.objects[strings.ToLower(c.ID)]
	if c.Create {
		t.next++
		o = &object{
			Kind: c.Kind, ID: c.ID, Ordinal: t.next, Created: c.At, Since: c.Seq,
			Props: map[string]prop{}, Removed: map[string]int64{}, members: map[string]bool{}, hidden: c.hidden,
		}
		t.objects[strings.ToLower(c.ID)] = o
		t.order = append(t.order, o)
	}
	if o == nil || o.Purged {
		return nil
	}
	if !c.Create {
		t.unindex(o)
	}
	t.applyValues(o, c)
	t.applyMembers(o, c)
	t.markChanged(o, c)
	if c.Purge {
		t.purge(o, c)
		return o
	}
	t.index(o)
	return o
}

func (t *tenant) applyValues(o *object, c change) {
	for name, value := range c.Set {
		o.Props[name] = prop{Value: value, Seq: c.Seq}
	}
	if c.Facts != nil {
		o.Facts = *c.Facts
	}
	if c.Manager != nil {
		delete(t.reports[o.Manager], strings.ToLower(o.ID))
		o.setManager(*c.Manager, c.Seq)
		link(t.reports, o.Manager, o.ID)
	}
	if c.Delete {
		o.Deleted, o.DeletedSeq = c.At, c.Seq
	}
	if c.Restore {
		o.Deleted, o.DeletedSeq, o.Since = time.Time{}, 0, c.Seq
		for name, value := range o.Props { // delta queries show all properties of a restored object
			o.Props[name] = prop{Value: value.Value, Seq: c.Seq}
		}
	}
}

func (t *tenant) applyMembers(o *object, c change) {
	o.Owners = append(o.Owners, c.Owners...)
	for _, id := range c.Add {
		o.NextMember++
		o.Members = append(o.Members, member{ID: id, Seq: c.Seq, N: o.NextMember})
		o.members[id] = true
		delete(o.Removed, id)
		link(t.memberOf, id, o.ID)
	}
	for _, id := range c.Remove {
		o.dropMember(id, c.Seq)
		delete(t.memberOf[id], strings.ToLower(o.ID))
	}
}

func (o *object) setManager(id string, seq int64) {
	if o.Manager != "" {
		if o.Managers == nil {
			o.Managers = map[string]int64{}
		}
		o.Managers[o.Manager] = seq
	}
	o.Manager, o.ManagerSeq = id, seq
}

func (o *object) dropMember(id string, seq int64) {
	for i, m := range o.Members {
		if m.ID == id {
			o.Members = slices.Delete(o.Members, i, i+1)
			break
		}
	}
	delete(o.members, id)
	o.Removed[id] = seq
}

// markChanged records for delta queries that the object changed.
func (t *tenant) markChanged(o *object, c change) {
	o.Seq, o.At = c.Seq, c.At
	t.changes = append(t.changes, changeMark{seq: c.Seq, id: strings.ToLower(o.ID), at: c.At})
	if len(t.changes) > 1<<16 && c.At.Sub(t.changes[1<<15].at) > deltaTokenLife {
		t.changes = slices.Clone(t.changes[1<<15:]) // no delta token is old enough to need these
	}
}

// purge leaves a tombstone, so that delta queries can report it and ids are never used
// again. It removes the object from groups, lists and the reports of its manager.
func (t *tenant) purge(o *object, c change) {
	for groupID := range t.memberOf[o.ID] {
		if group := t.objects[groupID]; group != nil && group.members[o.ID] {
			group.dropMember(o.ID, c.Seq)
			t.markChanged(group, c)
		}
	}
	for userID := range t.reports[o.ID] {
		if user := t.objects[userID]; user != nil && user.Manager == o.ID {
			user.setManager("", c.Seq)
			t.markChanged(user, c)
		}
	}
	for _, m := range o.Members {
		delete(t.memberOf[m.ID], strings.ToLower(o.ID))
	}
	delete(t.reports[o.Manager], strings.ToLower(o.ID))
	delete(t.memberOf, o.ID)
	delete(t.reports, o.ID)
	at := sort.Search(len(t.order), func(i int) bool { return t.order[i].Ordinal >= o.Ordinal })
	if at < len(t.order) && t.order[at] == o {
		t.order = slices.Delete(t.order, at, at+1)
	}
	*o = object{Kind: o.Kind, ID: o.ID, Ordinal: o.Ordinal, Seq: o.Seq, At: o.At, Created: o.Created, Purged: true}
}

// text is a property as text; "" when it is unset or not text.
func (o *object) text(name string) string {
	value, _ := o.Props[name].Value.(string)
	return value
}

// is reports whether a property is true.
func (o *object) is(name string) bool {
	value, _ := o.Props[name].Value.(bool)
	return value
}

// texts is a property that is a collection of texts.
func (o *object) texts(name string) []string {
	var out []string
	values, _ := o.Props[name].Value.([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// live is the object of that id if it is neither deleted nor hidden by lag.
func (t *tenant) live(id string, now time.Time) *object {
	o := t.objects[strings.ToLower(id)]
	if o == nil || o.Purged || !o.Deleted.IsZero() || o.hidden.After(now) {
		return nil
	}
	return o
}

// domain finds a domain of the tenant.
func (t *tenant) domain(name string) (Domain, bool) {
	for _, d := range t.Domains {
		if strings.EqualFold(d.Name, name) {
			return d, true
		}
	}
	return Domain{}, false
}

// issuer is the name of the tenant in identities: its initial or default domain.
func (t *tenant) issuer() string {
	for _, d := range t.Domains {
		if d.Initial {
			return d.Name
		}
	}
	return t.defaultDomain()
}

// defaultDomain is the domain of the addresses of new Microsoft 365 groups.
func (t *tenant) defaultDomain() string {
	for _, d := range t.Domains {
		if d.Default && !d.Unverified {
			return d.Name
		}
	}
	for _, d := range t.Domains {
		if !d.Unverified {
			return d.Name
		}
	}
	return ""
}
