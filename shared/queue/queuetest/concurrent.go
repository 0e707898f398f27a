package queuetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"entrasync/shared/queue"
)

// concurrentLimit is how long the consumers of one test go on. It is far more than they
// need: a message that never comes is a failure and not a test that never ends.
const concurrentLimit = time.Minute

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
	end := time.Now().Add(concurrentLimit)
	for n := range consumers {
		group.Go(func() {
			for c.done.Load() < total && !b.Failed() && time.Now().Before(end) {
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
		b.Fatalf("%d messages were deleted within %s, want %d", c.done.Load(), concurrentLimit, total)
	}
	b.elapse(visibility)
	b.receive()
	b.wantDepth(queue.Depth{})
}

// testTimeoutsBetweenReceives lets the visibility timeouts of many messages end while
// consumers receive all the time. Each message comes again, because a timeout that ends
// in the middle of a receive of other messages frees its group too.
func testTimeoutsBetweenReceives(b *bench) {
	const groups, consumers = 400, 4
	for first := 0; first < groups; first += queue.MaxBatch {
		var batch []queue.Message
		for g := first; g < first+queue.MaxBatch; g++ {
			batch = append(batch, message(fmt.Sprint("g", g), fmt.Sprint("m", g)))
		}
		b.sendAll(batch...)
	}
	var deleted atomic.Int64
	end := time.Now().Add(concurrentLimit)
	var group sync.WaitGroup
	for n := range consumers {
		group.Go(func() {
			for deleted.Load() < groups && !b.Failed() && time.Now().Before(end) {
				got, err := b.q.Receive(bg, 1+n, time.Second)
				if err != nil {
					b.Errorf("receive: %v", err)
				}
				for _, m := range got {
					if m.ReceiveCount == 1 {
						continue // its timeout ends
					}
					if err := b.q.Delete(bg, m.Receipt); err != nil {
						b.Errorf("delete: %v", err)
					}
					deleted.Add(1)
				}
			}
		})
	}
	group.Wait()
	if deleted.Load() != groups {
		b.Errorf("%d messages came again within %s, want %d", deleted.Load(), concurrentLimit, groups)
	}
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
