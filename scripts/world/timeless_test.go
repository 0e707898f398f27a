package world_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"entrasync/scripts/world"
	"entrasync/shared/jumpcloud/jumpcloudtest"
)

// Entra gets the last one of two opposite changes, also if reads lag and the events do not
// say when they happened.
func TestOppositeChangesWhoseEventsHaveNoTime(t *testing.T) {
	for name, tc := range opposites {
		for _, doneBefore := range []bool{false, true} {
			for _, lag := range []time.Duration{0, 1500 * time.Millisecond, 3 * time.Second, 9500 * time.Millisecond} {
				t.Run(fmt.Sprint(name, ", done before ", doneBefore, " ", lag), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := newCompany(t, 2, world.Config{Latency: 10 * time.Millisecond})
						first, second := tc.do, tc.undo
						if doneBefore {
							first, second = tc.undo, tc.do
							tc.do(o)
						}
						time.Sleep(10 * time.Minute)
						o.lag(lag)
						o.JumpCloud.Set(func(b *jumpcloudtest.Behaviour) { b.LossRate = 1 })
						for _, do := range []func(*company){first, second} {
							before := len(o.JumpCloud.Events())
							do(o)
							for _, fields := range o.JumpCloud.Events()[before:] {
								delete(fields, "timestamp")
								o.event(fields)
							}
							time.Sleep(time.Second)
						}
						time.Sleep(5 * time.Minute)
						o.Settle(time.Hour)
						if !tc.right(o, !doneBefore) {
							t.Errorf("the last change is undone: %t, and Entra does not show it", !doneBefore)
						}
					})
				})
			}
		}
	}
}
