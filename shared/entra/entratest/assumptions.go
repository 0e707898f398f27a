package entratest

import "time"

// Everything here is assumed: Microsoft does not publish it, or nobody confirmed it.
// Change it here, in one line, when it becomes known. If a test may need either
// variant, it is a switch of [Behaviour] instead; the zero value of the switch is the
// assumption.
const (
	// Tokens and consent.
	assumedTokenLife = 3599 * time.Second // typical answers say 3599; 60 to 90 minutes occur

	// Requests.
	maxBatchBytes    = 4 << 20 // commonly quoted for the body of a $batch
	maxBodyBytes     = 4 << 20 // any other request
	gzipFromBytes    = 1024    // smaller answers are sent plain
	maxValuesOfIn    = 15      // values in one `in (..)` clause
	maxFilterValue   = 120     // characters of one text in a $filter, observed by users; that they are UTF-16 units of the unquoted text is assumed
	defaultPageSize  = 100     // documented for users, groups and members
	maxPageSize      = 999
	deltaPageSize    = 200 // objects on one delta page; users of the API observed 100 to 200
	deltaMembersPage = 200 // member entries on one delta page
	deltaTokenLife   = 7 * 24 * time.Hour
	maxDeltaIDs      = 50 // ids in the $filter of a delta query; documented

	// Objects.
	maxOfficeLocation = 128  // characters
	maxDescription    = 1024 // characters of a group's description
	maxPhone          = 64   // characters of one business phone
	maxRelationships  = 20   // members and owners in one POST or PATCH; documented
	maxOwners         = 100
	softDeletedLife   = 30 * 24 * time.Hour // documented; after it a deleted object is gone for good

	// Quotas: "All refused requests still count towards the limit" is documented, but
	// not how far below empty a bucket can go. Fractions of its capacity.
	refusedDebtFloor   = 0.10
	lowPriorityReserve = 0.05 // the part that `x-ms-throttle-priority: low` must leave for others

	// Codes of error bodies that no source shows.
	codeFailedDependency = "FailedDependency"
	codePassword         = "InvalidPassword" // details[].code of a refused password
	codeUnsupportedMedia = "UnsupportedMediaType"
	codeNoDelta          = "Request_UnsupportedQuery" // a delta query in a tenant without
	textNoDelta          = "Delta queries are not supported in this tenant."

	// Graph's text for a /$count without its header.
	textCountNeedsHeader = "$count is not currently supported."

	// Graph's texts about accounts in federated domains. The first is the text of the
	// older modules (azure-docs 5108); it is assumed that Graph uses it too, and the
	// second one.
	textFederatedAnchor   = "You must provide a required property: Parameter name: FederatedUser.SourceAnchor"
	textFederatedPassword = "The password of a user in a federated domain cannot be changed."
)

// Properties of an account mastered on premises that the cloud may still write.
var writableWhenSynced = map[string]bool{"usageLocation": true}

// Properties that the documentation calls required or not nullable although the CSDL
// lets them be null. A null for one of them is a bad value.
var neverNull = map[string]bool{
	"accountEnabled": true, "displayName": true, "mailNickname": true, "userPrincipalName": true,
	"mail": true, "usageLocation": true, "passwordProfile": true,
}

// The form of a preferredLanguage ("follows ISO 639-1") and of a usageLocation
// (two letters, ISO 3166-1).
const (
	languagePattern = `^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`
	locationPattern = `^[A-Za-z]{2}$`
)

// Well-known parts of the banned-password list.
var bannedPasswords = []string{"password", "p@ssw0rd", "welcome1", "qwerty"}
