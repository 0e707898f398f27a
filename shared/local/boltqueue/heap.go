package boltqueue

import "container/heap"

// sorted is a heap in which each element has its place, so that any element can be
// removed. An element is in at most one such heap at a time; its place is absent while it
// is in none.
type sorted[T any] struct {
	less  func(a, b T) bool
	place func(T) *int
	items []T
}

const absent = -1

func (s *sorted[T]) Len() int           { return len(s.items) }
func (s *sorted[T]) Less(i, j int) bool { return s.less(s.items[i], s.items[j]) }

func (s *sorted[T]) Swap(i, j int) {
	s.items[i], s.items[j] = s.items[j], s.items[i]
	*s.place(s.items[i]), *s.place(s.items[j]) = i, j
}

// Push is for container/heap; use add.
func (s *sorted[T]) Push(x any) {
	item := x.(T)
	*s.place(item) = len(s.items)
	s.items = append(s.items, item)
}

// Pop is for container/heap; use remove.
func (s *sorted[T]) Pop() any {
	last := len(s.items) - 1
	item := s.items[last]
	clear(s.items[last:])
	s.items = s.items[:last]
	*s.place(item) = absent
	return item
}

func (s *sorted[T]) add(item T) { heap.Push(s, item) }

func (s *sorted[T]) first() T { return s.items[0] }

// moved restores the order after the item changed.
func (s *sorted[T]) moved(item T) { heap.Fix(s, *s.place(item)) }

func (s *sorted[T]) remove(item T) { heap.Remove(s, *s.place(item)) }
