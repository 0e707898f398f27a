package entratest

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// authenticate finds out which app calls, and in which tenant. An item of a batch has
// the token of the batch.
func (c *call) authenticate() *graphError {
	if c.item {
		return c.unaccepted
	}
	scheme, token, _ := strings.Cut(c.header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return unauthenticated("Access token is empty.")
	}
	var presented claims
	_, err := jwt.ParseWithClaims(token, &presented, func(*jwt.Token) (any, error) { return c.sim.tokenKey(), nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithTimeFunc(time.Now),
		jwt.WithAudience(graphResources[0]), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return unauthenticated("Lifetime validation failed, the token is expired.")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return unauthenticated("JWT is not well formed, there are no dots (.).")
	case err != nil:
		return unauthenticated("Access token validation failure. Invalid audience or signature.")
	case c.sim.revoked(presented):
		return unauthenticated("Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp")
	}
	c.tenant, c.app = c.sim.tenants[presented.TenantID], c.sim.app(presented.AppID)
	if c.tenant == nil || c.app == nil || !c.app.consentedIn(c.tenant) {
		return unauthenticated("The identity of the calling application could not be established.")
	}
	c.roles = map[string]bool{}
	for _, role := range presented.Roles {
		c.roles[role] = true
	}
	c.directoryRoles = rolesOf(presented.WIDs)
	return nil
}

// refusedByItem reports whether a token that is not accepted is refused item by item.
func (c *call) refusedByItem(failure *graphError) bool {
	if c.op == nil || !c.op.free || !c.behaviour.World.ItemTokens {
		return false
	}
	c.unaccepted = failure
	return true
}

func unauthenticated(message string) *graphError {
	e := refuse(http.StatusUnauthorized, "InvalidAuthenticationToken", "%s", message)
	e.header = http.Header{}
	e.header.Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`)
	return e
}

// all are permissions that are needed together.
type all []string

// mayAny reports whether the token has all permissions of one of the sets; without any
// set nothing is needed.
func (c *call) mayAny(sets ...all) bool {
	for _, set := range sets {
		enough := true
		for _, role := range set {
			enough = enough && c.roles[role]
		}
		if enough {
			return true
		}
	}
	return len(sets) == 0
}

// The permissions for each kind of operation, least privileged first (Microsoft
// Graph permissions reference and the pages of the operations).
var (
	readUsers       = []all{{"User.Read.All"}, {"User.ReadWrite.All"}, {"Directory.Read.All"}, {"Directory.ReadWrite.All"}}
	createUsers     = []all{{"User.Create"}, {"User.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	updateUsers     = []all{{"User.ReadUpdate.All"}, {"User.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	enableUsers     = []all{{"User.EnableDisableAccount.All", "User.Read.All"}, {"User.EnableDisableAccount.All", "User.ReadWrite.All"}, {"User.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	writePasswords  = []all{{"User-PasswordProfile.ReadWrite.All"}}
	writePhones     = []all{{"User-Phone.ReadWrite.All"}, {"User.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	writeOtherMails = []all{{"User-Mail.ReadWrite.All"}, {"User.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	writeIdentities = []all{{"User.ManageIdentities.All"}}
	writeLeaveDate  = []all{{"User.Read.All", "User-LifeCycleInfo.ReadWrite.All"}, {"User.ReadWrite.All", "User-LifeCycleInfo.ReadWrite.All"}}
	revokeSessions  = []all{{"User.RevokeSessions.All"}, {"User.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	deleteUsers     = []all{{"User.DeleteRestore.All"}, {"User.ReadWrite.All"}}
	assignLicenses  = []all{{"LicenseAssignment.ReadWrite.All"}, {"User.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	writeManagers   = []all{{"User.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	readGroups      = []all{{"GroupMember.Read.All"}, {"Group.Read.All"}, {"GroupMember.ReadWrite.All"}, {"Group.ReadWrite.All"}, {"Directory.Read.All"}, {"Directory.ReadWrite.All"}}
	createGroups    = []all{{"Group.Create"}, {"Group.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	writeGroups     = []all{{"Group.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	writeMembers    = []all{{"GroupMember.ReadWrite.All"}, {"Group.ReadWrite.All"}, {"Directory.ReadWrite.All"}}
	readDomains     = []all{{"Domain.Read.All"}, {"Domain.ReadWrite.All"}, {"Directory.Read.All"}, {"Directory.ReadWrite.All"}}
	readOrg         = []all{{"Organization.Read.All"}, {"Directory.Read.All"}, {"Directory.ReadWrite.All"}}
	upsertGroups    = append(append([]all{}, createGroups...), writeMembers...)
	readAnything    = append(append([]all{}, readUsers...), readGroups...)
	assignRoles     = []all{{"RoleManagement.ReadWrite.Directory"}}
)

// permissionFor is what a PATCH of one property of a user needs.
func permissionFor(property string) []all {
	switch property {
	case "accountEnabled":
		return enableUsers
	case "passwordProfile":
		return writePasswords
	case "businessPhones", "mobilePhone":
		return writePhones
	case "otherMails":
		return writeOtherMails
	case "identities":
		return writeIdentities
	case "employeeLeaveDateTime":
		return writeLeaveDate
	default:
		return updateUsers
	}
}
