package importing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/store"
)

// people are users of JumpCloud who may be the people of some accounts.
type people struct {
	byEmail, byUsername map[string]directory.User // in lower case
	byID                map[directory.UserID]directory.User
	owners              map[directory.EntraID]store.Owner
	exclude             directory.Exclude // of the directory
}

// findPeople looks up who in JumpCloud has the address, the UPN, the username or the id of
// one of the accounts, and to whom the accounts belong. It sends two or three requests for a
// hundred accounts.
func (p Parts) findPeople(ctx context.Context, s side, accounts []directory.TenantAccount) (people, error) {
	var q jumpcloud.UserQuery
	ids := make([]directory.EntraID, len(accounts))
	for i, a := range accounts {
		ids[i] = a.ID
		q.Emails = append(q.Emails, a.Address(), strings.ToLower(string(a.UPN)))
		if name := a.Username(); name != "" {
			q.Usernames = append(q.Usernames, name, strings.ToLower(name))
		}
		if directory.IsJumpCloudID(a.ImmutableID) {
			q.IDs = append(q.IDs, directory.UserID(a.ImmutableID))
		}
	}
	found := people{byEmail: map[string]directory.User{}, byUsername: map[string]directory.User{}, byID: map[directory.UserID]directory.User{}, exclude: s.directory.Settings.Exclude}
	if len(accounts) == 0 {
		return found, nil
	}
	q.Emails, q.Usernames = distinct(q.Emails), distinct(q.Usernames)
	users, err := s.jumpcloud.FindUsers(ctx, q)
	if err != nil {
		return found, err
	}
	for _, u := range users {
		found.add(u)
	}
	found.owners, err = p.Store.Owners(ctx, s.directory.TenantObject, ids)
	return found, err
}

// distinct sorts texts and drops those that come twice.
func distinct(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// add adds a user.
func (p people) add(u directory.User) {
	p.byEmail[strings.ToLower(u.Email)], p.byUsername[strings.ToLower(u.Username)], p.byID[u.ID] = u, u, u
}

// who says which user of JumpCloud has an account already and how that is known, for the
// person who must act; "" if nobody has it.
func (p people) who(a directory.TenantAccount) string {
	if u, is := p.byID[directory.UserID(a.ImmutableID)]; is {
		return "JumpCloud has this person already: " + named(u) + " has the id that the account names as its source"
	}
	if owner, is := p.owners[a.ID]; is {
		return "JumpCloud has this person already: the account belongs to " + owner.Name()
	}
	for _, address := range []string{a.Address(), strings.ToLower(string(a.UPN))} {
		if u, is := p.byEmail[address]; is {
			return fmt.Sprintf("JumpCloud has the e-mail address %s already, of %s: if that is this person, connect them instead", address, named(u))
		}
	}
	if u, is := p.byUsername[strings.ToLower(a.Username())]; is {
		return fmt.Sprintf("JumpCloud has the username %s already, of %s: if that is another person, change the alias in Microsoft 365 and import again", a.Username(), named(u))
	}
	return ""
}

// named is a user of JumpCloud, for people.
func named(u directory.User) string {
	return fmt.Sprintf("%s (%s)", u.Username, u.Email)
}

// Candidate is an account that an import may choose.
type Candidate struct {
	Account directory.TenantAccount
	Status  CandidateStatus
	// Message says why the account is not new, or what else is to be known; "" for nothing.
	Message string
}

// CandidateStatus says whether an account can be imported.
type CandidateStatus string

// The statuses of candidates.
const (
	New     CandidateStatus = "new"     // it can be imported
	Known   CandidateStatus = "known"   // JumpCloud has the person, or somebody with that address or username
	Blocked CandidateStatus = "blocked" // it cannot be imported
)

// judge says whether an account can be imported.
func (p people) judge(a directory.TenantAccount) Candidate {
	if who := p.who(a); who != "" {
		return Candidate{a, Known, who}
	}
	if p.exclude.HasUPN(a.UPN) {
		return Candidate{a, Blocked, fmt.Sprintf("The sign-in name %s is listed in exclude.upns of this directory: take it off the list to import the account", a.UPN)}
	}
	if why := a.NotImportable(); why != "" {
		return Candidate{a, Blocked, why}
	}
	c := Candidate{Account: a, Status: New}
	if !strings.EqualFold(a.Address(), string(a.UPN)) {
		c.Message = fmt.Sprintf("Its sign-in name %s is not its e-mail address %s: once the user is connected, the sign-in name follows the address that the directory maps", a.UPN, a.Address())
	}
	return c
}
