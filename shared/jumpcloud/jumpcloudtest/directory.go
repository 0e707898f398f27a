package jumpcloudtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *Simulator) directoryEndpoints() []endpoint {
	const one = "/office365s/{office365_id}"
	return []endpoint{
		{api: v2, method: http.MethodGet, path: "/directories", serve: s.listDirectories},
		{api: v2, method: http.MethodGet, path: one, serve: s.getDirectory},
		{api: v2, method: http.MethodPatch, path: one, serve: s.patchDirectory},
		{api: v2, method: http.MethodGet, path: one + "/domains", serve: s.listDomains},
		{api: v2, method: http.MethodPost, path: one + "/domains", serve: s.postDomain},
		{api: v2, method: http.MethodDelete, path: one + "/domains/{domain_id}", serve: s.removeDomain},
		{api: v2, method: http.MethodGet, path: one + "/translationrules", serve: s.listTranslations},
		{api: v2, method: http.MethodPost, path: one + "/translationrules", serve: s.postTranslation},
		{api: v2, method: http.MethodGet, path: one + "/translationrules/{id}", serve: s.getTranslation},
		{api: v2, method: http.MethodDelete, path: one + "/translationrules/{id}", serve: s.removeTranslation},
		{api: v2, method: http.MethodGet, path: one + "/import/users", serve: s.listImportable},
	}
}

// createDirectory adds a Microsoft 365 directory. In JumpCloud only the consent of an
// administrator does this.
func (tx *tx) createDirectory(name string) (string, error) {
	if name == "" {
		return "", refuse(http.StatusBadRequest, "name is required")
	}
	id := tx.newID()
	tx.put(kindDirectory, id, Fields{"id": id, "name": name, "groupsEnabled": false, "userLockoutAction": "maintain",
		"userPasswordExpirationAction": "maintain", "defaultDomain": nil})
	tx.emitNamed("o365_directory_create", id, string(kindDirectory), name, nil)
	return id, nil
}

// directoryOf is the directory that the path names.
func (tx *tx) directoryOf(r *request) (Fields, error) {
	id := r.PathValue("office365_id")
	found := tx.get(kindDirectory, id)
	if found == nil {
		return nil, notFound("directory", id)
	}
	return found, nil
}

func (s *Simulator) listDirectories(r *request) (reply, error) {
	var all []Fields
	for _, directory := range s.shownObjects(kindDirectory) {
		all = append(all, Fields{"id": directory["id"], "name": directory["name"], "type": string(kindDirectory),
			"defaultDomain": directory["defaultDomain"], "organizationId": s.organization,
			"oAuthStatus": Fields{"expiry": Fields{"seconds": "1913732260"}}})
	}
	return list(r, all)
}

func (s *Simulator) getDirectory(r *request) (reply, error) {
	return s.oneOf(kindDirectory, "office365_id")(r)
}

// patchDirectory changes settings. The two actions are marked read-only in the
// description, but JumpCloud's PowerShell module sets them this way.
func (s *Simulator) patchDirectory(r *request) (reply, error) {
	var changed Fields
	err := s.change(byAPI, func(tx *tx) error {
		before, err := tx.directoryOf(r)
		if err != nil {
			return err
		}
		changed = copyOf(before)
		for _, name := range []string{"name", "groupsEnabled", "userLockoutAction", "userPasswordExpirationAction"} {
			if value, given := r.fields()[name]; given {
				changed[name] = value
			}
		}
		if value, given := r.fields()["defaultDomain"]; given {
			wanted, _ := value.(map[string]any)
			if err := tx.setDefaultDomain(changed, Fields(wanted).Text("id")); err != nil {
				return err
			}
		}
		if changes := changesOf(before, changed, func(string) bool { return true }); len(changes) > 0 {
			tx.put(kindDirectory, changed.Text("id"), changed)
			tx.emitNamed("o365_directory_update", changed.Text("id"), string(kindDirectory), changed.Text("name"), changes)
		}
		return nil
	})
	return reply{status: http.StatusOK, body: changed}, err
}

// setDefaultDomain makes one domain of a directory the default one; "" sets none.
func (tx *tx) setDefaultDomain(directory Fields, domain string) error {
	directory["defaultDomain"] = nil
	if domain != "" {
		chosen := tx.get(kindDomain, domain)
		if chosen == nil || chosen["resourceObjectId"] != directory["id"] {
			return refuse(http.StatusBadRequest, "defaultDomain is not a domain of the directory")
		}
		directory["defaultDomain"] = map[string]any{"id": domain, "domain": chosen["domain"]}
	}
	for _, each := range tx.domainsOf(directory.Text("id")) {
		if isDefault := each.Text("objectId") == domain; isDefault != each.Flag("default") {
			changed := copyOf(each)
			changed["default"] = isDefault
			tx.put(kindDomain, changed.Text("objectId"), changed)
		}
	}
	tx.emitNamed("integration_default_domain_update", directory.Text("id"), string(kindDirectory), directory.Text("name"), nil)
	return nil
}

func (tx *tx) domainsOf(directory string) []Fields {
	return slices.DeleteFunc(tx.s.store.all(kindDomain), func(domain Fields) bool { return domain["resourceObjectId"] != directory })
}

func (s *Simulator) listDomains(r *request) (reply, error) {
	skip, limit, err := page(r.URL.Query(), domainsLimit)
	if err != nil {
		return reply{}, err
	}
	directory := r.PathValue("office365_id")
	if s.shownObject(kindDirectory, directory) == nil {
		return reply{}, notFound("directory", directory)
	}
	domains := slices.DeleteFunc(s.shownObjects(kindDomain), func(domain Fields) bool { return domain["resourceObjectId"] != directory })
	return ok(counted(r, Fields{"domains": cut(domains, skip, limit)}, "totalCount", len(domains)))
}

func (s *Simulator) postDomain(r *request) (reply, error) {
	var domain Fields
	err := s.change(byAPI, func(tx *tx) error {
		directory, err := tx.directoryOf(r)
		if err != nil {
			return err
		}
		name := strings.ToLower(strings.TrimSpace(r.fields().Text("domain")))
		if !strings.Contains(name, ".") {
			return refuse(http.StatusBadRequest, "domain is not a domain name")
		}
		for _, other := range tx.domainsOf(directory.Text("id")) {
			if other.Text("domain") == name {
				return refuse(http.StatusConflict, textAlreadyExists)
			}
		}
		domain = Fields{"objectId": tx.newID(), "resourceObjectId": directory["id"], "domain": name, "default": false}
		tx.put(kindDomain, domain.Text("objectId"), domain)
		tx.emitNamed("integration_domain_add", directory.Text("id"), string(kindDirectory), directory.Text("name"), nil)
		return nil
	})
	return reply{status: http.StatusCreated, body: Fields{"domain": domain}}, err
}

func (s *Simulator) removeDomain(r *request) (reply, error) {
	err := s.change(byAPI, func(tx *tx) error {
		directory, err := tx.directoryOf(r)
		if err != nil {
			return err
		}
		id := r.PathValue("domain_id")
		domain := tx.get(kindDomain, id)
		if domain == nil || domain["resourceObjectId"] != directory["id"] {
			return notFound("domain", id)
		}
		if domain.Flag("default") {
			changed := copyOf(directory)
			changed["defaultDomain"] = nil
			tx.put(kindDirectory, changed.Text("id"), changed)
		}
		tx.put(kindDomain, id, nil)
		tx.emitNamed("integration_domain_delete", directory.Text("id"), string(kindDirectory), directory.Text("name"), nil)
		return nil
	})
	return reply{status: http.StatusOK, body: Fields{}}, err
}

// listImportable simulates the pass-through to Microsoft Graph: it returns the accounts
// of SetImportable, in pages by top and skipToken.
func (s *Simulator) listImportable(r *request) (reply, error) {
	query := r.URL.Query()
	top, err := strconv.Atoi(query.Get("top"))
	if err != nil || top < 1 {
		top = maximumLimit
	}
	from := 0
	if token := query.Get("skipToken"); token != "" {
		if from, err = strconv.Atoi(token); err != nil || from < 0 {
			return reply{}, refuse(http.StatusBadRequest, "skipToken is not one of ours")
		}
	}
	directory := r.PathValue("office365_id")
	if s.shownObject(kindDirectory, directory) == nil {
		return reply{}, notFound("directory", directory)
	}
	s.mu.Lock()
	users := s.imports[directory]
	s.mu.Unlock()
	answer := Fields{"top": top, "users": cut(users, from, top)}
	if from+top < len(users) {
		answer["skipToken"] = strconv.Itoa(from + top)
	}
	return ok(answer)
}
