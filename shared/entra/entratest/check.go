package entratest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/getkin/kin-openapi/openapi3"
)

var (
	languageForm = regexp.MustCompile(languagePattern)
	locationForm = regexp.MustCompile(locationPattern)
	// Characters of a userPrincipalName (Microsoft Entra documentation, username policies).
	upnForm = regexp.MustCompile(`^[A-Za-z0-9'.\-_!#^~]+@[A-Za-z0-9.\-]+$`)
)

// checkObject checks the properties of a body against the description: known, writable,
// of the right type, not null where null is not allowed, not empty. Annotations
// (@odata.type and others) may be anywhere.
func (d *description) checkObject(kind string, body map[string]any) *graphError {
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if failure := d.checkProperty(kind, name, body[name]); failure != nil {
			return failure
		}
	}
	return nil
}

func (d *description) checkProperty(kind, name string, value any) *graphError {
	if annotated, annotation, found := strings.Cut(name, "@"); found {
		if annotation == "odata.bind" && (kind != kindGroup || annotated != "members" && annotated != "owners") {
			return badRequest("Invalid property '%s'.", name)
		}
		return nil
	}
	p, known := d.properties[kind][name]
	writtenOnce := kind == kindGroup && name == "uniqueName" // at create only
	switch {
	case !known || p.link:
		return badRequest("Invalid property '%s'.", name)
	case p.readOnly && !writtenOnce:
		return badRequest("Property '%s' is read-only and cannot be set.", name)
	case value == nil:
		return p.checkNull(kind, name)
	}
	if err := p.schema.VisitJSON(value); err != nil {
		return badValue(name, resourceName(kind))
	}
	if text, isText := value.(string); isText && (text == "" || p.maxLength > 0 && length(text) > p.maxLength) {
		return badValue(name, resourceName(kind))
	}
	return p.checkInside(kind, name, value)
}

// checkNull refuses null where it is not allowed.
func (p property) checkNull(kind, name string) *graphError {
	if p.isCollection() {
		return badRequest("A null value was found for the property named '%s', which has the expected type 'Collection(Edm.String)[Nullable=False]'. The expected type 'Collection(Edm.String)[Nullable=False]' does not allow null values.", name)
	}
	if neverNull[name] {
		return badValue(name, resourceName(kind))
	}
	return nil
}

// checkInside refuses unknown and empty parts of a complex value.
func (p property) checkInside(kind, name string, value any) *graphError {
	if items, isList := value.([]any); isList && p.schema.Items != nil {
		for _, item := range items {
			if failure := checkParts(p.schema.Items.Value, kind, name, item); failure != nil {
				return failure
			}
		}
		return nil
	}
	return checkParts(p.complexType(), kind, name, value)
}

// checkParts refuses unknown and empty parts of one complex value; schema is nil for a
// simple one.
func checkParts(schema *openapi3.Schema, kind, name string, value any) *graphError {
	parts, isObject := value.(map[string]any)
	if schema == nil || !isObject {
		return nil
	}
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		if strings.Contains(part, "@") {
			continue
		}
		if schema.Properties[part] == nil {
			return badRequest("Invalid property '%s'.", part)
		}
		if parts[part] == "" {
			return badValue(name, resourceName(kind))
		}
	}
	return nil
}

// length counts as the service does, in UTF-16 units.
func length(s string) int { return len(utf16.Encode([]rune(s))) }

// checkUserValues checks the values of a user against the rules that are not in the
// description (Microsoft Graph documentation, user resource; Microsoft Entra
// documentation, username policies). Nulls and types were checked before.
func checkUserValues(body map[string]any) *graphError {
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if body[name] == nil {
			continue
		}
		if rule, has := userRules[name]; has && !rule(body[name]) {
			return badValue(name, "User")
		}
	}
	return nil
}

// userRules report whether a value of a property is good.
var userRules = map[string]func(any) bool{
	"mailNickname":  textRule(goodMailNickname),
	"usageLocation": textRule(locationForm.MatchString),
	"preferredLanguage": textRule(func(s string) bool {
		return languageForm.MatchString(s)
	}),
	"officeLocation":        textRule(func(s string) bool { return length(s) <= maxOfficeLocation }),
	"onPremisesImmutableId": textRule(func(s string) bool { return !strings.ContainsAny(s, "$_") }),
	"mail":                  textRule(func(s string) bool { return ascii(s) && strings.Count(s, "@") == 1 && !strings.Contains(s, " ") }),
	"userType":              textRule(func(s string) bool { return s == "Member" || s == "Guest" }),
	"passwordPolicies":      textRule(goodPasswordPolicies),
	"businessPhones":        listRule(1, func(s string) bool { return s != "" && length(s) <= maxPhone }),
	"otherMails":            listRule(250, func(s string) bool { return s != "" && len(s) <= 250 && ascii(s) }),
	"onPremisesExtensionAttributes": func(v any) bool {
		parts, _ := v.(map[string]any)
		for _, part := range parts {
			if s, isText := part.(string); isText && length(s) > 1024 {
				return false
			}
		}
		return true
	},
}

func textRule(good func(string) bool) func(any) bool {
	return func(v any) bool {
		s, isText := v.(string)
		return isText && good(s)
	}
}

func listRule(most int, good func(string) bool) func(any) bool {
	return func(v any) bool {
		items, isList := v.([]any)
		if !isList || len(items) > most {
			return false
		}
		for _, item := range items {
			if s, isText := item.(string); !isText || !good(s) {
				return false
			}
		}
		return true
	}
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}

func goodMailNickname(s string) bool {
	return !strings.ContainsAny(s, "@ ") && !strings.HasSuffix(s, ".")
}

// goodGroupMailNickname combines the two published lists of characters that a group's
// mailNickname must not have.
func goodGroupMailNickname(s string) bool {
	return ascii(s) && !strings.ContainsAny(s, "@()/[]';:<>, \\\"")
}

func goodPasswordPolicies(s string) bool {
	for _, policy := range strings.Split(s, ",") {
		if p := strings.TrimSpace(policy); p != "DisablePasswordExpiration" && p != "DisableStrongPassword" && p != "None" {
			return false
		}
	}
	return true
}

// checkUPN checks the form of a userPrincipalName, 113 characters with 64 before the @
// and 48 after it, and its domain.
func (t *tenant) checkUPN(upn string) (Domain, *graphError) {
	local, domain, _ := strings.Cut(upn, "@")
	if !upnForm.MatchString(upn) || len(upn) > 113 || len(local) > 64 || len(domain) > 48 || strings.HasSuffix(local, ".") {
		return Domain{}, badRequest("Property userPrincipalName is invalid.").withDetail("InvalidValue", "userPrincipalName")
	}
	d, known := t.domain(domain)
	if !known || d.Unverified {
		return Domain{}, unusableDomain()
	}
	return d, nil
}

// unusableDomain is the refusal of a domain that is not verified; for a federated one
// the same text was seen (observed by users of Terraform).
func unusableDomain() *graphError {
	return badRequest("The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.").
		withDetail("InvalidValue", "userPrincipalName")
}

// conflicts refuses values that another object has. A UPN must differ from those of all
// users and from all mail addresses; deleted users keep nothing from others.
func (t *tenant) conflicts(self string, body map[string]any) *graphError {
	if upn, has := body["userPrincipalName"].(string); has {
		name := strings.ToLower(upn)
		for _, index := range []map[string]string{t.byUPN, t.byAddress} {
			if other := holder(index, name, self); other != "" {
				return conflict("userPrincipalName", other)
			}
		}
	}
	if mail, has := body["mail"].(string); has {
		name := strings.ToLower(mail)
		for _, index := range []map[string]string{t.byAddress, t.byUPN} {
			if other := holder(index, name, self); other != "" {
				return conflict("proxyAddresses", other)
			}
		}
	}
	if other := t.sameIdentity(self, body); other != "" {
		return conflict("identities", other)
	}
	if id, has := body["onPremisesImmutableId"].(string); has {
		if other := holder(t.byImmutable, id, self); other != "" {
			return conflict("onPremisesImmutableId", other)
		}
	}
	return nil
}

// sameIdentity is the id of another user with one of the identities of a body; "" if
// there is none.
func (t *tenant) sameIdentity(self string, body map[string]any) string {
	list, _ := body["identities"].([]any)
	for _, each := range list {
		given, _ := each.(map[string]any)
		if given["signInType"] == upnSignIn {
			continue
		}
		for _, o := range t.order {
			theirs, _ := o.Props["identities"].Value.([]any)
			same := func(other any) bool {
				i, _ := other.(map[string]any)
				return equal(i["issuer"], given["issuer"]) && equal(i["issuerAssignedId"], given["issuerAssignedId"])
			}
			if o.ID != self && o.Deleted.IsZero() && slices.ContainsFunc(theirs, same) {
				return o.ID
			}
		}
	}
	return ""
}
