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
		{api: v2, method: http.MethodPatch, path: "/bulk/users", serve: s.bulkCall(func(tx *tx, item Fields) (Fields, error) {
			return tx.updateUser(item.Text("id"), item, false)
		}, true)},
		{api: v2, method: http.MethodGet, path: "/bulk/users/{job_id}/results", serve: s.bulkResults},
		{api: v2, method: http.MethodPost, path: "/bulk/user/expires", serve: s.bulkCall(func(tx *tx, item Fields) (Fields, error) {
			return tx.expire(item.Text("id"))
		}, false)},
		{api: v2, method: http.MethodPost, path: "/bulk/user/unlocks", serve: s.bulkCall(func(tx *tx, item Fields) (Fields, error) {
			return tx.unlock(item.Text("id"))
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
	if r.behaviour.LicenseRefusesRequest && r.behaviour.atLicenseLimit(s.userCount()) {
		return reply{}, refuse(http.StatusPaymentRequired, assumedLicenseLimit)
	}
	return s.startJob(items, correlationImport, func(tx *tx, item Fields) (Fields, error) {
		if tx.s.behaviour.atLicenseLimit(len(tx.s.store.order[kindUser])) {
			return nil, refuse(http.StatusPaymentRequired, assumedLicenseLimit)
		}
		if err := tx.s.schemas.checkUser("systemuserputpost", item); err != nil {
			if item.Text("email") == "" {
				return nil, refuse(http.StatusBadRequest, assumedMissingEmail)
			}
			return nil, err
		}
		return tx.createUser(tx.newID(), item, source, false)
	})
}

// atLicenseLimit reports whether an organization with so many users may have no more.
func (b Behaviour) atLicenseLimit(users int) bool {
	return b.LicenseLimit > 0 && users >= b.LicenseLimit
}

func (s *Simulator) userCount() (count int) {
	s.read(func(store *store) { count = len(store.order[kindUser]) })
	return count
}

// bulkCall starts a job that makes one change to each user named.
func (s *Simulator) bulkCall(do bulkWork, update bool) func(*request) (reply, error) {
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

// bulkWork makes the change of one element of a bulk request to a user, and returns the
// user.
type bulkWork func(*tx, Fields) (Fields, error)

// bulkJob is a bulk job under way. It stays in memory, because its items may have
// passwords.
type bulkJob struct {
	id          string
	items       []Fields
	places      []int // of the result of each item in the list
	correlation string
	do          bulkWork
	behaviour   Behaviour // when the job was started
}

// startJob stores a job with pending results and runs it after a while.
func (s *Simulator) startJob(items []Fields, correlation string, do bulkWork) (reply, error) {
	job := bulkJob{items: items, correlation: correlation, do: do}
	err := s.change(byAPI, func(tx *tx) error {
		job.id, job.behaviour = tx.newID(), tx.s.behaviour
		job.places = make([]int, len(items))
		for i := range job.places {
			job.places[i] = i
		}
		if job.behaviour.BulkShuffle {
			tx.s.random.Shuffle(len(items), func(i, j int) { job.places[i], job.places[j] = job.places[j], job.places[i] })
		}
		results := make([]any, len(items))
		for i, item := range items {
			results[job.places[i]] = Fields{"id": tx.newID(), "createdAt": timestamp(tx.now), "updatedAt": timestamp(tx.now),
				"status": assumedPending, "statusMsg": "", "meta": job.behaviour.BulkNames.meta(item), "persistedFields": nil}
		}
		tx.put(kindJob, job.id, Fields{"id": job.id, "results": results})
		tx.after = append(tx.after, func() {
			s.timers.after(job.behaviour.BulkDelay, func(ctx context.Context) { s.runJob(ctx, job) })
		})
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return created(Fields{"jobId": job.id})
}

// runJob processes the items one after the other; a failed one does not stop the
// others.
func (s *Simulator) runJob(ctx context.Context, job bulkJob) {
	for i := range job.items {
		if i > 0 && !wait(ctx, job.behaviour.BulkPace) || job.behaviour.BulkStopsAt == i+1 {
			return
		}
		s.runItem(job, i)
	}
}

// runItem processes one item and stores its result.
func (s *Simulator) runItem(job bulkJob, i int) {
	err := s.change(byAPI, func(tx *tx) error {
		if job.correlation != "" {
			tx.correlation = Fields{"id": job.id, "type": job.correlation}
		}
		user, err := job.do(tx, job.items[i])
		if err != nil {
			return err
		}
		tx.finishItem(job.id, job.places[i], Fields{"status": assumedFinished, "persistedFields": job.behaviour.BulkNames.persisted(user)})
		return nil
	})
	if err == nil {
		return
	}
	text := assumedUnexpected
	var refused *Refusal
	if errors.As(err, &refused) {
		text = refused.Message
	}
	// If even this fails, the journal cannot be written, and every request reports that.
	_ = s.change(byAPI, func(tx *tx) error {
		tx.finishItem(job.id, job.places[i], Fields{"status": assumedFailed, "statusMsg": text})
		return nil
	})
}

// finishItem changes fields of one result of a job.
func (tx *tx) finishItem(job string, place int, fields Fields) {
	changed := copyOf(tx.get(kindJob, job))
	results, _ := changed["results"].([]any)
	result, _ := results[place].(map[string]any)
	maps.Copy(result, fields)
	result["updatedAt"] = timestamp(tx.now)
	tx.put(kindJob, job, changed)
}

// meta is what a result says of its item.
func (n ResultNames) meta(item Fields) Fields {
	if n != NamesInMeta && n != NamesInBoth {
		return Fields{}
	}
	return Fields{"id": item["id"], "email": item["email"], "username": item["username"]}
}

// persisted is what the result of a finished item says of the user, nil for nothing.
func (n ResultNames) persisted(user Fields) Fields {
	if n != NamesInPersisted && n != NamesInBoth {
		return nil
	}
	return only(user, []string{"email", "username"})
}

// resumeJobs marks results as failed that were pending when the last simulator ended:
// the items are lost.
func (tx *tx) resumeJobs() {
	for _, job := range tx.s.store.all(kindJob) {
		results, _ := job["results"].([]any)
		for i, result := range results {
			if textOf(lookup(result, "status")) == assumedPending {
				tx.finishItem(job.Text("id"), i, Fields{"status": assumedFailed, "statusMsg": assumedUnexpected})
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
		if r.behaviour.BulkHidesPending && textOf(result["status"]) == assumedPending {
			continue
		}
		results = append(results, result)
	}
	return list(r, results)
}
