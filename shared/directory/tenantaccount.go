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
