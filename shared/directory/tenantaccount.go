package directory

// TenantAccount is an account of a tenant as an import into JumpCloud reads it.
type TenantAccount struct {
	ID                              EntraID
	UPN                             UPN
	DisplayName, GivenName, Surname string
	Mail                            string
	Alias                           string // mailNickname; "" if it has none
	ImmutableID                     string
	Enabled                         bool       // it may sign in
	Guest                           bool       // an account of another tenant; one without a type, as old accounts are, is a member
	Agent                           bool       // the account of a program (agentUser), which Entra lists with the people
	Attributes                      Attributes // those that were asked for
}

// AccountQuery says which accounts of a tenant to list, and what to read of them.
type AccountQuery struct {
	// Search is the beginning of a display name, given name, surname, e-mail address,
	// sign-in name or alias, without regard to case; "" lists all accounts.
	Search string
	// Limit is the highest number of accounts on a page; 0 and everything above 999 are
	// 999. Graph continues the list with the limit of the first page.
	Limit int
	// Attributes are read beside what every [TenantAccount] has. A manager is
	// not read, because it is another object.
	Attributes []Attribute
}
