package store

import (
	"context"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// CredentialNotice says that people were warned of the end of a credential.
type CredentialNotice struct {
	// Organization is whose credential it is; "" for that of the deployment.
	Organization directory.OrganizationID `json:"organizationId,omitempty"`
	ExpiresAt    time.Time                `json:"expiresAt"`
	Days         string                   `json:"days"` // within how many days it ends: 30, 7 or 0
	At           time.Time                `json:"at"`   // when people were last warned
}

// noticeKept is how long a notice stays. The notice of a credential that was replaced is
// of no use.
const noticeKept = 40 * 24 * time.Hour

// credentialCheck says when the ends of all credentials were last compared with the time.
type credentialCheck struct {
	At time.Time `json:"at"`
}

// credentialCheckKey is the key of the last check.
var credentialCheckKey = Key{PK: credentialPart, SK: join(credentialPart, sweepPart)}

// credentialNoticeKey is the key of the notice of an organization, or of the deployment.
func credentialNoticeKey(organization directory.OrganizationID) Key {
	if organization == "" {
		return Key{PK: credentialPart, SK: credentialPart}
	}
	return Key{PK: organizationPK(organization), SK: credentialPart}
}

// CredentialNotice reads the last notice; NotFound if there is none.
func (s *Store) CredentialNotice(ctx context.Context, organization directory.OrganizationID) (CredentialNotice, error) {
	n, _, err := get[CredentialNotice](ctx, s, credentialNoticeKey(organization))
	return n, err
}

// PutCredentialNotice stores a notice in the place of the last one.
func (s *Store) PutCredentialNotice(ctx context.Context, n CredentialNotice) error {
	item, err := encode(credentialNoticeKey(n.Organization), n)
	if err != nil {
		return err
	}
	item.Expires = n.At.Add(noticeKept).Unix()
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// TakeCredentialCheck reports whether the credentials are to be checked now, because the
// last check is at least a time ago and nobody else takes this one.
func (s *Store) TakeCredentialCheck(ctx context.Context, now time.Time, every time.Duration) (bool, error) {
	last, version, err := get[credentialCheck](ctx, s, credentialCheckKey)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return false, err
	}
	if now.Sub(last.At) < every {
		return false, nil
	}
	item, err := encode(credentialCheckKey, credentialCheck{now})
	if err != nil {
		return false, err
	}
	_, err = s.table.Put(ctx, item, IfVersion(version))
	if fault.Is(err, fault.Changed) {
		return false, nil
	}
	return err == nil, err
}
