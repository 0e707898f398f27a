package jumpcloudtest

import (
	"regexp"
	"time"
)

// What JumpCloud does not publish, chosen here alone. What also needs to be
// switched during a test is a field of [Behaviour] that starts with one of
// these.
var assumedRetryDelays = []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}

const (
	assumedResponseTimeout = 10 * time.Second
	assumedReorderDelay    = 5 * time.Second
	assumedConcurrency     = 8
	assumedFeedLag         = time.Minute // pollers of others leave a margin of minutes
	assumedBulkDelay       = 2 * time.Second
	assumedMaxDeliveries   = 1000 // kept for Deliveries; older ones are only counted

	// The administrator who is said to have made changes.
	assumedAdminID    = "60aa11bb22cc33dd44ee55ff"
	assumedAdminEmail = "admin@example.com"

	// Where changes are said to come from.
	assumedAddress = "203.0.113.20"
)

// assumedUsername is what a username may look like. The specification has no
// rule but a length of 1024.
var assumedUsername = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// The texts of refusals and of the lines of an import. JumpCloud publishes only
// that conflicting states are refused, and that a second association is
// answered "Already Exists".
const (
	textConflictingState = "cannot save conflicting state and suspended fields"
	textAlreadyExists    = "Already Exists"
	textChannelName      = "channel name is required"

	assumedUserExists      = "User already exists"
	assumedEmailInUse      = "Email already in use"
	assumedUsernameInUse   = "Username already in use"
	assumedInvalidUsername = "Invalid username"
	assumedMissingEmail    = "Missing email"
	assumedLicenseLimit    = "License limit reached, contact your provider"
	assumedUnexpected      = "Unexpected error, try again"
	assumedEmployeeInUse   = "employeeIdentifier already in use"
)

// The status words of the lines of a bulk job.
const (
	assumedPending  = "pending"
	assumedFinished = "finished"
	assumedFailed   = "failed"
)

// The codes of password rules in fieldViolationsList. JumpCloud documents
// specialCharacter and passwordHistory.
const (
	codeSpecialCharacter = "specialCharacter"
	codePasswordHistory  = "passwordHistory"
	assumedMinLength     = "minLength"
	assumedLowercase     = "lowercase"
	assumedUppercase     = "uppercase"
	assumedNumber        = "number"
	assumedHasUsername   = "usernameSubstring"
)

// What association_change says of who acted. Recorded is manual; that a dynamic
// group has a word of its own, and which, is assumed.
const (
	actionManual           = "manual"
	assumedActionAutomatic = "automatic"
)

// What a list is filtered and sorted by, and which fields can be chosen, is
// published for few lists. Assumed is what an answer is described with, and these: a
// user has its id under both names (third-party recordings), memberships name the id
// of the other end (JumpCloud API documentation), and the best practices of JumpCloud
// sort everything by _id. Whether JumpCloud refuses another field or passes over it
// is not published; here it is refused, so that a misspelt one is not taken for an
// empty list.
var assumedMoreFields = map[version][]string{v1: {"id"}, v2: {graphID}}

const (
	assumedSortID = "_id"
	graphID       = "object_id"
)

// Documented limits (JumpCloud API documentation).
const (
	defaultLimit  = 10
	maximumLimit  = 100
	domainsLimit  = 100 // the domains endpoint's own default
	namedLimit    = 100 // of lists of channels and rules
	feedLimit     = 1000
	feedMaximum   = 10_000
	maxChannel    = 100 // characters of a channel's name
	maxMaskedURL  = 10  // protected values in a URL
	retention     = 90 * 24 * time.Hour
	maxBody       = 16 << 20
	maxUserText   = 1024
	maxEmployeeID = 256
)
