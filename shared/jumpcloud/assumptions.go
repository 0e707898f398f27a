package jumpcloud

import (
	"regexp"
	"time"
)

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
	// FeedLag is how late an event may appear in the feed, for whoever follows the feed: the
	// times of its queries overlap by so much. It is not published; two independent readers
	// of the feed leave five minutes, and this is twice that.
	FeedLag = 10 * time.Minute
	// FeedRetention is how long events are kept (Directory Insights API documentation), and
	// ShortRetention for how long on the smallest plan, which others recorded.
	FeedRetention  = 90 * 24 * time.Hour
	ShortRetention = 15 * 24 * time.Hour
	// graphSort is the field that lists of members are sorted by. The description of
	// these lists has a sort parameter and names no fields; JumpCloud's API best
	// practices name _id.
	graphSort = "_id"
	// maxWalks is how often a list is read that changes while it is read.
	maxWalks = 3
	// maxPages is the number of pages after which a list counts as endless: 200,000
	// places.
	maxPages = 2000
	// bulkSize is how many users one bulk request creates. No limit is published; 100 is
	// what a page of their results can have.
	bulkSize = 100
	// tokenLife is how long an access token is used if JumpCloud does not say how long
	// (JumpCloud-Serverless uses 3600 s then), tokenSpare is how long before its end it is
	// no longer used, and renewPause is the shortest time between two tokens that are
	// fetched because JumpCloud refuses the one before.
	tokenLife  = time.Hour
	tokenSpare = time.Minute
	renewPause = time.Minute
	// longestFilter is how long the query of a filtered list may be. JumpCloud publishes
	// no limit; servers in front of an API accept 8 kB.
	longestFilter = 6000
)

// The status words of the results of bulk jobs are published nowhere, nor are their
// texts. A result whose status has one of the first words failed; one whose status has
// one of the second, or no word at all, is not finished yet; every other result is
// finished.
var (
	failedWords  = []string{"fail", "failed", "failure", "error", "errored", "unsuccessful", "invalid", "rejected", "refused", "denied", "aborted", "canceled", "cancelled"}
	pendingWords = []string{"pending", "queue", "queued", "scheduled", "submitted", "waiting", "starting", "started", "running", "process", "processing", "progress",
		"inprogress", "working", "ongoing", "retry", "retrying", "unknown", "unspecified"}
	// licenseWords recognizes a license limit in a refusal. The source document says only
	// that an organization can import up to its limit and is sent to its provider.
	licenseWords = regexp.MustCompile(`(?i)\blicen[cs]es?\b`)
)
