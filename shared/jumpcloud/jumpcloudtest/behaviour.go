package jumpcloudtest

import (
	"slices"
	"strings"
	"time"
)

// Shape is the form of a webhook's body.
type Shape string

// The shapes of a webhook's body.
const (
	RuleNotification Shape = "rule_notification" // an alert with the event in di_event
	BareEvent        Shape = "bare_event"        // the event itself, as a workflow forwards it
	Array            Shape = "array"             // an array with the rule notification
)

// StateEvents says how a suspension is reported: JumpCloud documents an event for it,
// recordings show a user_update.
type StateEvents string

// The ways to report a suspension and its end.
const (
	UpdateAndDedicated StateEvents = "both"      // user_update, then user_suspended or user_unsuspended
	UpdateOnly         StateEvents = "update"    // only user_update
	DedicatedOnly      StateEvents = "dedicated" // only user_suspended or user_unsuspended
)

// ResultNames says where the results of a bulk job name their user. JumpCloud describes
// meta and persistedFields as objects without fields.
type ResultNames string

// The places of the names in a result.
const (
	NamesInMeta      ResultNames = ""          // meta: id, email and username as sent
	NamesInPersisted ResultNames = "persisted" // persistedFields, of users that were processed without a failure, with the id
	NamesInBoth      ResultNames = "both"
	NamesNowhere     ResultNames = "nowhere"
)

// Behaviour are the settings of the simulator: behaviour that JumpCloud does not
// publish, or that sometimes fails. Rates are between 0 and 1.
type Behaviour struct {
	// Webhooks.
	Shape           Shape
	OmitEventIDs    bool            // deliver events without id, as recorded from a workflow
	OnePerOpenAlert bool            // a rule notifies once, then only after ResolveAlerts
	LossRate        float64         // notifications that are never sent
	DuplicateRate   float64         // notifications that are sent twice
	ReorderRate     float64         // notifications held back for a random time
	ReorderDelay    time.Duration   // the longest time a notification is held back
	RetryDelays     []time.Duration // before each retry; as many retries as delays
	ResponseTimeout time.Duration   // how long one attempt may take
	Concurrency     int             // attempts under way at once

	// Events.
	StateEvents         StateEvents
	ReverseAssociations bool          // from = directory or application, to = user or group
	FeedLag             time.Duration // time until an event is visible in the feed
	FeedLagSpread       time.Duration // at most this is added, at random for each event
	Retention           time.Duration // of the feed
	FeedRefusal         int           // status of the answer to each query of the feed, such as 402 if the plan has none; 0: it is answered
	FeedHistory         time.Duration // how far back a query may begin; one that begins before is refused with 402, as others have recorded; 0: any time

	// How long after a change, and after its event, reads of the API return the state
	// before. A receiver of an event that reads at once may get the state before the
	// event; for how long is not known.
	UserReadLag        time.Duration // users
	GroupReadLag       time.Duration // user groups
	MembershipReadLag  time.Duration // members of groups, from either side
	AssociationReadLag time.Duration // associations with a directory or an application, from either side

	// REST API.
	GoneMembers            GoneMembers  // what lists show of members that are deleted from now on
	OmitTotals             bool         // lists have no totals
	NestedGroups           NestedGroups // whether a group can be in a group
	RequireOrgID           bool         // 401 without x-org-id, as for administrators of several organizations
	RefuseUnsupportedOrgID bool         // 403 for x-org-id on routes whose description lacks it
	PortalUsernames        bool         // refuse usernames that the Admin Portal refuses, in every call
	KeepEmailCase          bool         // store e-mail addresses as they were sent, not in lower case
	LicenseLimit           int          // users in the organization up to which an import may add some; 0: no limit
	LicenseRefusesRequest  bool         // at the limit, the whole request is refused with 402, and no job starts

	// Service accounts.
	TokenLife     time.Duration // of an access token
	OmitTokenLife bool          // the answer does not say how long a token is valid
	RefuseTokens  []string      // what the paths of routes begin with that take no access token: /api/v2/notifications

	// Bulk jobs. What a job does is decided when it starts.
	BulkDelay        time.Duration // time until the first user of a job is processed
	BulkPace         time.Duration // time from each user to the next
	BulkStopsAt      int           // the user of a job, counted from 1, before which it stops for good; 0: it ends
	BulkShuffle      bool          // results are in another order than the users
	BulkHidesPending bool          // results are in the list only when their user is processed
	BulkNames        ResultNames   // which users results belong to
}

// DefaultBehaviour is JumpCloud's behaviour as documented or, where nothing is
// documented, as assumed.
func DefaultBehaviour() Behaviour {
	return Behaviour{
		Shape:           RuleNotification,
		ReorderDelay:    assumedReorderDelay,
		RetryDelays:     slices.Clone(assumedRetryDelays),
		ResponseTimeout: assumedResponseTimeout,
		Concurrency:     assumedConcurrency,
		StateEvents:     UpdateAndDedicated,
		FeedLag:         assumedFeedLag,
		Retention:       retention,
		BulkDelay:       assumedBulkDelay,
		TokenLife:       assumedTokenLife,
	}
}

func (b Behaviour) clone() Behaviour {
	b.RetryDelays, b.RefuseTokens = slices.Clone(b.RetryDelays), slices.Clone(b.RefuseTokens)
	return b
}

// takesNoToken reports whether an endpoint refuses access tokens.
func (b Behaviour) takesNoToken(e endpoint) bool {
	return slices.ContainsFunc(b.RefuseTokens, func(path string) bool { return strings.HasPrefix(string(e.api)+e.path, path) })
}

// Counters counts what the simulator has done since it was made.
type Counters struct {
	Requests       int            `json:"requests"`       // to the APIs, refused ones included
	ByRoute        map[string]int `json:"byRoute"`        // requests by method and route
	Events         int            `json:"events"`         // emitted
	Notifications  int            `json:"notifications"`  // including duplicates
	Lost           int            `json:"lost"`           // by LossRate
	Suppressed     int            `json:"suppressed"`     // not sent because of OnePerOpenAlert
	Attempts       int            `json:"attempts"`       // requests made to webhooks
	Delivered      int            `json:"delivered"`      // notifications answered with 2xx
	Dropped        int            `json:"dropped"`        // notifications given up
	Pending        int            `json:"pending"`        // notifications neither delivered nor given up
	FaultsInjected int            `json:"faultsInjected"` // by FailNext
}
