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

// Organizations knows the organizations that are served (store.Store).
type Organizations interface {
	// AllOrganizations lists them. One that was added a moment ago may be missing.
	AllOrganizations(ctx context.Context) ([]directory.Organization, error)
}

// served is the list of the organizations that are served, as it is stored: sorted.
type served struct {
	Organizations []directory.OrganizationID `json:"organizations"`
}

// maxServed is how many organizations fit on the list: a secret holds 65,536 bytes
// (Secrets Manager, quotas), an id with its quotation marks and comma is 27.
const maxServed = 2400

// How often the list is written when others write it at the same moment, and how
// long between. What was written may be seen a little later (Secrets Manager is
// eventually consistent).
const (
	listTries = 8
	listPause = 100 * time.Millisecond
)

// listing is what a process knows of its own work on the list. Its lock is held
// meanwhile.
type listing struct {
	mu       sync.Mutex
	complete bool      // all organizations of the table are on the list
	tried    time.Time // the last try that failed
}

// complete puts the organizations that the table knows on the list, once in a
// process: those whose tokens were kept before there was a list, or by an older
// version that was put back for a while. Failing is no harm: the webhook asks for
// tokens without it, and the next one tries again.
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

// enlist puts organizations and all that the table knows on the list. Nobody is
// ever taken off it. Of several that write at once each finds what the others wrote.
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

// addToList reads the list and writes it if somebody is missing. A list that was
// written meanwhile is an error with codeExists.
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

// joined is the list with the organizations that are not on it yet, as many as fit,
// and how many do not.
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

// list reads the list past every cache, and its version, which is "" if there is
// none. What is no list is written anew.
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

// after names the version that follows one. Secrets Manager takes one value under a
// name and refuses any other (PutSecretValue, ClientRequestToken), and keeps a
// version for a day at least; so of two that both read the same list and change it,
// one is told to read again.
func after(version string) *string {
	sum := sha256.Sum256([]byte("after " + version))
	return aws.String(hex.EncodeToString(sum[:]))
}
