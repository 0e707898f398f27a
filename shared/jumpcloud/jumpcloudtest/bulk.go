package jumpcloudtest

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
)

func (s *Simulator) bulkEndpoints() []endpoint {
	return []endpoint{
		{api: v2, method: http.MethodPost, path: "/bulk/users", serve: s.postBulkUsers},
		{api: v2, method: http.MethodPatch, path: "/bulk/users", serve: s.bulkCall(func(tx *tx, item Fields) error {
			_, err := tx.updateUser(item.Text("id"), item, false)
			return err
		}, true)},
		{api: v2, method: http.MethodGet, path: "/bulk/users/{job_id}/results", serve: s.bulkResults},
		{api: v2, method: http.MethodPost, path: "/bulk/user/expires", serve: s.bulkCall(func(tx *tx, item Fields) error {
			_, err := tx.expire(item.Text("id"))
			return err
		}, false)},
		{api: v2, method: http.MethodPost, path: "/bulk/user/unlocks", serve: s.bulkCall(func(tx *tx, item Fields) error {
			_, err := tx.unlock(item.Text("id"))
			return err
		}, false)},
	}
}

// creationSources are the values of the header creation-source (JumpCloud API
// documentation).
var creationSources = []string{"jumpcloud:gapps", "jumpcloud:o365", "jumpcloud:workday", "jumpcloud:scim", sourceBulk, "jumpcloud:custom_integration"}

// correlationImport is the correlation type of the events of an import
// (Directory Insights API documentation; that bulk jobs use it is assumed).
const correlationImport = "user_import"

// postBulkUsers starts a job that creates users.
func (s *Simulator) postBulkUsers(r *request) (reply, error) {
	source := r.Header.Get("creation-source")
	if source == "" {
		source = sourceBulk
	}
	if !slices.Contains(creationSources, source) {
		return reply{}, refuse(http.StatusBadRequest, "creation-source is malformed")
	}
	items, err := s.bulkItems(r, "")
	if err != nil {
		return reply{}, err
	}
	return s.startJob(items, correlationImport, func(tx *tx, item Fields) error {
		limit := tx.s.behaviour.LicenseLimit
		if limit > 0 && len(tx.s.store.order[kindUser]) >= limit {
			return refuse(http.StatusPaymentRequired, assumedLicenseLimit)
		}
		if err := tx.s.schemas.checkUser("systemuserputpost", item); err != nil {
			if item.Text("email") == "" {
				return refuse(http.StatusBadRequest, assumedMissingEmail)
			}
			return err
		}
		_, err := tx.createUser(tx.newID(), item, source, false)
		return err
	})
}

// bulkCall starts a job that makes one change to each user named.
func (s *Simulator) bulkCall(do func(*tx, Fields) error, update bool) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		schema := ""
		if update {
			schema = "systemuserput"
		}
		items, err := s.bulkItems(r, schema)
		if err != nil {
			return reply{}, err
		}
		return s.startJob(items, "", do)
	}
}

// bulkItems reads the elements of a bulk request.
func (s *Simulator) bulkItems(r *request, schema string) ([]Fields, error) {
	elements, isList := r.body.([]any)
	if !isList || len(elements) == 0 {
		return nil, refuse(http.StatusBadRequest, "the body must be an array with at least one element")
	}
	var items []Fields
	for _, element := range elements {
		item, isObject := element.(map[string]any)
		if !isObject {
			return nil, refuse(http.StatusBadRequest, "the elements must be objects")
		}
		if schema != "" {
			user := maps.Clone(item) // its id names the user
			delete(user, "id")
			if err := s.schemas.checkUser(schema, user); err != nil {
				return nil, err
			}
		}
		items = append(items, item)
	}
	return items, nil
}

// startJob stores a job with pending results and runs it after a while. Its items stay
// in memory, because they may have passwords.
func (s *Simulator) startJob(items []Fields, correlation string, do func(*tx, Fields) error) (reply, error) {
	var id string
	err := s.change(byAPI, func(tx *tx) error {
		id = tx.newID()
		var results []any
		for _, item := range items {
			results = append(results, Fields{"id": tx.newID(), "createdAt": timestamp(tx.now), "updatedAt": timestamp(tx.now),
				"status": assumedPending, "statusMsg": "", "persistedFields": nil,
				"meta": Fields{"id": item["id"], "email": item["email"], "username": item["username"]}})
		}
		tx.put(kindJob, id, Fields{"id": id, "results": results})
		delay := tx.s.behaviour.BulkDelay
		tx.after = append(tx.after, func() {
			s.timers.after(delay, func(context.Context) { s.runJob(id, items, correlation, do) })
		})
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created(Fields{"jobId": id})
}

// runJob processes the items one after the other; a failed one does not stop the
// others.
func (s *Simulator) runJob(id string, items []Fields, correlation string, do func(*tx, Fields) error) {
	for i, item := range items {
		err := s.change(byAPI, func(tx *tx) error {
			if correlation != "" {
				tx.correlation = Fields{"id": id, "type": correlation}
			}
			if err := do(tx, item); err != nil {
				return err
			}
			tx.finishItem(id, i, assumedFinished, "")
			return nil
		})
		if err == nil {
			continue
		}
		text := assumedUnexpected
		var refused *Refusal
		if errors.As(err, &refused) {
			text = refused.Message
		}
		// If even this fails, the journal cannot be written, and every request reports that.
		_ = s.change(byAPI, func(tx *tx) error {
			tx.finishItem(id, i, assumedFailed, text)
			return nil
		})
	}
}

func (tx *tx) finishItem(job string, item int, status, text string) {
	changed := copyOf(tx.get(kindJob, job))
	results, _ := changed["results"].([]any)
	result, _ := results[item].(map[string]any)
	result["status"], result["statusMsg"], result["updatedAt"] = status, text, timestamp(tx.now)
	tx.put(kindJob, job, changed)
}

// resumeJobs marks results as failed that were pending when the last simulator ended:
// the items are lost.
func (tx *tx) resumeJobs() {
	for _, job := range tx.s.store.all(kindJob) {
		results, _ := job["results"].([]any)
		for i, result := range results {
			if textOf(lookup(result, "status")) == assumedPending {
				tx.finishItem(job.Text("id"), i, assumedFailed, assumedUnexpected)
			}
		}
	}
}

func (s *Simulator) bulkResults(r *request) (reply, error) {
	job := s.object(kindJob, r.PathValue("job_id"))
	if job == nil {
		return reply{}, notFound("job", r.PathValue("job_id"))
	}
	var results []Fields
	elements, _ := job["results"].([]any)
	for _, element := range elements {
		result, _ := element.(map[string]any)
		results = append(results, result)
	}
	return list(r, results)
}
