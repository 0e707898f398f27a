package simulate

import (
	"fmt"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra/entratest"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// operand is what the second number of a step is about.
type operand int

// The operands.
const (
	ofValues      operand = iota // a variant, 1 to 5
	ofGroups                     // the number of a group
	ofDirectories                // 0 for the main directory, 1 for the second one
)

// kindOfStep is what a step does. The first number is that of a person, or of a group.
type kindOfStep struct {
	do      func(c *company, a, b int)
	weight  int // how often it is drawn; 0 for never
	ofGroup bool
	second  operand
	onlyTwo bool // only on days with two directories
}

// steps are the steps by name.
var steps = map[string]kindOfStep{
	// The setup; the settings may also be changed before anybody is connected.
	"second": {do: func(c *company, _, _ int) { c.openSecond() }},
	"found":  {do: func(c *company, a, _ int) { c.find(a) }},
	"calm":   {do: func(c *company, _, _ int) { c.settle() }},
	"crowd":  {do: func(c *company, a, b int) { c.crowd(a, b) }},

	// The people.
	"hire":     {do: (*company).hire, weight: 1},
	"name":     {do: func(c *company, a, b int) { c.change(a, jumpcloudtest.Fields{"lastname": fmt.Sprint("Lee", b)}) }, weight: 2},
	"title":    {do: func(c *company, a, b int) { c.change(a, jumpcloudtest.Fields{"jobTitle": titles[b%len(titles)]}) }, weight: 2},
	"email":    {do: (*company).move, weight: 2},
	"suspend":  {do: func(c *company, a, _ int) { c.state(a, c.JumpCloud.SuspendUser) }, weight: 3},
	"activate": {do: func(c *company, a, _ int) { c.state(a, c.JumpCloud.ActivateUser) }, weight: 3},
	"lock":     {do: func(c *company, a, _ int) { c.state(a, c.JumpCloud.LockUser) }, weight: 1},
	"unlock":   {do: func(c *company, a, _ int) { c.state(a, c.JumpCloud.UnlockUser) }, weight: 1},
	"expire":   {do: func(c *company, a, _ int) { c.state(a, c.JumpCloud.ExpirePassword) }, weight: 2},
	"password": {do: func(c *company, a, b int) {
		c.state(a, func(id string) error { return c.JumpCloud.SetPassword(id, fmt.Sprint(passwordCanary, b)) })
	}, weight: 1},
	"delete": {do: func(c *company, a, _ int) { c.remove(a) }, weight: 1},
	"rehire": {do: (*company).rehire, weight: 2},
	"hasty":  {do: (*company).hasty, weight: 2},

	// The groups.
	"join":         {do: (*company).join, weight: 4, second: ofGroups},
	"leave":        {do: (*company).leave, weight: 4, second: ofGroups},
	"rename":       {do: (*company).rename, weight: 1, ofGroup: true},
	"delete-group": {do: func(c *company, a, _ int) { c.removeGroup(a) }, weight: 1, ofGroup: true},

	// What an administrator of entrasync does.
	"connect":          {do: (*company).connect, weight: 2, second: ofDirectories},
	"disconnect":       {do: (*company).disconnect, weight: 2, second: ofDirectories},
	"connect-group":    {do: (*company).connectGroup, weight: 2, ofGroup: true, second: ofDirectories},
	"disconnect-group": {do: (*company).disconnectGroup, weight: 2, ofGroup: true, second: ofDirectories},
	"sync":             {do: func(c *company, a, _ int) { c.sync(a) }, weight: 1},
	"sync-group":       {do: func(c *company, a, _ int) { c.syncGroup(a) }, weight: 2, ofGroup: true},
	"lockouts":         {do: settings(func(s *directory.Settings) { s.SuspendOnLockout = !s.SuspendOnLockout }), weight: 1},
	"expiries":         {do: settings(func(s *directory.Settings) { s.SuspendOnPasswordExpiration = !s.SuspendOnPasswordExpiration }), weight: 1},
	"titles":           {do: settings(func(s *directory.Settings) { s.Attributes[titleRule] = !s.Attributes[titleRule] }), weight: 1},
	"exact":            {do: settings(func(s *directory.Settings) { s.ExactMembership = !s.ExactMembership }), weight: 1},
	"revoking": {do: settings(func(s *directory.Settings) { s.RevokeSessionsOnPasswordChange = !s.RevokeSessionsOnPasswordChange }),
		weight: 1},

	// The weather: A is the level, 0 ends it.
	"deaths":   {do: troubled(deaths)},
	"lost":     {do: troubled(lost)},
	"hangs":    {do: troubled(hangs)},
	"refused":  {do: troubled(refused)},
	"refusing": {do: troubled(refusing)},
	"again":    {do: troubled(again)},
	"slow":     {do: troubled(slow)},
	"late":     {do: troubled(late)},
	"drop":     {do: func(c *company, a, _ int) { c.drop(a) }},
	"double":   {do: behaving(func(b *jumpcloudtest.Behaviour, a int) { b.DuplicateRate = float64(a) / 4 })},
	"shuffle": {do: behaving(func(b *jumpcloudtest.Behaviour, a int) {
		b.ReorderRate, b.ReorderDelay = float64(a)/4, time.Duration(a)*10*time.Second
	})},
	"lag": {do: behaving(func(b *jumpcloudtest.Behaviour, a int) {
		lag := time.Duration(a) * 3 * time.Second
		b.UserReadLag, b.GroupReadLag, b.MembershipReadLag, b.AssociationReadLag = lag, lag, lag, lag
	})},
	"no-ids": {do: behaving(func(b *jumpcloudtest.Behaviour, _ int) { b.OmitEventIDs = true })},
	"gone":   {do: behaving(func(b *jumpcloudtest.Behaviour, a int) { b.GoneMembers = goneMembers[a%len(goneMembers)] })},
	"entra-lag": {do: func(c *company, a, _ int) {
		c.Entra.Set(func(b *entratest.Behaviour) {
			b.Lag = entratest.Lag{Max: time.Duration(a) * 10 * time.Second, Writes: a == 3}
		})
	}},
	"wrong": {do: func(c *company, a, _ int) { c.wrong(a) }},
	"odd":   {do: func(c *company, _, _ int) { c.wrong(1) }, weight: 2},
}

// weatherSteps are the steps that change the weather at the beginning of a day.
var weatherSteps = map[string]bool{"deaths": true, "lost": true, "hangs": true, "refused": true, "refusing": true, "again": true, "slow": true, "late": true, "drop": true,
	"double": true, "shuffle": true, "lag": true, "no-ids": true, "entra-lag": true, "wrong": true}

// Values of the steps.
var titles = []string{"Lead", "Boss", "", "Engineer"}

// goneMembers is what lists may show of members who were deleted.
var goneMembers = []jumpcloudtest.GoneMembers{jumpcloudtest.ForgetGone, jumpcloudtest.OmitGone, jumpcloudtest.NullGone, jumpcloudtest.ListGone}

// titleRule is the rule of the settings that exports the title.
const titleRule directory.Rule = "user_job_title"

// address is an e-mail address of a person. All have the person's name, so that nobody
// has the address of another.
func address(person, variant int) string {
	return [...]string{nameOf(person) + "@contoso.example", nameOf(person) + ".2@contoso.example", nameOf(person) + "@elsewhere.example"}[variant%3]
}

// nameOf is the user name of a person.
func nameOf(person int) string { return fmt.Sprintf("person%d", person) }

func troubled(t trouble) func(*company, int, int) {
	return func(c *company, a, _ int) { c.weather.set(t, min(a, 3)); c.rough = c.rough || a > 0 }
}

func behaving(edit func(*jumpcloudtest.Behaviour, int)) func(*company, int, int) {
	return func(c *company, a, _ int) { c.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { edit(b, a) }) }
}

func settings(edit func(*directory.Settings)) func(*company, int, int) {
	return func(c *company, _, _ int) { c.settings(edit) }
}

// wrongAnswers are wrong answers of JumpCloud that show less than there is.
var wrongAnswers = []jumpcloudtest.Fault{
	{Path: "/api/v2/usergroups/*/membership", Answer: jumpcloudtest.EmptyList},
	{Path: "/api/v2/usergroups/*/membership", Answer: jumpcloudtest.FewerOf},
	{Path: "/api/v2/usergroups/*/membership", Answer: jumpcloudtest.ShortPage},
	{Path: "/api/v2/usergroups/*/membership", Status: 404},
	{Path: "/api/v2/usergroups/*", Status: 404},
	{Path: "/api/v2/users/*/memberof", Answer: jumpcloudtest.EmptyList},
	{Path: "/api/v2/users/*/memberof", Status: 404},
	{Path: "/api/systemusers", Answer: jumpcloudtest.EmptyTotal},
	{Path: "/api/systemusers/*", Status: 404},
	{Path: "/api/search/systemusers", Answer: jumpcloudtest.EmptyTotal},
}

// wrong makes JumpCloud give one wrong answer, some time later: nobody may notice. At
// level 3 it gives several. Two that agree are believed, until the absence is read again.
func (c *company) wrong(level int) {
	const several, often = 3, 4
	arm := func(i int) {
		fault := wrongAnswers[i]
		fault.Skip, fault.Times = c.weather.number("wrong", often), 1
		c.JumpCloud.FailNext(fault)
	}
	if level < several {
		arm(c.weather.number("which is wrong", len(wrongAnswers)))
		return
	}
	c.rough = true
	for i := range wrongAnswers {
		if i%several == 0 {
			arm(i)
		}
	}
}
