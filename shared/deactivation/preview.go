package deactivation

import (
	"context"
	"time"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

const (
	// previewPage is how many links are counted at once, and mostNamed how many users and groups
	// are named of each.
	previewPage, mostNamed = 500, 100
	// mostRead is for how many users Entra is asked which immutable ids would be cleared.
	mostRead = 100
)

// Preview is what a deactivation would do.
type Preview struct {
	// Users and Groups have links that would be deleted; Named and NamedGroups are the first of
	// them.
	Users, Groups      int
	Named, NamedGroups []plan.Subject
	// Complete says that all were counted; else there are more.
	Complete bool
	// MayClear counts the accounts whose immutable ids may be from entrasync, as our records say.
	MayClear int
	// Clears are the actions that would clear them; Exact says that Entra was asked for them. Kept
	// counts the accounts that would keep theirs, and Why is the reason of the last of these.
	Clears []plan.Action
	Exact  bool
	Kept   int
	Why    string
}

// Foresee says what the deactivation of a directory would do, as far as the time of ctx allows. p has
// records that are an overlay, and clients that write nothing.
func (p Parts) Foresee(ctx context.Context, id directory.ID, o Options) (Preview, error) {
	var seen Preview
	d, err := p.Store.AnyDirectory(ctx, id)
	if err != nil {
		return seen, err
	}
	r := run{Parts: p, dir: d, job: store.Job{CreatedAt: time.Now().UTC()}}
	var few []directory.Link
	for cursor := ""; ; {
		list, err := p.Store.Links(ctx, id, previewPage, cursor)
		if err != nil {
			return seen, err
		}
		seen.Users += len(list.Items)
		for _, link := range list.Items {
			if len(seen.Named) < mostNamed {
				seen.Named = append(seen.Named, plan.Subject{Kind: plan.OfUser, ID: string(link.User), Name: string(link.UPN)})
			}
		}
		if o.ClearImmutableIDs {
			ours, err := r.ours(ctx, list.Items)
			if err != nil {
				return seen, err
			}
			if seen.MayClear += len(ours); seen.MayClear <= mostRead {
				few = append(few, ours...)
			}
		}
		if cursor = list.Cursor; cursor == "" {
			break
		}
		if !deadline.Allows(ctx, time.Second) {
			return seen, nil
		}
	}
	if err := p.foreseeGroups(ctx, id, &seen); err != nil {
		return seen, err
	}
	if o.ClearImmutableIDs && seen.MayClear <= mostRead {
		err = r.foreseeClearing(ctx, few, &seen)
	}
	return seen, err
}

// foreseeGroups counts the groups.
func (p Parts) foreseeGroups(ctx context.Context, id directory.ID, seen *Preview) error {
	for cursor := ""; ; {
		list, err := p.Store.GroupLinks(ctx, id, previewPage, cursor)
		if err != nil {
			return err
		}
		seen.Groups += len(list.Items)
		for _, link := range list.Items {
			if len(seen.NamedGroups) < mostNamed {
				seen.NamedGroups = append(seen.NamedGroups, plan.Subject{Kind: plan.OfGroup, ID: string(link.Group), Name: link.Name})
			}
		}
		if cursor = list.Cursor; cursor == "" {
			seen.Complete = true
			return nil
		}
		if !deadline.Allows(ctx, time.Second) {
			return nil
		}
	}
}

// foreseeClearing asks Entra which immutable ids would be cleared.
func (r *run) foreseeClearing(ctx context.Context, ours []directory.Link, seen *Preview) error {
	seen.Exact = true
	if len(ours) == 0 {
		return nil
	}
	entra, err := r.Clients.Entra(ctx, r.dir.SignInTenant())
	if err == nil {
		var without unanswered
		if seen.Clears, without, err = r.clearable(ctx, entra, ours); err == nil {
			err = without.why
		}
	}
	seen.Kept, seen.Why = r.place.Kept, r.place.Why
	return err
}
