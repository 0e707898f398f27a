package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"entrasync/scripts/world"
	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
	"entrasync/shared/store"
)

// company is a company, its administrators, and what the simulation itself knows of them.
type company struct {
	*world.World
	t         world.T
	weather   *weather
	processes *processes
	log       *output
	people    map[int]*person
	groups    map[int]*group
	dirs      []directory.Directory // the second one is there only on some days
	rough     bool                  // there was worse than late, repeated and lost webhooks
	drops     bool                  // webhooks were dropped
	exact     bool                  // membership was exact at some time
	foreign   foreign
	samples   samples
	trail     trail
	now       view
	// confirmed are the users of whom an administrator said that they may have the account of
	// the one before them; confirming says that one is just saying so.
	confirmed  map[directory.UserID]bool
	confirming bool
}

// person is a person with a name. Who is hired again after a deletion is another user of
// JumpCloud with the same name.
type person struct {
	number int
	id     directory.UserID // of the present or the last user; "" if there was none
	ids    []string         // of all
	gone   bool
	found  entratest.User // the account that was there before, if there was one
	direct [2]bool        // connected by hand to a directory
}

// group is a group of JumpCloud.
type group struct {
	number    int
	id        directory.GroupID
	gone      bool
	connected [2]bool
}

// output is a log that can be searched.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// bytes are a copy of the log.
func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.text.Bytes())
}

// unscheduled is the time between two resyncs: a scheduled one would find what was lost. The
// function runs for the jobs of changed settings that could not be planned at once.
const unscheduled = 100 * 365 * 24 * time.Hour

// newCompany makes a company without people.
func newCompany(t world.T, seed uint64) *company {
	c := &company{t: t, weather: newWeather(seed), log: &output{}, people: map[int]*person{}, groups: map[int]*group{}, samples: newSamples(), confirmed: map[directory.UserID]bool{}}
	c.processes = &processes{weather: c.weather, written: c.written}
	log := zerolog.New(c.log).With().Timestamp().Logger()
	c.World = world.New(t, world.Config{Apart: true, Resync: true, ResyncEvery: unscheduled, Log: &log, Seed: seed + 1, Process: c.processes.make, Settings: func(s *directory.Settings) {
		s.Domains = []directory.Domain{{Name: world.Domain, Default: true}}
		s.Attributes[titleRule] = true
	}})
	c.API(http.MethodGet, "/healthz", "") // starts the process of the API
	c.dirs = []directory.Directory{c.Directory}
	c.addForeign()
	return c
}

// openSecond adds a directory on the same tenant, which connects people and manages no
// groups.
func (c *company) openSecond() {
	if len(c.dirs) > 1 {
		return
	}
	second := c.Kit.Directory("second", func(s *directory.Settings) {
		*s = c.dirs[0].Settings
		s.Attributes = maps.Clone(s.Attributes)
		s.ManageGroups, s.AllowSharedDomains = false, true
	})
	c.dirs = append(c.dirs, second)
	for i, dir := range c.dirs {
		other := c.dirs[1-i].ID
		c.edit(dir.ID, func(d *directory.Directory) { d.Shares, d.Settings.AllowSharedDomains = []directory.ID{other}, true })
	}
}

// edit changes the record of a directory.
func (c *company) edit(id directory.ID, change func(*directory.Directory)) {
	c.t.Helper()
	c.Must(store.Contended(c.t.Context(), func() error {
		d, err := c.Store.Directory(c.t.Context(), id)
		if err != nil {
			return err
		}
		change(&d)
		_, err = c.Store.PutDirectory(c.t.Context(), d)
		return err
	}))
}

// person is the person with a number, who may not be hired yet.
func (c *company) person(n int) *person {
	if c.people[n] == nil {
		c.people[n] = &person{number: n}
	}
	return c.people[n]
}

// present is a person who is in JumpCloud, or nil.
func (c *company) present(n int) *person {
	if p := c.person(n); p.id != "" && !p.gone {
		return p
	}
	return nil
}

// group is the group with a number; nil if it was deleted. It is made when it is first
// asked for.
func (c *company) group(n int) *group {
	if c.groups[n] == nil {
		c.groups[n] = &group{number: n, id: c.Group(groupName(n, 0))}
	}
	if c.groups[n].gone {
		return nil
	}
	return c.groups[n]
}

// groupName is a name of a group; no two groups share one.
func groupName(group, variant int) string {
	return []string{"Sales", "Ops", "Design"}[group%mostGroups] + []string{"", " 2", " north"}[variant%3]
}

// find makes an account that a person has before entrasync knows of the person.
func (c *company) find(n int) {
	if p := c.person(n); p.id == "" && p.found.ID == "" {
		account, err := c.Tenant.AddUser(entratest.User{UserPrincipalName: address(n, 0), AccountEnabled: true})
		c.Must(err)
		p.found = account
	}
}

// hire hires a person who is not there: active, or staged with variant 7.
func (c *company) hire(n, variant int) {
	if c.present(n) != nil {
		return
	}
	p := c.person(n)
	state := directory.Activated
	if variant == 7 {
		state = directory.Staged
	}
	id, err := c.JumpCloud.CreateUser(jumpcloudtest.Fields{"username": nameOf(n), "email": address(n, 0), "firstname": nameOf(n),
		"lastname": "Lee", "jobTitle": titles[variant%len(titles)], "state": string(state)})
	c.Must(err)
	*p = person{number: n, id: directory.UserID(id), ids: append(p.ids, id), found: p.found}
}

// crowd hires so many people that they do not fit on one page of a list, and puts them
// into a group. Their numbers begin with firstOfCrowd.
func (c *company) crowd(of, more int) {
	for n := firstOfCrowd; n < firstOfCrowd+pageSize+more; n++ {
		c.hire(n, 0)
		c.join(n, of)
	}
}

// pageSize is how many elements a page of JumpCloud's lists has.
const (
	firstOfCrowd = 100
	pageSize     = 100
)

// change changes fields of a person.
func (c *company) change(n int, fields jumpcloudtest.Fields) {
	if p := c.present(n); p != nil {
		c.Must(c.JumpCloud.UpdateUser(string(p.id), fields))
	}
}

// move changes the address of a person. Who had an account before keeps the address, by
// which that account is found.
func (c *company) move(n, variant int) {
	if c.person(n).found.ID == "" {
		c.change(n, jumpcloudtest.Fields{"email": address(n, variant)})
	}
}

// state changes the state of a person; JumpCloud may refuse it.
func (c *company) state(n int, do func(string) error) {
	if p := c.present(n); p != nil {
		_ = do(string(p.id))
	}
}

// remove deletes a person.
func (c *company) remove(n int) {
	if p := c.present(n); p != nil {
		c.Must(c.JumpCloud.DeleteUser(string(p.id)))
		p.gone = true
	}
}

// rehire deletes a person who is hired again at once, and connected: the new user wants
// the account that the former one still has.
func (c *company) rehire(n, variant int) {
	c.remove(n)
	c.hire(n, variant)
	c.sample() // the account should belong to another user from now on
	c.connect(n, 0)
}

// confirmRehires has an administrator say of each person who is hired again, and asked for, that
// it is the same one.
func (c *company) confirmRehires() {
	if c.confirming {
		return
	}
	c.confirming = true
	defer func() { c.confirming = false }()
	for _, n := range slices.Sorted(maps.Keys(c.people)) {
		p := c.present(n)
		if p == nil || len(p.ids) == 1 {
			continue
		}
		known, err := c.Store.User(c.t.Context(), c.Organization(), p.id)
		c.Must(err)
		for _, l := range known.Links {
			if l.Former != nil && l.Confirmed == nil {
				c.confirmed[p.id] = true
				c.ask(http.MethodPost, l.Directory, "/users/"+string(p.id)+"/take-over", "")
			}
		}
	}
}

// hasty changes a person and connects them at once, so that JumpCloud may still show what
// was before.
func (c *company) hasty(n, variant int) {
	c.change(n, jumpcloudtest.Fields{"lastname": fmt.Sprint("Lee", variant)})
	c.connect(n, 0)
}

// join and leave are refused if the person is in the group, or is not.
func (c *company) join(n, of int) {
	if p, g := c.present(n), c.group(of); p != nil && g != nil {
		_ = c.JumpCloud.AddMember(string(g.id), string(p.id))
	}
}

func (c *company) leave(n, of int) {
	if p, g := c.present(n), c.group(of); p != nil && g != nil {
		_ = c.JumpCloud.RemoveMember(string(g.id), string(p.id))
	}
}

func (c *company) rename(n, variant int) {
	if g := c.group(n); g != nil {
		c.Must(c.JumpCloud.RenameGroup(string(g.id), groupName(n, variant)))
	}
}

func (c *company) removeGroup(n int) {
	if g := c.group(n); g != nil {
		c.Must(c.JumpCloud.DeleteGroup(string(g.id)))
		g.gone = true
	}
}

// in is a directory, if it is there.
func (c *company) in(dir int) (directory.ID, bool) {
	if dir >= len(c.dirs) {
		return "", false
	}
	return c.dirs[dir].ID, true
}

// How often an administrator repeats a request that failed, and how long after it.
const (
	requests    = 100
	requestWait = 5 * time.Second
)

// ask sends a request of an administrator to the API, again and again until there is an
// answer that says more than to try again.
func (c *company) ask(method string, dir directory.ID, path, body string) {
	for range requests {
		c.revive()
		status := c.API(method, "/v1/directories/"+string(dir)+path, body)
		if died := c.revive(); !died && status < http.StatusInternalServerError {
			return
		}
		c.pass(requestWait)
	}
}

// revive starts the process of the API anew and reports whether it was dead.
func (c *company) revive() (died bool) { return c.processes.last().dead.Swap(false) }

// connect asks for a direct connection. JumpCloud may not know yet whom it hired, so what
// the records have is what the administrator sees.
func (c *company) connect(n, dir int) {
	p := c.present(n)
	id, there := c.in(dir)
	if p == nil || !there {
		return
	}
	c.ask(http.MethodPut, id, "/connections/users/"+string(p.id), "")
	c.seeUser(p, dir)
}

func (c *company) disconnect(n, dir int) {
	p := c.person(n)
	id, there := c.in(dir)
	if p.id == "" || !there || !p.direct[dir] {
		return
	}
	c.ask(http.MethodDelete, id, "/connections/users/"+string(p.id), "")
	c.seeUser(p, dir)
}

// seeUser reads whether a person is connected directly.
func (c *company) seeUser(p *person, dir int) {
	known, err := c.Store.User(c.t.Context(), c.Organization(), p.id)
	c.Must(err)
	p.direct[dir] = slices.Contains(known.Paths(c.dirs[dir].ID), directory.Direct)
}

func (c *company) connectGroup(n, dir int) {
	g := c.group(n)
	id, there := c.in(dir)
	if g == nil || !there {
		return
	}
	c.ask(http.MethodPut, id, "/connections/groups/"+string(g.id), "")
	c.seeGroup(g, dir)
}

func (c *company) disconnectGroup(n, dir int) {
	g := c.group(n)
	id, there := c.in(dir)
	if g == nil || !there || !g.connected[dir] {
		return
	}
	c.ask(http.MethodDelete, id, "/connections/groups/"+string(g.id), "")
	c.seeGroup(g, dir)
}

// seeGroup reads whether a group is connected.
func (c *company) seeGroup(g *group, dir int) {
	known, err := c.Store.Group(c.t.Context(), c.Organization(), g.id)
	c.Must(err)
	g.connected[dir] = known.Connected(c.dirs[dir].ID)
}

// settings changes the settings of the main directory.
func (c *company) settings(change func(*directory.Settings)) {
	want := c.dirs[0].Settings
	want.Attributes = maps.Clone(want.Attributes)
	change(&want)
	body, err := json.Marshal(map[string]any{"settings": map[string]any{
		"suspendOnLockout": want.SuspendOnLockout, "suspendOnPasswordExpiration": want.SuspendOnPasswordExpiration,
		"exactMembership": want.ExactMembership, "revokeSessionsOnPasswordChange": want.RevokeSessionsOnPasswordChange,
		"attributes": map[directory.Rule]bool{titleRule: want.Attributes[titleRule]},
	}})
	c.Must(err)
	c.ask(http.MethodPatch, c.dirs[0].ID, "", string(body))
	c.dirs[0], err = c.Store.Directory(c.t.Context(), c.dirs[0].ID)
	c.Must(err)
	c.exact = c.exact || c.dirs[0].Settings.ExactMembership
}

// sync asks for a sync of a person.
func (c *company) sync(n int) {
	for _, id := range c.person(n).ids {
		for _, d := range c.dirs {
			c.ask(http.MethodPost, d.ID, "/users/"+id+"/sync", "")
		}
	}
}

// syncGroup asks for a sync of a group and all its members.
func (c *company) syncGroup(n int) {
	if g := c.groups[n]; g != nil {
		for _, d := range c.dirs {
			c.ask(http.MethodPost, d.ID, "/groups/"+string(g.id)+"/sync", "")
		}
	}
}

// drop makes webhooks get lost: no event of theirs ever comes.
func (c *company) drop(level int) {
	c.drops = c.drops || level > 0
	c.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = float64(level) / 10 })
}
