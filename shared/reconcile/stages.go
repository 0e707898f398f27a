package reconcile

import (
	"context"
	"slices"
)

// inStages takes the work on several users or groups through the stages, together.
// What is over is left out of the stages that follow.
func inStages[T any](ctx context.Context, all []T, over func(T) bool, stages ...func(context.Context, []T)) {
	for _, stage := range stages {
		if live := slices.DeleteFunc(slices.Clone(all), over); len(live) > 0 {
			stage(ctx, live)
		}
	}
}
