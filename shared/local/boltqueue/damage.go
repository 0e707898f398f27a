package boltqueue

// setAside takes damaged messages out of the queue and keeps what stood there.
func (b buckets) setAside(seqs ...uint64) error {
	for _, seq := range seqs {
		if err := b.damaged.Put(seqKey(seq), append([]byte(nil), b.messages.Get(seqKey(seq))...)); err != nil {
			return err
		}
		if err := b.delete(seq); err != nil {
			return err
		}
	}
	return nil
}

// tellDamaged reports messages that were set aside.
func (q *Queue) tellDamaged(seqs ...uint64) {
	if q.db.damaged == nil {
		return
	}
	for _, seq := range seqs {
		q.db.damaged(q.config.Name, seq)
	}
}

// dropDamaged does in memory what setAside did on disk, and reports.
func (q *Queue) dropDamaged(messages []*message) {
	if len(messages) == 0 {
		return
	}
	q.drop(messages)
	for _, m := range messages {
		q.tellDamaged(m.seq)
	}
}
