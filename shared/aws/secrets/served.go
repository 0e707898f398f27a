package secrets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/rs/zerolog"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// Organizations lists the organizations that are served (store.Store).
type Organizations interface {
	// AllOrganizations may miss an organization that was added a moment ago.
	AllOrganizations(ctx context.Context) ([]directory.Organization, error)
}

// served is the list of the served organizations as it is stored: sorted.
type served struct {
	Organizations []directory.OrganizationID `json:"organizations"`
}

// maxServed is how many organizations fit on the list: a secret has at most 65,536 bytes
// (Secrets Manager, quotas), and an id with its quotation marks and comma 27.
const maxServed = 2400

// How many times writing the list is tried when other processes write it too, and the
// pause between. A read may see a write a little later (Secrets Manager is eventually
// consistent).
const (
	listTries = 8
	listPause = 100 * time.Millisecond
)

// listing is how far this process is with completing the list. The lock is held while
// the list is completed.
type listing struct {
	mu       sync.Mutex
	complete bool      // all organizations in the table are on the list
	tried    time.Time // the last try that failed
}

// complete puts the organizations of the table on the list, once in a process. They may
// be missing on it if their tokens were stored before there was a list, or by an older
// version after a rollback. A failure does no harm: the webhook reads tokens without
// the list, and a later call tries again.
func (k Keeper) complete(ctx context.Context) {
	k.listing.mu.Lock()
	defer k.listing.mu.Unlock()
	if k.listing.complete || time.Since(k.listing.tried) < retryAfter {
		return
	}
	if err := k.enlist(ctx, "secrets.complete"); err != nil {
		k.listing.tried = time.Now()
		zerolog.Ctx(ctx).Warn().Err(err).Msg("the list of the organizations that are served cannot be written yet; until then strangers who call the webhook with made-up organizations can keep others out")
		return
	}
	k.listing.complete = true
}

// enlist puts the given organizations and all of the table on the list. No organization
// is ever removed from it. Concurrent writers do not lose each other's changes.
func (k Keeper) enlist(ctx context.Context, op string, ids ...directory.OrganizationID) error {
	all, err := k.records.AllOrganizations(ctx)
	if err != nil {
		return fault.Wrap(err, fault.Transient, op)
	}
	for _, o := range all {
		ids = append(ids, o.ID)
	}
	for try := range listTries {
		if try > 0 {
			select {
			case <-time.After(listPause):
			case <-ctx.Done():
				return fault.Wrap(ctx.Err(), fault.Transient, op)
			}
		}
		if err = k.addToList(ctx, op, ids); !awsfault.Is(err, codeExists) {
			break
		}
	}
	switch {
	case awsfault.Is(err, codeExists):
		return &fault.Error{Op: op, Kind: fault.Conflict, Subject: k.fullName(servedList), Err: err,
			Message: "others write the secret " + k.fullName(servedList) + " at the same moment, or its current version is an older one; try again, and if that does not help write its value anew in Secrets Manager"}
	case awsfault.Is(err, codeLimit):
		zerolog.Ctx(ctx).Warn().Err(err).Str("secret", k.fullName(servedList)).
			Msg("Secrets Manager takes no more versions of the list of the organizations that are served today; those that were added last are put on it later")
		return nil
	default:
		return err
	}
}

// addToList reads the list and writes it if an organization is missing. It returns an
// error with codeExists if another process wrote the list meanwhile.
func (k Keeper) addToList(ctx context.Context, op string, ids []directory.OrganizationID) error {
	listed, version, err := k.list(ctx, op)
	if err != nil {
		return err
	}
	want, left := joined(listed, ids)
	if left > 0 {
		zerolog.Ctx(ctx).Warn().Int("listed", len(want)).Int("left", left).
			Msg("not all organizations that are served fit on their list; strangers who call the webhook with made-up organizations can keep the others out")
	}
	if len(want) == len(listed) {
		return nil
	}
	text, err := json.Marshal(served{want})
	if err != nil {
		return fault.Wrap(err, fault.Internal, op)
	}
	name, value := k.fullName(servedList), string(text)
	if version == "" {
		return k.create(ctx, op, name, value, ofAll)
	}
	_, err = k.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &value, ClientRequestToken: after(version)})
	return unwritten(ctx, err, op, name)
}

// joined returns the list with the missing organizations, as many as fit, and how many
// do not fit.
func joined(list, ids []directory.OrganizationID) (want []directory.OrganizationID, left int) {
	on := map[directory.OrganizationID]bool{}
	for _, id := range list {
		on[id] = true
	}
	want = slices.Clone(list)
	for _, id := range ids {
		switch {
		case on[id]:
		case len(want) < maxServed:
			want = append(want, id)
		default:
			left++
		}
		on[id] = true
	}
	slices.Sort(want)
	return want, left
}

// list reads the list and its version without a cache. The version is "" if there is no
// list. A value that is not a list counts as an empty list.
func (k Keeper) list(ctx context.Context, op string) ([]directory.OrganizationID, string, error) {
	name := k.fullName(servedList)
	answer, err := k.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if awsfault.Is(err, codeNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", unwritten(ctx, err, op, name)
	}
	var s served
	if json.Unmarshal([]byte(aws.ToString(answer.SecretString)), &s) != nil {
		s = served{}
	}
	return s.Organizations, aws.ToString(answer.VersionId), nil
}

// after names the version that follows a version. Secrets Manager accepts only one value
// for each version name and refuses another (PutSecretValue, ClientRequestToken), and
// keeps a version for at least a day. So if two processes read the same list and change
// it, the second write is refused and its process reads the list again.
func after(version string) *string {
	sum := sha256.Sum256([]byte("after " + version))
	return aws.String(hex.EncodeToString(sum[:]))
}
