package admin

import (
	"context"
	"fmt"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/reconcile"
)

// exclusionView is what is known of the group whose members are excluded.
type exclusionView struct {
	Group    directory.GroupID `json:"groupId"`
	ListedAt *time.Time        `json:"listedAt,omitempty" doc:"When the list of its members began to be read that counts now; its events change it since. Missing as long as the members are not known: nothing is written until then"`
	Message  string            `json:"message,omitempty" doc:"What is wrong, with what to do"`
}

// exclusion shows the group that the directory excludes; nil if it excludes none.
func (a API) exclusion(ctx context.Context, dir directory.Directory) (*exclusionView, error) {
	group := dir.Settings.Exclude.Group
	if group == "" {
		return nil, nil //nolint:nilnil // there is nothing to show
	}
	e, err := a.Store.Exclusion(ctx, dir.ID, group)
	if err != nil {
		return nil, err
	}
	view := &exclusionView{Group: group, ListedAt: known(e.ListedAt)}
	switch {
	case !e.GoneAt.IsZero():
		view.Message = fmt.Sprintf("JumpCloud has no such group since %s: who was in it then stays excluded, and nobody else can be. Name another group as exclude.group, or none", e.GoneAt.Format(time.RFC3339))
	case !e.Known():
		view.Message = "the members of the group are being read: nothing is written in this directory until they are known"
	}
	return view, nil
}

// mustHaveExcluded returns a fault if a group that is to be excluded from now on does not
// exist in JumpCloud, or cannot be read there: nothing would be written before it is.
func (a API) mustHaveExcluded(ctx context.Context, organization directory.OrganizationID, before, after directory.GroupID) error {
	if after == "" || after == before {
		return nil
	}
	const setting = "settings.exclude.group"
	jc, err := a.Clients.JumpCloud(ctx, organization)
	if err == nil {
		_, err = jc.Group(ctx, after)
	}
	switch f := fault.Of(err); {
	case err == nil:
		return nil
	case f.Kind == fault.NotFound:
		return &fault.Error{Op: "admin.exclude", Kind: fault.Invalid, Subject: setting, Message: fmt.Sprintf("JumpCloud has no group %s", after)}
	default:
		return &fault.Error{Op: "admin.exclude", Kind: f.Kind, Reason: f.Reason, Subject: setting, Err: err, RetryAfter: f.RetryAfter,
			Message: "the group cannot be read in JumpCloud, so it cannot be excluded; nothing was changed: " + f.Message}
	}
}

// warning says of a setting that was stored that it may be a mistake.
type warning struct {
	Setting string `json:"setting" doc:"The setting, or the element of its list, such as exclude.users[2]"`
	Value   string `json:"value,omitempty" doc:"What it is set to"`
	Message string `json:"message" doc:"What may be wrong, with what to do"`
}

// checkLimit is the time limit for reading whom the setting exclude lists.
const checkLimit = 10 * time.Second

// warnings are the entries of exclude that protect nobody. They are stored all the same: an
// account may be listed before it is there.
func (a API) warnings(ctx context.Context, dir directory.Directory) []warning {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	return append(a.unknownUsers(ctx, dir), a.unknownNames(ctx, dir)...)
}

// unknownUsers are the listed users whom JumpCloud does not have.
func (a API) unknownUsers(ctx context.Context, dir directory.Directory) (found []warning) {
	const setting = "exclude.users"
	users := dir.Settings.Exclude.Users
	if len(users) == 0 {
		return nil
	}
	jc, err := a.Clients.JumpCloud(ctx, dir.Organization)
	var listed map[directory.UserID]directory.User
	if err == nil {
		listed, err = jc.ListUsers(ctx, users)
	}
	for i, id := range users {
		if _, is := listed[id]; is || err != nil {
			continue
		}
		if _, err = jc.User(ctx, id); fault.Is(err, fault.NotFound) {
			err = nil
			found = append(found, warning{Setting: fmt.Sprintf("%s[%d]", setting, i), Value: string(id),
				Message: "JumpCloud has no user of this id, so nobody is protected by it: correct it, or take it off the list"})
		}
	}
	return append(found, unchecked(setting, "users exist in JumpCloud", err)...)
}

// unknownNames are the listed sign-in names that no account has, not even a deleted one.
func (a API) unknownNames(ctx context.Context, dir directory.Directory) (found []warning) {
	const setting = "exclude.upns"
	names := dir.Settings.Exclude.UPNs
	if len(names) == 0 {
		return nil
	}
	entra, err := a.Clients.Entra(ctx, dir.SignInTenant())
	var accounts []reconcile.Found
	if err == nil {
		accounts = entra.FindByUPN(ctx, names, nil)
	}
	for i, shown := range accounts {
		switch {
		case shown.Err != nil:
			err = shown.Err
		case shown.Account == nil && shown.Deleted == nil:
			found = append(found, warning{Setting: fmt.Sprintf("%s[%d]", setting, i), Value: string(names[i]),
				Message: "Entra has no account of this sign-in name, so none is protected by it yet: correct it, unless the account is still to come"})
		}
	}
	return append(found, unchecked(setting, "sign-in names exist in Entra", err)...)
}

// unchecked is the warning that it could not be read whether what a setting lists exists; none
// without an error.
func unchecked(setting, what string, err error) []warning {
	if err == nil {
		return nil
	}
	return []warning{{Setting: setting, Message: fmt.Sprintf("it could not be checked whether all of these %s: %s. Send the setting again to have it checked again", what, fault.Of(err).Message)}}
}
