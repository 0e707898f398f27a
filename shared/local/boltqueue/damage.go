package boltqueue

// setAside moves damaged messages from the queue to the bucket of damaged records.
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

// reportDamaged reports messages that were set aside.
func (q *Queue) reportDamaged(seqs ...uint64) {
	if q.db.damaged == nil {
		return
	}
	for _, seq := range seqs {
		q.db.damaged(q.config.Name, seq)
	}
}

// dropDamaged removes damaged messages from the index after setAside removed them on disk,
// and reports them.
func (q *Queue) dropDamaged(messages []*message) {
	if len(messages) == 0 {
		return
	}
	q.drop(messages)
	for _, m := range messages {
		q.reportDamaged(m.seq)
	}
}
