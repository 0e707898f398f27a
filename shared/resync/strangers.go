package resync

import (
	"context"

	"entrasync/shared/directory"
	"entrasync/shared/reconcile"
)

// announceStrangers announces everybody who is to be taken out of a group because somebody else
// put them there, as the comparison found, and sends the tasks of the groups. Those who are to
// lose access count with them, and are announced after that.
func (r *run) announceStrangers(ctx context.Context) error {
	var leavers []reconcile.Leaver
	var strangers []reconcile.Stranger
	var groups []directory.GroupID
	for cursor := ""; ; {
		page, err := r.Store.ListFindings(ctx, r.job.ID, findingsPage, cursor)
		if err != nil {
			return err
		}
		for _, f := range page.Items {
			if f.Takes != "" {
				leavers = append(leavers, reconcile.Leaver{User: f.User, Reason: f.Takes})
			}
			if len(f.Strangers) > 0 {
				groups = append(groups, f.Group)
			}
			for _, account := range f.Strangers {
				strangers = append(strangers, reconcile.Stranger{Group: f.Group, Account: account})
			}
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	if err := (reconcile.Parts{Store: r.Store, Metrics: r.Metrics, Plans: r.planned != nil}).AnnounceStrangers(ctx, r.dir, r.cause(), strangers, leavers); err != nil {
		return err
	}
	return reconcile.Compare(ctx, r.Users, r.Groups, r.dir.ID, r.cause(), nil, groups)
}
