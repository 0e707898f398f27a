package jumpcloudtest

import (
	"regexp"
	"time"
)

// Choices about what JumpCloud does not publish. A choice that tests must switch is a
// field of [Behaviour] that starts with one of these.
var assumedRetryDelays = []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}

const (
	assumedResponseTimeout = 10 * time.Second
	assumedReorderDelay    = 5 * time.Second
	assumedConcurrency     = 8
	assumedFeedLag         = time.Minute // other pollers leave a margin of minutes
	assumedBulkDelay       = 2 * time.Second
	assumedTokenLife       = time.Hour // what other clients fall back to
	assumedMaxDeliveries   = 1000      // kept for Deliveries; older ones are only counted

	// The administrator who makes the changes.
	assumedAdminID    = "60aa11bb22cc33dd44ee55ff"
	assumedAdminEmail = "admin@example.com"

	// The IP address of the changes.
	assumedAddress = "203.0.113.20"
)

// assumedUsername is the form of a username that the API takes. The specification limits
// only its length, to 1024.
var assumedUsername = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// portalUsername is the form of a username that the Admin Portal takes: it starts with a
// letter, has at most 30 characters, no space and no @, and is valid in Unix (JumpCloud
// documentation, naming convention for users; which characters that leaves is assumed).
// It is not published whether the API refuses others: [Behaviour.PortalUsernames].
var portalUsername = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,29}$`)

// The texts of refusals and of the lines of an import. JumpCloud publishes only that
// conflicting states are refused, and that a second association gets the answer
// "Already Exists".
const (
	textConflictingState = "cannot save conflicting state and suspended fields"
	textAlreadyExists    = "Already Exists"
	textChannelName      = "channel name is required"

	assumedUserExists      = "User already exists"
	assumedEmailInUse      = "Email already in use"
	assumedUsernameInUse   = "Username already in use"
	assumedInvalidUsername = "Invalid username"
	assumedMissingEmail    = "Missing email"
	assumedLicenseLimit    = "License limit reached, contact your provider" // in the answer to the request, or in the line of each user who is too many
	assumedUnexpected      = "Unexpected error, try again"
	assumedEmployeeInUse   = "employeeIdentifier already in use"
)

// The statuses of the lines of a bulk job.
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

// The actions in association_change, which say what made the change. manual is
// recorded; it is assumed that changes of dynamic groups have another value, and which
// one.
const (
	actionManual           = "manual"
	assumedActionAutomatic = "automatic"
)

// JumpCloud publishes for few lists by which fields they can be filtered and sorted,
// and which fields can be selected. Assumed are the fields that the description of the
// answer has, and these: a user has its id under both names (third-party recordings),
// memberships have the id of the other end (JumpCloud API documentation), and
// JumpCloud's best practices sort everything by _id. It is not published whether
// JumpCloud refuses or ignores other fields; here they are refused, so that a typing
// error does not seem an empty list.
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
