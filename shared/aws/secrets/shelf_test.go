package secrets_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"entrasync/shared/aws/awsfault"
)

// shelf is a Secrets Manager in memory that records its reads. The name of a version is
// the token of the request that made it. A version does not change: a request with the
// same token and another value fails (PutSecretValue, ClientRequestToken).
type shelf struct {
	mu      sync.Mutex
	secrets map[string]string            // the current values
	current map[string]string            // the current versions
	values  map[string]map[string]string // the values of all versions
	reads   []string                     // the names of the secrets that were read
	refuse  func(operation, name string) (code string)
	written int
}

func newShelf() *shelf {
	return &shelf{secrets: map[string]string{}, current: map[string]string{}, values: map[string]map[string]string{}}
}

// client is a client of the shelf.
func (s *shelf) client() *secretsmanager.Client { return clientOf(s) }

// Do implements aws.HTTPClient.
func (s *shelf) Do(r *http.Request) (*http.Response, error) {
	var in struct{ Name, SecretID, SecretString, ClientRequestToken string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	name := in.Name + in.SecretID
	s.mu.Lock()
	defer s.mu.Unlock()
	if operation == "GetSecretValue" {
		s.reads = append(s.reads, name)
	}
	code := s.refusal(operation, name, in.ClientRequestToken, in.SecretString)
	status, body := http.StatusBadRequest, map[string]string{"__type": code}
	if code == "" {
		if operation != "GetSecretValue" {
			s.written++
			s.keep(name, in.ClientRequestToken, in.SecretString)
		}
		status, body = http.StatusOK, map[string]string{"SecretString": s.secrets[name], "VersionId": s.current[name]}
	}
	text, err := json.Marshal(body)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, err
}

// refusal is the error code of a request, "" for none.
func (s *shelf) refusal(operation, name, token, value string) string {
	if s.refuse != nil {
		if code := s.refuse(operation, name); code != "" {
			return code
		}
	}
	_, known := s.secrets[name]
	before, used := s.values[name][token]
	switch {
	case operation == "CreateSecret" && known:
		return "ResourceExistsException"
	case operation != "CreateSecret" && !known:
		return "ResourceNotFoundException"
	case operation == "PutSecretValue" && used && before != value:
		return "ResourceExistsException"
	default:
		return ""
	}
}

// keep stores a value as the current one.
func (s *shelf) keep(name, token, value string) {
	if s.values[name] == nil {
		s.values[name] = map[string]string{}
	}
	s.secrets[name], s.current[name], s.values[name][token] = value, token, value
}

// put stores a value as another process does.
func (s *shelf) put(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(name, fmt.Sprintf("%032d", len(s.values[name])), value)
}

// value is the value of a secret, "" if there is none.
func (s *shelf) value(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secrets[name]
}

// refusing makes requests fail with the code that refuse returns for them; "" is no failure.
func (s *shelf) refusing(refuse func(operation, name string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// calls is the number of reads since the last call.
func (s *shelf) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.reads)
	s.reads = nil
	return n
}

// A version of a secret does not change, neither here nor on the server.
func TestVersionsDoNotChange(t *testing.T) {
	server, prefix := open(t)
	for where, client := range map[string]*secretsmanager.Client{"in memory": newShelf().client(), "on the server": server} {
		t.Run(where, func(t *testing.T) {
			name, first, second := prefix+"/name", strings.Repeat("1", 64), strings.Repeat("2", 64)
			create(t, client, name, "one")
			put := func(token, value string) error {
				_, err := client.PutSecretValue(bg, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &value, ClientRequestToken: &token})
				return err
			}
			for _, step := range []struct {
				token, value string
				refused      bool
				want         string
			}{
				{first, "two", false, "two"},
				{first, "two", false, "two"},
				{first, "another two", true, "two"},
				{second, "three", false, "three"},
				{first, "another two", true, "three"},
			} {
				if err := put(step.token, step.value); awsfault.Is(err, "ResourceExistsException") != step.refused || !step.refused && err != nil {
					t.Errorf("%+v: got %v", step, err)
				}
				got, err := client.GetSecretValue(bg, &secretsmanager.GetSecretValueInput{SecretId: &name})
				if err != nil || aws.ToString(got.SecretString) != step.want || !step.refused && aws.ToString(got.VersionId) != step.token {
					t.Errorf("after %+v: %+v, %v", step, got, err)
				}
			}
		})
	}
}

// meeting is a client of a shelf. It returns its first response only when all clients with
// the same everybody have theirs.
type meeting struct {
	*shelf
	everybody *sync.WaitGroup
	first     sync.Once
}

// Do implements aws.HTTPClient.
func (m *meeting) Do(r *http.Request) (*http.Response, error) {
	answer, err := m.shelf.Do(r)
	m.first.Do(func() {
		m.everybody.Done()
		m.everybody.Wait()
	})
	return answer, err
}
