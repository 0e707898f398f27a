package store

import (
	"context"
	"encoding/json"
	"reflect"
	"time"

	"github.com/google/uuid"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/plan"
)

// passwordKeyKey is the item key of the public key that seals passwords. The deployment
// has only one, so it belongs to no organization.
var passwordKeyKey = Key{PK: join(passwordPart, "key"), SK: "public"}

// PasswordKey reads the public key that seals passwords, a JSON Web Key; NotFound if
// none was published yet.
func (s *Store) PasswordKey(ctx context.Context) ([]byte, error) {
	key, _, err := get[json.RawMessage](ctx, s, passwordKeyKey)
	return key, missing(err, "key", "to seal passwords with")
}

// PublishPasswordKey stores the public key that seals passwords.
func (s *Store) PublishPasswordKey(ctx context.Context, key []byte) error {
	item, err := encode(passwordKeyKey, json.RawMessage(key))
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, Any)
	return err
}

// turnKey is the key of the turn to set a user's password.
func turnKey(organization directory.OrganizationID, user directory.UserID) Key {
	return Key{PK: userPK(organization, user), SK: passwordPart}
}

// turn is the record of the right to set a user's password.
type turn struct {
	Until time.Time `json:"until"`
	Taker string    `json:"taker"` // a random id, different for every turn
}

// TakePasswordTurn gives the caller the only right to set a user's password, until a
// time at most; Conflict while another caller has it. Without turns, if two passwords
// are set at once, JumpCloud could keep the one and Entra the other.
func (s *Store) TakePasswordTurn(ctx context.Context, organization directory.OrganizationID, user directory.UserID, until time.Time) error {
	item, err := encode(turnKey(organization, user), turn{Until: until, Taker: uuid.NewString()})
	if err != nil {
		return err
	}
	item.Expires = until.Unix()
	if err = s.add(ctx, item); fault.Is(err, fault.Changed) {
		return &fault.Error{Op: "store.take password turn", Kind: fault.Conflict, Subject: string(user), Message: "another password of this user is being set just now: try again in a minute"}
	}
	return err
}

// EndPasswordTurn ends the turn, so that the next caller can set the user's password.
func (s *Store) EndPasswordTurn(ctx context.Context, organization directory.OrganizationID, user directory.UserID) error {
	return s.table.Delete(ctx, turnKey(organization, user), Any)
}

// ActionVersion reads one action with the version of its item, for
// [Store.ChangeAction]; NotFound if there is none.
func (s *Store) ActionVersion(ctx context.Context, organization directory.OrganizationID, id string) (plan.Action, int64, error) {
	a, version, err := get[plan.Action](ctx, s, Key{PK: join(organizationPart, string(organization), actionPart), SK: id})
	return a, version, missing(err, "action", id)
}

// ChangeAction writes an action if nobody changed it since it was read; Changed
// otherwise.
func (s *Store) ChangeAction(ctx context.Context, a plan.Action, version int64) error {
	item, err := actionItem(a)
	if err != nil {
		return err
	}
	_, err = s.table.Put(ctx, item, IfVersion(version))
	return err
}

// ChangeLink reads a link, changes it and writes it with [Contended]. It writes nothing
// if the link stays equal; NotFound if there is no such link.
func (s *Store) ChangeLink(ctx context.Context, id directory.ID, user directory.UserID, change func(directory.Link) directory.Link) error {
	return changeRecord(ctx, s, linkKey(id, user), string(user), change, linkItem)
}

// changeGroupLink is ChangeLink for the link of a group.
func (s *Store) changeGroupLink(ctx context.Context, id directory.ID, group directory.GroupID, change func(directory.GroupLink) directory.GroupLink) error {
	return changeRecord(ctx, s, groupLinkKey(id, group), string(group), change, groupLinkItem)
}

// changeRecord reads a link, changes it and writes it with [Contended], unless it stays
// equal.
func changeRecord[L any](ctx context.Context, s *Store, key Key, of string, change func(L) L, itemOf func(L) (Item, error)) error {
	return Contended(ctx, func() error {
		before, version, err := get[L](ctx, s, key)
		if err != nil {
			return missing(err, "link", of)
		}
		after := change(before)
		if reflect.DeepEqual(before, after) {
			return nil
		}
		item, err := itemOf(after)
		if err != nil {
			return err
		}
		_, err = s.table.Put(ctx, item, IfVersion(version))
		return err
	})
}
