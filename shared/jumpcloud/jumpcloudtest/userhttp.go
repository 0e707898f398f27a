package jumpcloudtest

import (
	"net/http"
	"slices"
	"strings"
)

// The sources of a user that decide its state (JumpCloud API documentation,
// creation-source).
const (
	sourceManual = "manual"
	sourceBulk   = "jumpcloud:bulk"
)

func (s *Simulator) userEndpoints() []endpoint {
	const one = "/systemusers/{id}"
	return []endpoint{
		{api: v1, method: http.MethodGet, path: "/systemusers", serve: s.listUsers},
		{api: v1, method: http.MethodPost, path: "/systemusers", serve: s.postUser},
		{api: v1, method: http.MethodGet, path: one, serve: s.getUser},
		{api: v1, method: http.MethodPut, path: one, serve: s.putUser},
		{api: v1, method: http.MethodDelete, path: one, serve: s.removeUser},
		{api: v1, method: http.MethodPost, path: one + "/state/activate", serve: s.userCall((*tx).activate), lenient: true},
		{api: v1, method: http.MethodPost, path: one + "/state/suspend", serve: s.userCall((*tx).suspend), nobodyIn: true},
		{api: v1, method: http.MethodPost, path: one + "/expire", serve: s.userCall((*tx).expire)},
		{api: v1, method: http.MethodPost, path: one + "/unlock", serve: s.userCall((*tx).unlock)},
		{api: v1, method: http.MethodPost, path: one + "/reactivate", serve: s.userCall((*tx).remind)},
		{api: v1, method: http.MethodPost, path: one + "/password", serve: s.postPassword},
		{api: v1, method: http.MethodPost, path: "/search/systemusers", serve: s.searchUsers,
			fields: []string{"filter", "searchFilter", "fields", "limit", "skip", "sort"}},
	}
}

// userID is the id in the path; a malformed one is refused as invalid, as is assumed of
// JumpCloud.
func userID(r *request) (string, error) {
	id := r.PathValue("id")
	if !isObjectID(id) {
		return "", refuse(http.StatusBadRequest, "the id is malformed")
	}
	return id, nil
}

func (s *Simulator) listUsers(r *request) (reply, error) {
	wanted, err := parseFilter(r)
	if err != nil {
		return reply{}, err
	}
	var users []Fields
	s.shown(func(store *store) { users = store.some(kindUser, wanted.candidates(store)) })
	if term := strings.ToLower(r.URL.Query().Get("search")); term != "" {
		users = slices.DeleteFunc(users, func(user Fields) bool {
			return !hasTerm(user, term, []string{"username", "email", "firstname", "lastname", "displayname"})
		})
	}
	return list(r, users)
}

func hasTerm(user Fields, term string, fields []string) bool {
	return slices.ContainsFunc(fields, func(name string) bool {
		return strings.Contains(strings.ToLower(textOf(lookup(user, name))), term)
	})
}

func (s *Simulator) getUser(r *request) (reply, error) {
	id, err := userID(r)
	if err != nil {
		return reply{}, err
	}
	user := s.shownObject(kindUser, id)
	if user == nil {
		return reply{}, notFound("user", id)
	}
	fields, err := r.chosen()
	if err != nil {
		return reply{}, err
	}
	return ok(only(user, fields))
}

func (s *Simulator) postUser(r *request) (reply, error) {
	var user Fields
	err := s.change(byAPI, func(tx *tx) (err error) {
		user, err = tx.createUser(tx.newID(), r.fields(), sourceManual, wantsDetails(r))
		return err
	})
	return reply{status: http.StatusOK, body: user}, err
}

func (s *Simulator) putUser(r *request) (reply, error) {
	id, err := userID(r)
	if err != nil {
		return reply{}, err
	}
	var user Fields
	err = s.change(byAPI, func(tx *tx) (err error) {
		user, err = tx.updateUser(id, r.fields(), wantsDetails(r))
		return err
	})
	return reply{status: http.StatusOK, body: user}, err
}

func wantsDetails(r *request) bool {
	return r.URL.Query().Get("fullValidationDetails") == "password"
}

func (s *Simulator) removeUser(r *request) (reply, error) {
	id, err := userID(r)
	if err != nil {
		return reply{}, err
	}
	var user Fields
	err = s.change(byAPI, func(tx *tx) (err error) {
		user, err = tx.deleteUser(id, r.URL.Query().Get("cascade_manager") == "null")
		return err
	})
	return reply{status: http.StatusOK, body: user}, err
}

// userCall serves a call that changes one user and answers only OK.
func (s *Simulator) userCall(do func(*tx, string) (Fields, error)) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		id, err := userID(r)
		if err != nil {
			return reply{}, err
		}
		err = s.change(byAPI, func(tx *tx) error {
			_, err := do(tx, id)
			return err
		})
		return reply{status: http.StatusOK, body: "OK"}, err
	}
}

// unlock clears the lock.
func (tx *tx) unlock(id string) (Fields, error) {
	return tx.alter(id, func(user Fields) error {
		lock(user, false, tx.now)
		return nil
	})
}

// remind sends the activation mail again; only its event is simulated.
func (tx *tx) remind(id string) (Fields, error) {
	user := tx.get(kindUser, id)
	if user == nil {
		return nil, notFound("user", id)
	}
	tx.emitUser("user_activation_email", user, nil)
	return user, nil
}

func (s *Simulator) postPassword(r *request) (reply, error) {
	id, err := userID(r)
	if err != nil {
		return reply{}, err
	}
	err = s.change(byAPI, func(tx *tx) error { return tx.setPassword(id, r.fields().Text("password")) })
	return reply{status: http.StatusOK, body: Fields{}}, err
}

// searchUsers is the list with its filter in the body: fields that must all be equal
// under and, and fields of which one must be equal under or.
func (s *Simulator) searchUsers(r *request) (reply, error) {
	body := r.fields()
	users := s.shownObjects(kindUser)
	term, fields, err := searchTerm(r, body["searchFilter"])
	if err != nil {
		return reply{}, err
	}
	wanted, err := searchFilter(r, body["filter"])
	if err != nil {
		return reply{}, err
	}
	users = slices.DeleteFunc(wanted.apply(users), func(user Fields) bool {
		return term != "" && !hasTerm(user, term, fields)
	})
	query := r.URL.Query()
	for _, name := range []string{"limit", "skip", "fields", "sort"} {
		if value := textOf(body[name]); value != "" {
			query.Set(name, value)
		}
	}
	r.URL.RawQuery = query.Encode()
	return list(r, users)
}

// searchTerm is the text of a search, in lower case, and the fields to search.
func searchTerm(r *request, given any) (term string, fields []string, err error) {
	search, _ := given.(map[string]any)
	for _, name := range fieldNames(search) {
		if name != "searchTerm" && name != "fields" {
			return "", nil, refuse(http.StatusBadRequest, "unknown field %q of searchFilter", name)
		}
	}
	fields = textList(search["fields"])
	for _, field := range fields {
		if err := r.mustKnow(field); err != nil {
			return "", nil, err
		}
	}
	return strings.ToLower(textOf(search["searchTerm"])), fields, nil
}

func searchFilter(r *request, given any) (filter, error) {
	var f filter
	parts, _ := given.(map[string]any)
	for joint, terms := range parts {
		elements, isList := terms.([]any)
		if !isList || joint != "and" && joint != "or" {
			return filter{}, refuse(http.StatusBadRequest, "a search filter is a list under and or or")
		}
		for _, element := range elements {
			equal, isObject := element.(map[string]any)
			if !isObject {
				return filter{}, refuse(http.StatusBadRequest, "a search filter is a list of fields with values")
			}
			for field, value := range equal {
				if err := r.mustKnow(field); err != nil {
					return filter{}, err
				}
				if !isPlain(value) {
					return filter{}, refuse(http.StatusBadRequest, "a search filter wants a text, a number, true or false for %s", field)
				}
				c := condition{field: field, op: "eq", values: []string{textOf(value)}}
				if joint == "or" {
					f.any = append(f.any, c)
				} else {
					f.all = append(f.all, c)
				}
			}
		}
	}
	return f, nil
}

// isPlain reports whether a value can be compared.
func isPlain(value any) bool {
	switch value.(type) {
	case string, bool, float64:
		return true
	}
	return false
}

// textList reads a list of texts.
func textList(value any) []string {
	var texts []string
	elements, _ := value.([]any)
	for _, element := range elements {
		if text, ok := element.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}
