package jumpcloud

import "time"

// Choices about what JumpCloud does not publish. Each can be changed here alone.
const (
	// pageSize is the largest page of version 1 that is documented (JumpCloud API
	// documentation, limit parameter); JumpCloud's own PowerShell module requests
	// larger ones, without a promise that this works.
	pageSize = 100
	// maxRetries, firstBackoff and maxWait are those of JumpCloud's own command line
	// for 429, 500, 502, 503 and 504: three retries after 2^n s plus jitter, at most 30
	// s. No rate limit is published.
	maxRetries   = 3
	firstBackoff = time.Second
	maxJitter    = time.Second
	maxWait      = 30 * time.Second
	// maxAnswer is the longest body of one answer. A page of 100 users has some 400 kB,
	// a page of events some 2 MB.
	maxAnswer = 32 << 20
	// feedPage is how many events one request reads: the documented default (Directory
	// Insights API documentation, limit).
	feedPage = 1000
	// graphSort is the field that lists of members are sorted by. The description of
	// these lists has a sort parameter and names no fields; JumpCloud's API best
	// practices name _id.
	graphSort = "_id"
	// maxWalks is how often a list is read that changes while it is read.
	maxWalks = 3
	// maxPages is the number of pages after which a list counts as endless: 200,000
	// places, and 2,000,000 events.
	maxPages = 2000
)
