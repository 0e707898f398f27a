package entratest

import (
	"net/http"
	"slices"
	"strings"
)

// notSimulated is the answer to a request that Graph supports and the simulator does
// not. It names what is missing.
func notSimulated(what string) *graphError {
	return refuse(http.StatusNotImplemented, "NotImplemented", "The simulator does not simulate %s.", what)
}

// Paths of Graph v1.0 that the simulator does not have, by the names of the request
// builders of msgraph-sdk-go v1.89.0: collections, then the paths below them and below
// one of their objects.
var (
	otherCollections = words(`admin agreementAcceptances agreements appCatalogs applications applicationTemplates auditLogs
		authenticationMethodConfigurations authenticationMethodsPolicy certificateBasedAuthConfiguration chats communications
		compliance connections contacts contracts dataPolicyOperations deviceAppManagement deviceManagement devices
		directoryRoles directoryRoleTemplates domainDnsRecords drives education employeeExperience external filterOperators
		functions groupLifecyclePolicies groupSettings groupSettingTemplates identity identityGovernance identityProtection
		identityProviders informationProtection invitations oauth2PermissionGrants permissionGrants places planner policies
		print privacy reports roleManagement schemaExtensions scopedRoleMemberships search security servicePrincipals shares
		sites solutions storage subscribedSkus subscriptions teams teamsTemplates teamwork tenantRelationships`)

	belowCollection = map[string][]string{
		"users":            words("getAvailableExtensionProperties getByIds validatePassword validateProperties"),
		"groups":           words("getAvailableExtensionProperties getByIds validateProperties"),
		"directoryobjects": words("delta getAvailableExtensionProperties validateProperties $count"),
		"organization":     words("delta getAvailableExtensionProperties getByIds validateProperties $count"),
		"domains":          words("$count"),
		"directory": words(`administrativeUnits attributeSets customSecurityAttributeDefinitions deviceLocalCredentials
			federationConfigurations onPremisesSynchronization publicKeyInfrastructure recommendations subscriptions`),
	}

	anyObject   = words("checkMemberGroups checkMemberObjects getMemberGroups getMemberObjects restore")
	belowObject = map[string][]string{
		"users": words(`activities agreementAcceptances appRoleAssignments authentication calendar calendarGroups
			calendars calendarView changePassword chats cloudClipboard cloudPCs contactFolders contacts createdObjects
			dataSecurityAndGovernance deviceManagementTroubleshootingEvents directReports drive drives employeeExperience events
			exportDeviceAndAppManagementData exportPersonalData extensions findMeetingTimes followedSites getMailTips
			getManagedAppDiagnosticStatuses getManagedAppPolicies getManagedDevicesWithAppFailures inferenceClassification insights
			joinedTeams licenseDetails mailboxSettings mailFolders managedAppRegistrations managedDevices manager memberOf messages
			oauth2PermissionGrants onenote onlineMeetings outlook ownedDevices ownedObjects people permissionGrants photo photos
			planner presence registeredDevices reminderView removeAllDevicesFromManagement reprocessLicenseAssignment
			retryServiceProvisioning revokeSignInSessions scopedRoleMemberOf sendMail serviceProvisioningErrors settings solutions
			sponsors teamwork todo transitiveMemberOf translateExchangeIds wipeManagedAppRegistrationsByDeviceTag $value`),
		"groups": words(`acceptedSenders addFavorite appRoleAssignments assignLicense calendar calendarView
			checkGrantedPermissionsForApp conversations createdOnBehalfOf drive drives events extensions groupLifecyclePolicies
			memberOf members membersWithLicenseErrors onenote onPremisesSyncBehavior owners permissionGrants photo photos planner
			rejectedSenders removeFavorite renew resetUnseenCount retryServiceProvisioning serviceProvisioningErrors settings sites
			subscribeByMail team threads transitiveMemberOf transitiveMembers unsubscribeByMail validateProperties $value`),
		"domains": words(`domainNameReferences federationConfiguration forceDelete promote rootDomain serviceConfigurationRecords
			verificationDnsRecords verify`),
		"directoryobjects": nil,
		"organization":     words("branding certificateBasedAuthConfiguration extensions setMobileDeviceManagementAuthority"),
	}

	// otherMethods are methods that Graph has at paths where the simulator has fewer.
	otherMethods = map[string][]string{
		"/domains": {http.MethodPost}, "/domains/{domain-id}": {http.MethodPatch, http.MethodDelete},
		"/organization": {http.MethodPost}, "/directoryObjects/{directoryObject-id}": {http.MethodPatch, http.MethodDelete},
	}
)

// words splits a list of names.
func words(list string) []string { return strings.Fields(list) }

// holds reports whether a list contains a name, in any case: Graph's paths ignore case.
func holds(list []string, name string) bool {
	name, _, _ = strings.Cut(name, "(")
	return slices.ContainsFunc(list, func(each string) bool { return strings.EqualFold(each, name) })
}

// missing is the part of a path that Graph has and the simulator does not; "" if Graph
// has no such path either.
func missing(segments []string) string {
	collection, _, _ := strings.Cut(strings.ToLower(segments[0]), "(")
	path := "/" + strings.Join(segments, "/")
	switch {
	case holds(otherCollections, segments[0]):
		return "/" + segments[0]
	case len(segments) > 1 && holds(belowCollection[collection], segments[1]):
		return "/" + strings.Join(segments[:2], "/")
	case collection == "organization" && len(segments) == 2:
		return path
	case len(segments) > 2 && isBelowObject(collection, segments[2]):
		return path
	default:
		return ""
	}
}

// isBelowObject reports whether Graph knows a name below the objects of a collection.
func isBelowObject(collection, name string) bool {
	names, isCollection := belowObject[collection]
	return isCollection && (holds(names, name) || holds(anyObject, name) || isProperty(collection, name))
}

// isProperty reports whether a path continues with a property of an object.
func isProperty(collection, name string) bool {
	kind := map[string]string{"users": kindUser, "groups": kindGroup, "domains": kindDomain, "organization": kindOrganization}[collection]
	d, err := described()
	if err != nil || kind == "" {
		return false
	}
	for each := range d.properties[kind] {
		if strings.EqualFold(each, name) {
			return true
		}
	}
	return false
}

// isNavigation reports whether a kind of object has a relationship of that name.
func isNavigation(kind, name string) bool {
	switch kind {
	case kindUser:
		return holds(belowObject["users"], name)
	case kindGroup:
		return holds(belowObject["groups"], name)
	case kindObject:
		return isNavigation(kindUser, name) || isNavigation(kindGroup, name)
	default:
		return false
	}
}
