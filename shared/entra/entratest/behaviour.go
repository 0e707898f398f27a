package entratest

import "time"

// RetryAfterForm is how a throttled answer states the time to wait.
type RetryAfterForm string

// The forms of Retry-After that Microsoft Graph and the proxies before it use.
const (
	RetryAfterSeconds RetryAfterForm = ""        // whole seconds, "17"
	RetryAfterDecimal RetryAfterForm = "decimal" // "2.128"
	RetryAfterDate    RetryAfterForm = "date"    // an HTTP date
	RetryAfterTwo     RetryAfterForm = "two"     // two numbers, the smaller one first, "4,17"
	RetryAfterAbsent  RetryAfterForm = "absent"  // no header at all
)

// DeadLink is what a request with a dead delta token answers.
type DeadLink string

// The forms that were observed. That of directory objects is documented.
const (
	DeadNotFound DeadLink = ""         // 400 syncStateNotFound
	DeadLocation DeadLink = "location" // 410 with the URL at which to start again
	DeadGone     DeadLink = "gone"     // 410 alone
)

// Behaviour are the settings that can change while the simulator runs. The zero value
// is the service as documented, without lag and with its real quotas.
type Behaviour struct {
	Quota      Quota          `json:"quota"`
	RetryAfter RetryAfterForm `json:"retryAfter"`
	Lag        Lag            `json:"lag"`

	BatchThrottle424 bool `json:"batchThrottle424"` // a $batch with a throttled item answers 424 itself (throttling guide)
	BatchConflicts   bool `json:"batchConflicts"`   // two writes to one object in a $batch clash: 409 for all but the first
	BatchOrderKept   bool `json:"batchOrderKept"`   // answers come in the order of the requests instead of any order
	ClampLargeTop    bool `json:"clampLargeTop"`    // a $top above 999 is cut instead of refused with 400
	RemoveAbsent400  bool `json:"removeAbsent400"`  // removing a non-member answers 400 instead of 404
	Revoke204        bool `json:"revoke204"`        // revokeSignInSessions as documented (204) instead of as it is (200)
	HardDeleteGroups bool `json:"hardDeleteGroups"` // security groups are deleted for good, as in national clouds and before 2026
	FreeDeletedName  bool `json:"freeDeletedName"`  // a group in deletedItems no longer keeps its uniqueName from others
	PlainDeletedUPN  bool `json:"plainDeletedUPN"`  // a deleted user keeps its UPN instead of having its id put before it

	// Delta queries. All of this was observed by users (msgraph.md, section 5).
	NoDelta           bool     `json:"noDelta"`           // the tenant has no delta queries, as those of External ID and B2C
	DeltaDead         DeadLink `json:"deltaDead"`         // what a dead delta token answers
	DeltaPage         int      `json:"deltaPage"`         // objects, and entries of members, on a page; 0: 200
	DeltaEmptyPages   bool     `json:"deltaEmptyPages"`   // every round begins with an empty page
	DeltaRepeats      bool     `json:"deltaRepeats"`      // every object comes twice, and the last one of a page again on the next
	DeltaSplits       bool     `json:"deltaSplits"`       // every object comes in two parts
	DeltaNulls        bool     `json:"deltaNulls"`        // a property without a value is shown as null instead of left out
	DeltaManagerAlone bool     `json:"deltaManagerAlone"` // manager@delta is missing when something else of the user changed
	DeltaFirstRemoved bool     `json:"deltaFirstRemoved"` // a full round shows deleted objects and members who left, too
	DeltaSilentPurge  bool     `json:"deltaSilentPurge"`  // a group does not show the members who left because they were deleted for good

	ExpandTop        int  `json:"expandTop"`        // highest $top together with $expand; 0: as without
	ExpandTopRefused bool `json:"expandTopRefused"` // a higher one is refused with 400 instead of cut

	DeltaLag     time.Duration `json:"deltaLag"`     // how long a change stays invisible to delta queries
	TokenLife    time.Duration `json:"tokenLife"`    // of access tokens; 0: 3,599 s
	TokenRefresh time.Duration `json:"tokenRefresh"` // age at which a token should be replaced early (refresh_in); 0: not stated
	SignInDown   bool          `json:"signInDown"`   // the login service answers 503 to everything

	// Consent spreads slowly: for ConsentSignIn after it the app cannot sign in yet, and
	// for ConsentRoles its tokens lack what was granted.
	ConsentSignIn time.Duration `json:"consentSignIn"`
	ConsentRoles  time.Duration `json:"consentRoles"`

	World World `json:"world"` // behaviour of Graph that is not known
}

// Lag is how long a new object is not found (404): by GET, in lists, and at both ends
// of a $ref, such as a user and its manager or a group and its member. Each object has
// its own lag between Min and Max, which depends only on the seed and the object.
type Lag struct {
	Min    time.Duration `json:"min"`
	Max    time.Duration `json:"max"`    // below Min: the same as Min
	Writes bool          `json:"writes"` // PATCH, DELETE and actions on a fresh object answer 404 too
}

// Quota are the limits of the identity and access service (Microsoft Graph
// documentation, throttling limits). Zero means the published limit.
type Quota struct {
	Off         bool          `json:"off"`
	Writes      int           `json:"writes"`      // write units per window for one app in one tenant; 0: 3,000
	WriteWindow time.Duration `json:"writeWindow"` // 0: 150 s
	Units       int           `json:"units"`       // resource units per 10 s; 0: by size of the tenant, 3,500, 5,000 or 8,000
	StartEmpty  bool          `json:"startEmpty"`  // buckets made from now on start empty instead of full
	BindCostOne bool          `json:"bindCostOne"` // members@odata.bind of n costs 1 write unit, not ceil(n/3)
}
