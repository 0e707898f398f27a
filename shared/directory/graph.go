package directory

import "regexp"

// This file has the facts of Microsoft Graph about users and groups on which rules of the
// product depend. The facts about the requests (addresses, answers, quotas) are in
// shared/entra.

// Attribute is a property of an account, by its name in Microsoft Graph. A property inside
// another one has both names, with a period between them.
type Attribute string

// The attributes that entrasync writes.
const (
	GivenName         Attribute = "givenName"
	Surname           Attribute = "surname"
	DisplayName       Attribute = "displayName" // of groups too
	UserPrincipalName Attribute = "userPrincipalName"
	MailNickname      Attribute = "mailNickname"
	AccountEnabled    Attribute = "accountEnabled"
	ImmutableID       Attribute = "onPremisesImmutableId"

	OtherMails        Attribute = "otherMails"
	BusinessPhones    Attribute = "businessPhones"
	City              Attribute = "city"
	Country           Attribute = "country"
	Department        Attribute = "department"
	JobTitle          Attribute = "jobTitle"
	MobilePhone       Attribute = "mobilePhone"
	OfficeLocation    Attribute = "officeLocation"
	PostalCode        Attribute = "postalCode"
	State             Attribute = "state"
	StreetAddress     Attribute = "streetAddress"
	EmployeeID        Attribute = "employeeId"
	EmployeeType      Attribute = "employeeType"
	CompanyName       Attribute = "companyName"
	CostCenter        Attribute = "employeeOrgData.costCenter"
	Division          Attribute = "employeeOrgData.division"
	UsageLocation     Attribute = "usageLocation"
	PreferredLanguage Attribute = "preferredLanguage"
	// Manager holds the object id of the manager's account.
	Manager Attribute = "manager"

	// AssignedLicenses holds the licenses that an account has by itself, each as the text of a
	// [License], sorted. In a change, To are those that are given and From those that are
	// taken away.
	AssignedLicenses Attribute = "assignedLicenses"
	// ShowInAddressList says whether the account is in the address lists of Exchange; an account
	// without a value is. Microsoft's documentation of the user resource says not to use it in
	// Graph and to hide people in the Microsoft 365 admin center instead, because it may not be
	// what Exchange has (known issue 14972). Graph has no other way.
	ShowInAddressList Attribute = "showInAddressList"
)

// The attributes that only groups have.
const (
	// UniqueName holds the alternate key of a group.
	UniqueName Attribute = "uniqueName"
	// Members are the object ids of the members of a group. In a change, To are those
	// that are added and From those that are removed.
	Members Attribute = "members"
)

// Form is the form that the value of an attribute has in Graph.
type Form int

// The forms.
const (
	TextForm Form = iota
	ListForm      // a list of texts, which is cleared with an empty list and never null
	FlagForm      // true or false
)

// Facts are the facts of Graph about one attribute. The zero value is a text that may be
// cleared, has no published limit and is written with a PATCH of the account.
type Facts struct {
	Form Form
	// Limit is how many characters Entra takes in each text, counted in UTF-16 units; 0:
	// none is published.
	Limit int
	// Pattern matches the texts that Entra takes; nil: all texts. Says describes it for
	// people, as the end of a sentence.
	Pattern *regexp.Regexp
	Says    string
	// Required says that no account can be created without it.
	Required bool
	// Kept says that it cannot be cleared: the last value stays when JumpCloud has none.
	Kept bool
	// FoldsCase says that Entra compares it without regard to case: writing another case
	// would be an unwanted rename.
	FoldsCase bool
	// Unique says that no two objects may have the same value, or values that Entra
	// derives from it.
	Unique bool
	// Sensitive says that writing it on an administrator's account needs a special role.
	Sensitive bool
	// Permission is the permission that allows to write only this attribute; "" if it
	// needs one for all of the account.
	Permission string
	// With is the attribute together with which it is always written; "" if none.
	With Attribute
	// Apart says that it needs a request of its own: it is a reference to another object, or no
	// property that can be written.
	Apart bool
	// Replaced says that it is a part of a property that Graph replaces completely: a
	// part that is not sent becomes null.
	Replaced bool
}

// facts is the table of the attributes of an account: limits, what can be null, what is
// unique and what is sensitive ("Who can perform sensitive actions") by the Graph user
// resource; what is required by Graph, create user; permissions by Graph, update user.
var facts = map[Attribute]Facts{
	UserPrincipalName: {Required: true, Unique: true, FoldsCase: true, Sensitive: true},
	MailNickname:      {Required: true, Unique: true, FoldsCase: true, With: UserPrincipalName}, // the alias follows the name
	AccountEnabled:    {Required: true, Form: FlagForm},
	ImmutableID:       {Required: true, Unique: true, Sensitive: true}, // required by us: we recognise the account by it
	DisplayName:       {Required: true, Limit: 256},
	GivenName:         {Limit: 64},
	Surname:           {Limit: 64},

	// That other mails have no accents is documented, the rest of the pattern is assumed.
	OtherMails: {Form: ListForm, Limit: 250, Sensitive: true, Permission: "User-Mail.ReadWrite.All",
		Pattern: regexp.MustCompile(`^[!-?A-~]+@[!-?A-~]+$`), Says: "must be an e-mail address without spaces and accents"},
	BusinessPhones: {Form: ListForm, Limit: 64, Sensitive: true, Permission: "User-Phone.ReadWrite.All"}, // the limit is assumed
	MobilePhone:    {Limit: 64, Sensitive: true, Permission: "User-Phone.ReadWrite.All"},
	City:           {Limit: 128},
	Country:        {Limit: 128},
	Department:     {Limit: 64},
	JobTitle:       {Limit: 128},
	OfficeLocation: {Limit: 128}, // assumed
	PostalCode:     {Limit: 40},
	State:          {Limit: 128},
	StreetAddress:  {Limit: 1024},
	EmployeeID:     {Limit: 16},
	EmployeeType:   {},
	CompanyName:    {Limit: 64},
	CostCenter:     {Replaced: true}, // Graph, employeeOrgData
	Division:       {Replaced: true},
	UsageLocation:  {Kept: true, Pattern: regexp.MustCompile(`^[A-Z]{2}$`), Says: "must be a country code of two letters such as DE (ISO 3166-1)"},
	PreferredLanguage: {Pattern: regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`),
		Says: "must be a language code such as de or en-US"}, // ISO 639-1 with an optional country
	Manager: {Apart: true},

	AssignedLicenses:  {Form: ListForm, Apart: true}, // Graph, user: assignLicense
	ShowInAddressList: {Form: FlagForm},
}

// The extension attributes of an account (Graph, onPremisesExtensionAttributes): they
// are called extensionAttribute1 to extensionAttribute15.
const (
	extensionProperty = "onPremisesExtensionAttributes"
	extensionLimit    = 1024
	// ExtensionPattern matches their names, and ExtensionSays describes them for people.
	ExtensionPattern = `^extensionAttribute([1-9]|1[0-5])$`
	ExtensionSays    = "extensionAttribute1 to extensionAttribute15"
)

// The limits of a sign-in name (Microsoft Entra documentation, username policies).
const (
	longestUPN   = 113
	longestLocal = 64
	// LongestDomain is how many characters a domain in a sign-in name may have.
	LongestDomain = 48
)

// upnCharacters matches the part before the @ (same documentation).
var upnCharacters = regexp.MustCompile(`^[A-Za-z0-9'.\-_!#^~]+$`)

// MaxGroupName is how many characters the name of a group may have (Graph, group
// resource), counted like those of an account's attributes.
const MaxGroupName = 256

// RestorableDays is for how many days a deleted account can be restored (Graph, delete user).
const RestorableDays = 30

// MaxBind is how many members one request can add to a group (Graph, add members).
const MaxBind = 20
