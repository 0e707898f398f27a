package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
)

// nextStep is the write that stores when the next step is due for somebody who left, or that
// none is: it is written with the link that says so, so that the sweep finds it.
func nextStep(link directory.Link) (Write, error) {
	key := sweepKey(link.Directory, leaverPart, link.User, "")
	at := link.Leaving.NextAt
	if at.IsZero() {
		return Write{Item: Item{Key: key}, If: Any, Delete: true}, nil
	}
	item, err := encode(key, Check{Directory: link.Directory, User: link.User})
	item.setUnfinished(link.Directory, DueLeaver, time.Until(at))
	return Write{Item: item, If: Any}, err
}

// formerGroupsPage is how many links of groups are read at once.
const formerGroupsPage = 100

// FormerGroups lists the groups of a directory that are not connected any more and into which a
// user's account was put in Entra, those among one page of groups.
func (s *Store) FormerGroups(ctx context.Context, id directory.ID, user directory.UserID, account directory.EntraID, cursor string) (List[directory.GroupID], error) {
	page, err := s.GroupLinks(ctx, id, formerGroupsPage, cursor)
	if err != nil {
		return List[directory.GroupID]{}, err
	}
	var keys []Key
	for _, link := range page.Items {
		if link.Status == directory.Released && link.EntraID != "" {
			keys = append(keys, memberKey(id, link.Group, user))
		}
	}
	found := List[directory.GroupID]{Cursor: page.Cursor}
	items, err := s.batchGet(ctx, keys)
	if err != nil {
		return found, err
	}
	for _, item := range items {
		m, err := decode[directory.Member](item)
		if err != nil {
			return found, err
		}
		if m.Applied == account {
			found.Items = append(found.Items, m.Group)
		}
	}
	return found, nil
}
