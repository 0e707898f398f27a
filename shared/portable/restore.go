package portable

import (
	"context"
	"fmt"
	"slices"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/store"
)

// Restore puts the lines of a part back that are not yet, and returns the directory as it is stored
// then. It reports whether all lines of the export are: the part has the last one. A directory
// that was put back before stays as it is.
func Restore(ctx context.Context, table *store.Store, id directory.ID, part []Line) (d directory.Directory, complete bool, err error) {
	for over := false; !over && err == nil; {
		err = store.Contended(ctx, func() error {
			d, over, err = restoreSome(ctx, table, id, part)
			return err
		})
	}
	last := part[len(part)-1]
	return d, err == nil && last.Type == End && d.Restoration.Lines >= last.Number-1, err
}

// restoreSome puts some of the lines back; over says that none is left.
func restoreSome(ctx context.Context, table *store.Store, id directory.ID, part []Line) (d directory.Directory, over bool, err error) {
	if d, err = table.AnyDirectory(ctx, id); err != nil {
		return d, false, err
	}
	if d.Restoration == nil || !d.Status.InUse() && d.Status != directory.Importing {
		return d, false, &fault.Error{Op: "portable.restore", Kind: fault.Conflict, Subject: string(id), Message: fmt.Sprintf("the directory %s (%s) is not being put back: it is %s", d.Name, id, d.Status)}
	}
	next := d.Restoration.Lines + 1
	left := slices.DeleteFunc(slices.Clone(part), func(l Line) bool { return l.Number < next || l.Type == End })
	switch {
	case part[0].Number > next:
		return d, false, &fault.Error{Op: "portable.restore", Kind: fault.Conflict, Subject: "body[0].line", Message: fmt.Sprintf("the part begins with line %d, and line %d comes next: send the parts in their order", part[0].Number, next)}
	case len(left) == 0:
		return d, true, nil
	case d.Status != directory.Importing:
		return d, false, &fault.Error{Op: "portable.restore", Kind: fault.Conflict, Subject: "body[0].line", Message: fmt.Sprintf("the directory %s (%s) was put back with %d lines, and these are others: deactivate it first", d.Name, id, d.Restoration.Lines)}
	}
	d, err = table.Restore(ctx, d, records(left))
	return d, false, err
}
