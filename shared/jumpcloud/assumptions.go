package jumpcloud

import "time"

// What JumpCloud does not publish and we had to choose. Each can be changed
// here alone.
const (
	// pageSize is the largest page of version 1 that is documented (JumpCloud
	// API documentation, limit parameter); JumpCloud's own PowerShell module
	// asks for more, without a promise that this works.
	pageSize = 100
	// maxRetries, firstBackoff and maxWait are what JumpCloud's own command
	// line does about 429, 500, 502, 503 and 504: three retries after 2^n s
	// plus jitter, at most 30 s. No rate limit is published.
	maxRetries   = 3
	firstBackoff = time.Second
	maxJitter    = time.Second
	maxWait      = 30 * time.Second
	// maxAnswer bounds the body of one answer. A page of 100 users is some
	// 400 kB, a page of events some 2 MB.
	maxAnswer = 32 << 20
	// feedPage is how many events are asked for at once: the documented
	// default (Directory Insights API documentation, limit).
	feedPage = 1000
	// graphSort is the field that lists of members are sorted by. The description
	// of these lists has a sort and names no fields; JumpCloud's API best practices
	// say _id.
	graphSort = "_id"
	// maxWalks is how often a list that changes while it is read is read.
	maxWalks = 3
	// maxPages is how many pages a list may have before it is taken for one without
	// end: 200,000 places, and 2,000,000 events.
	maxPages = 2000
)
