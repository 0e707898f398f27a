package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// secretHeader is the custom header in which a channel may send the secret
// instead of Authorization.
const secretHeader = "x-entrasync-token"

// authorized reports whether the request has one of the secrets. A JumpCloud channel
// can send it as a bearer token, as the password of basic authentication with any user
// name, or in a custom header. Every secret is compared, in constant time.
func authorized(headers map[string]string, tokens []string) bool {
	var presented []string
	for name, value := range headers {
		switch {
		case strings.EqualFold(name, "authorization"):
			presented = append(presented, credential(value))
		case strings.EqualFold(name, secretHeader):
			presented = append(presented, value)
		}
	}
	match := 0
	for _, p := range presented {
		for _, token := range tokens {
			got, want := sha256.Sum256([]byte(p)), sha256.Sum256([]byte(token))
			same := subtle.ConstantTimeCompare(got[:], want[:])
			if p == "" || token == "" {
				same = 0
			}
			match |= same
		}
	}
	return match == 1
}

// credential returns the secret in an Authorization header, "" if there is none or it
// cannot be read. API Gateway joins the values of a header that is sent twice with a
// comma; such a value matches no secret.
func credential(header string) string {
	scheme, value, _ := strings.Cut(strings.TrimSpace(header), " ")
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return value
	case strings.EqualFold(scheme, "Basic"):
		pair, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return ""
		}
		_, password, _ := strings.Cut(string(pair), ":")
		return password
	default:
		return ""
	}
}
