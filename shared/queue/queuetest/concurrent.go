package queuetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"entrasync/shared/queue"
)

// testConcurrent starts producers, each with groups of its own so that the order within
// a group is known, and consumers that abandon the first message of every group once.
// No message is lost or comes again after its delete, no group is with two consumers at
// once, and its messages are deleted in order.
func testConcurrent(b *bench) {
	const producers, groupsEach, consumers, perGroup = 4, 3, 6, 20
	c := &consumption{bench: b, ended: map[string]int{}, with: map[string]int{}}
	const total = producers * groupsEach * perGroup
	var group sync.WaitGroup
	for p := range producers {
		group.Go(func() {
			for i := range perGroup {
				var batch []queue.Message
				for g := range groupsEach {
					name := fmt.Sprintf("%d-%d", p, g)
					batch = append(batch, queue.Message{Body: []byte(fmt.Sprint(i)), GroupID: name, DedupID: fmt.Sprint(name, "/", i)})
				}
				if err := b.q.Send(bg, batch...); err != nil {
					b.Errorf("send: %v", err)
				}
			}
		})
	}
	for n := range consumers {
		group.Go(func() {
			for c.done.Load() < total && !b.Failed() {
				got, err := b.q.Receive(bg, 1+n, time.Second)
				if err != nil {
					b.Errorf("receive: %v", err)
				}
				c.consume(n+1, got)
			}
		})
	}
	group.Wait()
	for g, n := range c.ended {
		if n != perGroup {
			b.Errorf("%d messages of group %s were deleted, want %d", n, g, perGroup)
		}
	}
	if c.done.Load() != total {
		b.Fatalf("%d messages were deleted, want %d", c.done.Load(), total)
	}
	b.elapse(visibility)
	b.receive()
	b.wantDepth(queue.Depth{})
}

// consumption is the shared state of the consumers.
type consumption struct {
	*bench
	done atomic.Int64

	mu    sync.Mutex
	ended map[string]int // by group: how many messages were deleted, which is the next body
	with  map[string]int // by group: the consumer that has some in flight
}

func (c *consumption) consume(consumer int, got []queue.Received) {
	c.mu.Lock()
	expected := map[string]int{}
	abandoned := map[string]bool{}
	for _, m := range got {
		if other := c.with[m.GroupID]; other != 0 && other != consumer {
			c.Errorf("group %s is with consumers %d and %d", m.GroupID, other, consumer)
		}
		c.with[m.GroupID] = consumer
		if want := fmt.Sprint(c.ended[m.GroupID] + expected[m.GroupID]); string(m.Body) != want {
			c.Errorf("group %s: received %s, want %s", m.GroupID, m.Body, want)
		}
		expected[m.GroupID]++
		if string(m.Body) == "0" && m.ReceiveCount == 1 {
			abandoned[m.GroupID] = true
		}
	}
	for g := range abandoned {
		delete(c.with, g)
	}
	c.mu.Unlock()
	for _, m := range got {
		if abandoned[m.GroupID] {
			continue
		}
		c.mu.Lock() // before the delete: after it another consumer may get the group
		c.ended[m.GroupID]++
		expected[m.GroupID]--
		if expected[m.GroupID] == 0 {
			delete(c.with, m.GroupID)
		}
		c.mu.Unlock()
		if err := c.q.Delete(bg, m.Receipt); err != nil {
			c.Errorf("delete: %v", err)
		}
		c.done.Add(1)
	}
}
