package jumpcloudtest

import (
	"net/http"
	"regexp"
	"slices"

	"entrasync/shared/directory"
)

// The methods of this file do what an administrator does in the portal, with the
// same rules and events as the API. Their errors are *Refusal.

// do makes a change for an administrator in the portal.
func (s *Simulator) do(change func(*tx) error) error { return s.change(byPortal, change) }

// one makes a change to the user with the id.
func (s *Simulator) one(id string, change func(*tx, string) (Fields, error)) error {
	return s.do(func(tx *tx) error {
		_, err := change(tx, id)
		return err
	})
}

// CreateUser adds a user and returns its id. The fields are those of POST
// /systemusers; username and email are required.
func (s *Simulator) CreateUser(fields Fields) (id string, err error) {
	err = s.do(func(tx *tx) error {
		id = tx.newID()
		return tx.addUser(id, fields)
	})
	return id, err
}

// objectID is the form of JumpCloud's ids.
var objectID = regexp.MustCompile(`^[0-9a-f]{24}$`)

// CreateUserAs adds a user with a given id, such as one from a recorded event; 24 hex
// digits that no user has yet.
func (s *Simulator) CreateUserAs(id string, fields Fields) error {
	return s.do(func(tx *tx) error {
		if !objectID.MatchString(id) || tx.s.store.get(kindUser, id) != nil {
			return refuse(http.StatusBadRequest, "%s is not a free id", id)
		}
		return tx.addUser(id, fields)
	})
}

// addUser checks the fields as the API would and adds the user.
func (tx *tx) addUser(id string, fields Fields) error {
	fields = copyOf(fields)
	if err := tx.s.schemas.checkUser("systemuserputpost", fields); err != nil {
		return err
	}
	_, err := tx.createUser(id, fields, sourceManual, false)
	return err
}

// UpdateUser changes the fields named, which are those of PUT /systemusers.
func (s *Simulator) UpdateUser(id string, fields Fields) error {
	fields = copyOf(fields)
	if err := s.schemas.checkUser("systemuserput", fields); err != nil {
		return err
	}
	return s.one(id, func(tx *tx, id string) (Fields, error) { return tx.updateUser(id, fields, false) })
}

// SuspendUser suspends a user.
func (s *Simulator) SuspendUser(id string) error { return s.one(id, (*tx).suspend) }

// ActivateUser activates a staged user or brings a suspended one back.
func (s *Simulator) ActivateUser(id string) error {
	return s.one(id, func(tx *tx, id string) (Fields, error) {
		return tx.alter(id, func(user Fields) error { return setState(user, nil, directory.Activated) })
	})
}

// LockUser locks a user, as too many failed sign-ins do.
func (s *Simulator) LockUser(id string) error {
	return s.one(id, func(tx *tx, id string) (Fields, error) {
		return tx.alter(id, func(user Fields) error {
			lock(user, true, tx.now)
			return nil
		})
	})
}

// UnlockUser ends the lock.
func (s *Simulator) UnlockUser(id string) error { return s.one(id, (*tx).unlock) }

// ExpirePassword ends the validity of the user's password.
func (s *Simulator) ExpirePassword(id string) error { return s.one(id, (*tx).expire) }

// SetPassword gives a user a new password. It is kept nowhere.
func (s *Simulator) SetPassword(id, password string) error {
	return s.do(func(tx *tx) error { return tx.setPassword(id, password) })
}

// DeleteUser deletes a user; the users who report to it have no manager afterwards.
func (s *Simulator) DeleteUser(id string) error {
	return s.one(id, func(tx *tx, id string) (Fields, error) { return tx.deleteUser(id, true) })
}

// CreateGroup adds a user group and returns its id.
func (s *Simulator) CreateGroup(name string) (id string, err error) {
	err = s.do(func(tx *tx) error {
		group, err := tx.saveGroup("", Fields{"name": name})
		id = group.Text("id")
		return err
	})
	return id, err
}

// RenameGroup gives a user group another name.
func (s *Simulator) RenameGroup(id, name string) error {
	return s.one(id, func(tx *tx, id string) (Fields, error) { return tx.saveGroup(id, Fields{"name": name}) })
}

// DeleteGroup deletes a user group.
func (s *Simulator) DeleteGroup(id string) error {
	return s.do(func(tx *tx) error { return tx.deleteGroup(id) })
}

// CreateDirectory adds a Microsoft 365 directory and returns its id.
func (s *Simulator) CreateDirectory(name string) (id string, err error) {
	err = s.do(func(tx *tx) (err error) {
		id, err = tx.createDirectory(name)
		return err
	})
	return id, err
}

// CreateApplication adds an application and returns its id.
func (s *Simulator) CreateApplication(name string) (id string, err error) {
	err = s.do(func(tx *tx) (err error) {
		id, err = tx.createApplication(name)
		return err
	})
	return id, err
}

// Associate connects a user or user group with a directory or application.
func (s *Simulator) Associate(id, target string) error { return s.associate("add", id, target) }

// Dissociate ends a connection.
func (s *Simulator) Dissociate(id, target string) error { return s.associate("remove", id, target) }

func (s *Simulator) associate(op, id, target string) error {
	return s.do(func(tx *tx) error {
		from, err := tx.find(id, kindUser, kindGroup)
		if err != nil {
			return err
		}
		to, err := tx.find(target, kindDirectory, kindApplication)
		if err != nil {
			return err
		}
		return tx.operate(op, from, to)
	})
}

// find is the object with the id, of one of the kinds.
func (tx *tx) find(id string, kinds ...kind) (node, error) {
	for _, k := range kinds {
		if tx.get(k, id) != nil {
			return node{string(k), id}, nil
		}
	}
	return node{}, notFound("object", id)
}

// SetImportable sets the accounts that a directory's Microsoft tenant lists for an
// import: objects with id, userPrincipalName, givenName and surname. The journal does
// not keep them.
func (s *Simulator) SetImportable(directory string, accounts []Fields) {
	copies := make([]Fields, 0, len(accounts))
	for _, account := range accounts {
		copies = append(copies, copyOf(account))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.imports[directory] = copies
}

// Emit emits any Directory Insights event, such as one of JumpCloud's own provisioning:
// fields replace or add to the fields of every event.
func (s *Simulator) Emit(eventType string, fields Fields) error {
	fields = copyOf(fields)
	return s.do(func(tx *tx) error {
		tx.emit(eventType, fields)
		return nil
	})
}

// Users are all users in order of their ids.
func (s *Simulator) Users() []Fields { return copies(s.objects(kindUser)) }

// Rules returns all rules that send events.
func (s *Simulator) Rules() []Fields { return copies(s.objects(kindRule)) }

// User is one user.
func (s *Simulator) User(id string) (user Fields, found bool) {
	stored := s.object(kindUser, id)
	return copyOf(stored), stored != nil
}

// Groups are all user groups in order of their ids.
func (s *Simulator) Groups() []Fields { return copies(s.objects(kindGroup)) }

// Events are all events of the feed, visible or not yet, oldest first.
func (s *Simulator) Events() []Fields {
	s.mu.Lock()
	var events []Fields
	for _, event := range s.feed {
		events = append(events, event.fields)
	}
	s.mu.Unlock()
	return copies(events)
}

func copies(stored []Fields) []Fields {
	list := make([]Fields, len(stored))
	for i := range stored {
		list[i] = copyOf(stored[i])
	}
	return list
}

// Counters counts what has happened so far.
func (s *Simulator) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	counters := s.counters
	counters.ByRoute = map[string]int{}
	for route, count := range s.counters.ByRoute {
		counters.ByRoute[route] = count
	}
	return counters
}

// Deliveries are the latest notifications, at least the last 1,000, oldest first.
func (s *Simulator) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Delivery
	for _, d := range s.sender.done {
		copied := *d
		copied.body = slices.Clone(d.body)
		list = append(list, copied)
	}
	return list
}

// Body is the body of the notification as it was sent.
func (d Delivery) Body() []byte { return slices.Clone(d.body) }
