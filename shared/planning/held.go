package planning

import (
	"context"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
	"entrasync/shared/store"
)

// heldPart is the partition of what a plan lists as held, so that who is tried again is not
// listed again: an action or, of a group's members, each of them.
const heldPart = "planned#held"

// notListed reports whether an action that would wait in a hold is not listed yet, and notes that
// it is. Of the members of a group it leaves those in the action who were not.
func (p *publisher) notListed(ctx context.Context, a *plan.Action) (bool, error) {
	name := strings.Join([]string{string(a.Directory), a.Subject.Kind, a.Subject.ID, string(a.Type)}, "#")
	key := func(member string) store.Key { return store.Key{PK: heldPart, SK: name + "#" + member} }
	var keys []store.Key
	if a.Type == plan.RemoveMembers {
		for _, id := range a.TakesOut(nil) {
			keys = append(keys, key(string(id)))
		}
	} else {
		keys = append(keys, key(""))
	}
	listed := map[store.Key]bool{}
	for some := range slices.Chunk(keys, store.MaxBatchGet) {
		items, err := p.Table.BatchGet(ctx, some)
		if err != nil {
			return false, err
		}
		for _, item := range items {
			listed[item.Key] = true
		}
	}
	fresh := slices.DeleteFunc(keys, func(k store.Key) bool { return listed[k] })
	for _, k := range fresh {
		if _, err := p.Table.Put(ctx, store.Item{Key: k, Value: []byte("{}")}, store.Any); err != nil {
			return false, err
		}
	}
	if a.Type == plan.RemoveMembers {
		a.Changes = slices.Clone(a.Changes)
		for i, c := range a.Changes {
			if c.Attribute == directory.Members {
				a.Changes[i].From = slices.DeleteFunc(slices.Clone(c.From), func(id string) bool { return listed[key(id)] })
			}
		}
	}
	return len(fresh) > 0, nil
}
