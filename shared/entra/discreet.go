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

// secretsIn knows the secrets in a request: the token and the passwords. Graph, or a
// proxy in front of it, may repeat what it was sent, and the text of a refusal is shown
// to people.
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

// discreet removes the secrets of the request from an answer that refuses something.
// Other answers are never shown, and stay as they are.
func discreet(status int, answer []byte, secrets func() redact.Redactor) []byte {
	if status < http.StatusBadRequest && !bytes.Contains(answer, []byte(`"error"`)) {
		return answer
	}
	return []byte(secrets().Known(string(answer)))
}
