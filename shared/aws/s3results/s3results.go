// Package s3results is the store of result files in a bucket of Amazon S3.
//
// Encryption, access and the removal after 30 days are the bucket's: this package only
// puts objects and signs URLs for them. Putting needs s3:PutObject and
// s3:AbortMultipartUpload on the bucket's objects. A URL allows what the role that signed it
// allows, so that signing needs s3:GetObject. A rule of the bucket should abort uploads that
// were not completed, which a function that was killed leaves behind.
package s3results

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/results"
)

// partSize is how much of a file is in memory, about four times. A file that is smaller
// is one request, and a larger one is uploaded in parts of this size, the smallest that
// S3 allows. The results of 100,000 users are about 20 MB, and the reader makes them page
// by page: nothing is written to /tmp, whose size Lambda charges for.
const partSize = 5 << 20

// abortLimit is how long the removal of the parts of a failed upload may take, also after
// the context has ended.
const abortLimit = 5 * time.Second

// Store implements results.Store. It is safe for concurrent use.
type Store struct {
	Links
	uploads *transfermanager.Client
}

// Open makes a store of the objects in a bucket of the configuration's region.
func Open(c aws.Config, bucket string) *Store { return New(s3.NewFromConfig(c), bucket) }

// New makes a store that uses a client.
func New(client *s3.Client, bucket string) *Store {
	return &Store{
		uploads: transfermanager.New(client, func(o *transfermanager.Options) {
			o.PartSizeBytes, o.MultipartUploadThreshold = partSize, partSize
			o.Concurrency = 1 // the reader is slower than one upload
			o.FailTimeout = abortLimit
		}),
		Links: Links{signing: s3.NewPresignClient(client), bucket: bucket},
	}
}

// Links implements results.Linker, for a program that uploads no files. It is safe for
// concurrent use.
type Links struct {
	signing *s3.PresignClient
	bucket  string
}

// OpenLinks makes the links to the objects in a bucket of the configuration's region.
func OpenLinks(c aws.Config, bucket string) Links {
	return Links{signing: s3.NewPresignClient(s3.NewFromConfig(c)), bucket: bucket}
}

// Put implements results.Store. The object is there when its last part is, and until then
// the one before.
func (s *Store) Put(ctx context.Context, name, contentType string, content io.Reader) error {
	if err := results.CheckName(name); err != nil {
		return err
	}
	_, err := s.uploads.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: &s.bucket, Key: &name, ContentType: &contentType, Body: content,
	})
	return awsfault.Of(ctx, err, "s3results.put")
}

// Link implements results.Linker. The signature is computed here, without a request.
func (l Links) Link(ctx context.Context, name, saveAs string, life time.Duration) (string, error) {
	if err := results.CheckLink(name, life); err != nil {
		return "", err
	}
	signed, err := l.signing.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &l.bucket, Key: &name, ResponseContentDisposition: aws.String(results.Disposition(saveAs)),
	}, s3.WithPresignExpires(life))
	if err != nil {
		return "", awsfault.Of(ctx, err, "s3results.link")
	}
	return signed.URL, nil
}
