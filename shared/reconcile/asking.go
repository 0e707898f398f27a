package reconcile

import "context"

// mayKey is the key of what Asking adds to a context.
type mayKey struct{}

// Asking returns a context for writes to Entra. A client that has to wait before it sends a
// write, because of Graph or of the quota, asks may after the wait: what allowed the write may
// be over by then. If the answer is no the write is not sent, and its fault is that of a write
// that would have to wait longer.
func Asking(ctx context.Context, may func(context.Context) bool) context.Context {
	return context.WithValue(ctx, mayKey{}, may)
}

// MayStill asks whether writes may be sent after a wait. They may in a context that is not one
// of Asking.
func MayStill(ctx context.Context) bool {
	may, asks := ctx.Value(mayKey{}).(func(context.Context) bool)
	return !asks || may(ctx)
}
