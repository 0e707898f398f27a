package s3results_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"entrasync/shared/aws/awstest"
	"entrasync/shared/aws/s3results"
	"entrasync/shared/fault"
	"entrasync/shared/results/resultstest"
)

// bucket makes a bucket for this test alone.
func bucket(t *testing.T) (client *s3.Client, name string) {
	t.Helper()
	client, name = awstest.S3(t), strings.ToLower(awstest.Name("results"))
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return client, name
}

func TestStore(t *testing.T) {
	client, name := bucket(t)
	resultstest.TestStore(t, s3results.New(client, name), "imports")
}

// The URL is valid for as long as was asked, and a browser needs to send no header of its
// own with it.
func TestTheLinkIsPlain(t *testing.T) {
	client := s3.NewFromConfig(awstest.Config("https://s3.example.com"))
	link, err := s3results.New(client, "bucket").Link(t.Context(), "imports/1/results.csv", "a.csv", 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("X-Amz-SignedHeaders"); got != "host" {
		t.Errorf("got signed headers %q, want host alone", got)
	}
	if got := u.Query().Get("X-Amz-Expires"); got != "900" {
		t.Errorf("got a life of %q seconds, want 900", got)
	}
	if u.Host != "bucket.s3.example.com" || u.Path != "/imports/1/results.csv" {
		t.Errorf("got %s%s, want the object in the bucket", u.Host, u.Path)
	}
}

// service answers in a way that the test server never does, and records the requests.
type service struct {
	status func(operation string) int
	code   string

	mu   sync.Mutex
	seen []string
}

// Do implements aws.HTTPClient.
func (s *service) Do(r *http.Request) (*http.Response, error) {
	operation := r.Method
	for _, each := range []string{"uploads", "partNumber", "uploadId"} {
		if r.URL.Query().Has(each) {
			operation += " " + each
			break
		}
	}
	s.mu.Lock()
	s.seen = append(s.seen, operation)
	s.mu.Unlock()
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	status, body := s.status(operation), "<Error><Code>"+s.code+"</Code></Error>"
	if status/100 == 2 {
		body = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Etag": {`"e"`}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (s *service) store() *s3results.Store {
	config := awstest.Config("http://s3.invalid")
	config.HTTPClient = s
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return s3results.New(s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }), "bucket")
}

func TestRefusals(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		kind   fault.Kind
	}{
		"SlowDown":      {503, fault.Throttled},
		"AccessDenied":  {403, fault.Internal},
		"NoSuchBucket":  {404, fault.Internal},
		"ExpiredToken":  {400, fault.Transient},
		"InternalError": {500, fault.Transient},
	} {
		for _, size := range []int{1, 6 << 20} {
			s := &service{status: func(string) int { return want.status }, code: code}
			err := s.store().Put(t.Context(), "a", "text/csv", strings.NewReader(strings.Repeat("x", size)))
			if !fault.Is(err, want.kind) {
				t.Errorf("%s with %d bytes: got %v, want kind %s", code, size, err, want.kind)
			}
		}
	}
}

// What was uploaded of a file that fails is removed, since nobody would see it and AWS
// charges for it.
func TestAFailedUploadIsAborted(t *testing.T) {
	s := &service{code: "InternalError", status: func(operation string) int {
		if operation == "PUT partNumber" {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}}
	if err := s.store().Put(t.Context(), "a", "text/csv", strings.NewReader(strings.Repeat("x", 12<<20))); !fault.Is(err, fault.Transient) {
		t.Errorf("got %v, want kind %s", err, fault.Transient)
	}
	if !slices.Contains(s.seen, "DELETE uploadId") || slices.Contains(s.seen, "POST uploadId") {
		t.Errorf("got the requests %q, want the upload aborted and not completed", s.seen)
	}
}

// A file that fits into a part is one request, also if its reader gives it byte by byte.
func TestASmallFileIsOneRequest(t *testing.T) {
	s := &service{status: func(string) int { return http.StatusOK }}
	if err := s.store().Put(t.Context(), "a", "text/csv", iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 100_000)))); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.seen, []string{"PUT"}) {
		t.Errorf("got the requests %q, want one PUT", s.seen)
	}
}
