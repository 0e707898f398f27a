package jumpcloudtest

import (
	"net/http"
	"slices"
)

// translations are the attribute mappings of the directory in the path.
func (s *Simulator) translations(r *request) ([]Fields, error) {
	directory := r.PathValue("office365_id")
	if s.shownObject(kindDirectory, directory) == nil {
		return nil, notFound("directory", directory)
	}
	return slices.DeleteFunc(s.shownObjects(kindTranslation), func(rule Fields) bool { return rule["directory"] != directory }), nil
}

// shown is a mapping without the fields that the API does not return.
func shown(rule Fields) Fields {
	return Fields{"id": rule["id"], "builtIn": rule["builtIn"], "direction": rule["direction"]}
}

func (s *Simulator) listTranslations(r *request) (reply, error) {
	rules, err := s.translations(r)
	if err != nil {
		return reply{}, err
	}
	for i := range rules {
		rules[i] = shown(rules[i])
	}
	return list(r, rules)
}

func (s *Simulator) getTranslation(r *request) (reply, error) {
	rules, err := s.translations(r)
	if err != nil {
		return reply{}, err
	}
	for _, rule := range rules {
		if rule.Text("id") == r.PathValue("id") {
			return ok(shown(rule))
		}
	}
	return reply{}, notFound("translation rule", r.PathValue("id"))
}

// postTranslation adds a mapping; the schema of the body lists the possible ones.
func (s *Simulator) postTranslation(r *request) (reply, error) {
	var rule Fields
	err := s.change(byAPI, func(tx *tx) error {
		directory, err := tx.directoryOf(r)
		if err != nil {
			return err
		}
		name := r.fields().Text("builtIn")
		if name == "" {
			return refuse(http.StatusBadRequest, "builtIn is required")
		}
		for _, other := range tx.s.store.all(kindTranslation) {
			if other["directory"] == directory["id"] && other.Text("builtIn") == name {
				return refuse(http.StatusConflict, textAlreadyExists)
			}
		}
		rule = Fields{"id": tx.newID(), "builtIn": name, "direction": "export", "directory": directory["id"]}
		tx.put(kindTranslation, rule.Text("id"), rule)
		tx.emitNamed("integrationattribute_include", directory.Text("id"), string(kindDirectory), directory.Text("name"), nil)
		return nil
	})
	return reply{status: http.StatusCreated, body: shown(rule)}, err
}

func (s *Simulator) removeTranslation(r *request) (reply, error) {
	err := s.change(byAPI, func(tx *tx) error {
		directory, err := tx.directoryOf(r)
		if err != nil {
			return err
		}
		id := r.PathValue("id")
		if rule := tx.get(kindTranslation, id); rule == nil || rule["directory"] != directory["id"] {
			return notFound("translation rule", id)
		}
		tx.put(kindTranslation, id, nil)
		tx.emitNamed("integrationattribute_exclude", directory.Text("id"), string(kindDirectory), directory.Text("name"), nil)
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return noContent()
}
