package groups_test

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"entrasync/shared/queue"
	"entrasync/shared/reconcile"
)

// death is the panic that ends a process.
type death struct{}

// collect moves the sent messages to those that wait.
func (h *history) collect() {
	for _, m := range h.userTasks.take() {
		task, err := reconcile.ReadTask(m.Body)
		h.must(err)
		h.users = append(h.users, waiting{task, 1})
	}
	for _, m := range h.fixture.groups.take() {
		task, err := reconcile.ReadGroupTask(m.Body)
		h.must(err)
		h.tasks = append(h.tasks, h.message(task, 1))
	}
}

// deliver passes the waiting messages to the functions in a random order. Messages that
// come again or were sent meanwhile wait then.
func (h *history) deliver() {
	h.collect()
	users, tasks := shuffled(h, h.users), shuffled(h, h.tasks)
	h.users, h.tasks = nil, nil
	if rapid.Bool().Draw(h.t, "groups first") {
		h.workGroups(tasks)
		h.work(users)
	} else {
		h.work(users)
		h.workGroups(tasks)
	}
	h.collect()
}

// shuffled returns a list in a random order.
func shuffled[T any](h *history, list []T) []T {
	if len(list) < 2 {
		return list
	}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	mixed := make([]T, len(list))
	for i, from := range rapid.Permutation(order).Draw(h.t, "order") {
		mixed[i] = list[from]
	}
	return mixed
}

// work does tasks of users, several at once, one for each user. Other tasks, failed
// tasks and tasks for later wait.
func (h *history) work(messages []waiting) {
	messages = slices.DeleteFunc(messages, func(m waiting) bool {
		early := time.Until(m.task.NotBefore) > 0
		if early {
			h.users = append(h.users, m)
		}
		return early
	})
	for chunk := range slices.Chunk(messages, queue.MaxBatch) {
		var attempts []reconcile.Attempt
		var merged [][]waiting
		for _, m := range chunk {
			i := slices.IndexFunc(attempts, func(a reconcile.Attempt) bool { return a.User == m.task.User })
			if i < 0 {
				attempts, merged = append(attempts, reconcile.Attempt{Task: m.task, Number: m.receives}), append(merged, []waiting{m})
				continue
			}
			attempts[i].Memberships = attempts[i].Memberships || m.task.Memberships
			attempts[i].Claims = append(attempts[i].Claims, m.task.Claims...)
			attempts[i].Thought = max(attempts[i].Thought, m.task.Thought)
			attempts[i].Number = max(attempts[i].Number, m.receives)
			merged[i] = append(merged[i], m)
		}
		outcomes := make([]reconcile.Outcome, len(attempts))
		if h.survives(func() { outcomes = h.fixture.users.Sync(context.Background(), h.directory.ID, attempts) }) {
			for i, outcome := range outcomes {
				if outcome.Retry {
					h.comesAgain(merged[i]...)
				}
			}
			continue
		}
		h.comesAgain(chunk...)
	}
}

// comesAgain lets tasks of users wait for their next receive.
func (h *history) comesAgain(messages ...waiting) {
	for _, m := range messages {
		m.receives++
		h.users = append(h.users, m)
	}
}

// workGroups does tasks of groups; failed ones wait.
func (h *history) workGroups(messages []events.SQSMessage) {
	for chunk := range slices.Chunk(messages, queue.MaxBatch) {
		failed := chunk
		h.survives(func() {
			response, err := h.handler.Handle(context.Background(), events.SQSEvent{Records: chunk})
			h.must(err)
			failed = slices.DeleteFunc(slices.Clone(chunk), func(m events.SQSMessage) bool {
				return !slices.ContainsFunc(response.BatchItemFailures, func(f events.SQSBatchItemFailure) bool { return f.ItemIdentifier == m.MessageId })
			})
		})
		for _, m := range failed {
			h.tasks = append(h.tasks, comesAgain(m))
		}
	}
}

// survives runs a process and reports whether it did not die.
func (h *history) survives(do func()) (lived bool) {
	defer func() {
		if r := recover(); r != nil && r != any(death{}) {
			panic(r)
		}
	}()
	do()
	return true
}
