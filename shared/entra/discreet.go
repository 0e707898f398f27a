package entra

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"entrasync/shared/redact"
)

// passwordForm finds the passwords in a body that we send.
var passwordForm = regexp.MustCompile(`"password"\s*:\s*("(?:[^"\\]|\\.)*")`)

// secretsIn knows what is secret in a request: the token and the passwords. Graph,
// or what is in front of it, may repeat what it was sent, and what it says of a
// refusal is shown.
func secretsIn(r *http.Request, content []byte) redact.Redactor {
	secrets := []string{strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	for _, found := range passwordForm.FindAllSubmatch(content, -1) {
		var password string
		if json.Unmarshal(found[1], &password) == nil {
			secrets = append(secrets, password)
		}
	}
	return redact.New(secrets...)
}

// discreet is an answer as it may be read: without what is secret in the request,
// where it refuses something. Of other answers nothing is shown.
func discreet(status int, answer []byte, secrets func() redact.Redactor) []byte {
	if status < http.StatusBadRequest && !bytes.Contains(answer, []byte(`"error"`)) {
		return answer
	}
	return []byte(secrets().Known(string(answer)))
}
