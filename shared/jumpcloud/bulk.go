package jumpcloud

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// SourceMicrosoft is the source of users that were imported from Microsoft 365. It
// decides their state: that of the organization's default for application imports
// (JumpCloud API documentation, creation-source).
const SourceMicrosoft = "jumpcloud:o365"

// SubmitUsers starts a bulk job that creates users whose source is Microsoft 365, at
// most 100, and returns the job's id. State, password and everything else that JumpCloud
// decides are left out; e-mail addresses are sent in lower case, as JumpCloud's portal
// stores them. [Client.BulkResults] returns what became of each user.
//
// The request is sent once: after a fault of kind Transient it is unknown whether
// JumpCloud has started a job, whose id is then lost; look the users up before you repeat
// it. After every other fault there is no job. A refusal because of the organization's
// license limit is a fault of kind Forbidden with the reason [directory.LicenseLimit].
func (c *Client) SubmitUsers(ctx context.Context, users []directory.User) (job string, err error) {
	what := call{op: "jumpcloud.submit users", method: http.MethodPost, url: c.api + "/v2/bulk/users",
		source: SourceMicrosoft, explain: c.explainSubmit}
	if len(users) == 0 || len(users) > bulkSize {
		return "", fault.New(fault.Internal, what.op, fmt.Sprintf("a bulk request is for 1 to %d users, not for %d", bulkSize, len(users)))
	}
	fields := make([]map[string]any, len(users))
	for i, user := range users {
		fields[i] = newUser(user)
	}
	if what.body, err = json.Marshal(fields); err != nil {
		return "", fault.Wrap(err, fault.Internal, what.op)
	}
	got, err := c.once(ctx, what)
	if err != nil {
		return "", needing("users.create", err)
	}
	if job = objectOf(got.body).text("jobId"); job == "" {
		return "", unexpected(what, "JumpCloud's answer has no job: nobody knows whether it creates the users")
	}
	return job, nil
}

// explainSubmit recognizes the license limit and passes on JumpCloud's words for other
// refusals. A redirect does not say whether the request was served.
func (c *Client) explainSubmit(problem *fault.Error, status int, body []byte) {
	said := c.hide.Text(objectOf(body).text("message"))
	refused := problem.Kind == fault.Invalid || problem.Kind == fault.Forbidden || problem.Kind == fault.Conflict
	switch {
	case status/100 == 3:
		problem.Kind = fault.Transient
	case status == http.StatusPaymentRequired, refused && licenseWords.MatchString(said):
		problem.Kind, problem.Reason = fault.Forbidden, directory.LicenseLimit
		problem.Message = "the license limit of the JumpCloud organization is reached: contact your provider to raise it"
	case problem.Kind == fault.Invalid && said != "":
		problem.Message = "JumpCloud refused the users: " + said
	}
}

// newUser are the fields of a user that is to be created. JumpCloud wants the first five
// of each user (JumpCloud API documentation, bulk users); others only if they have a
// value.
func newUser(user directory.User) map[string]any {
	fields := map[string]any{"username": user.Username, "email": strings.ToLower(user.Email),
		"firstname": user.FirstName, "lastname": user.LastName, "attributes": pairs("name", user.Attributes, "value")}
	optional := map[string]string{"alternateEmail": user.AlternateEmail, "displayname": user.DisplayName, "manager": string(user.Manager)}
	for _, name := range directory.PlainFields() {
		optional[name] = user.Fields[name]
	}
	for name, value := range withValues(optional) {
		fields[name] = value
	}
	if phones := pairs("type", user.Phones, "number"); len(phones) > 0 {
		fields["phoneNumbers"] = phones
	}
	work := withValues(map[string]string{"streetAddress": user.Work.StreetAddress, "extendedAddress": user.Work.ExtendedAddress,
		"poBox": user.Work.POBox, "locality": user.Work.Locality, "region": user.Work.Region,
		"postalCode": user.Work.PostalCode, "country": user.Work.Country})
	if len(work) > 0 {
		work["type"] = "work"
		fields["addresses"] = []map[string]string{work}
	}
	return fields
}

// pairs are the entries that have a value as objects of two fields, sorted by key.
func pairs(keyField string, entries map[string]string, valueField string) []map[string]string {
	list := []map[string]string{} // never null in JSON
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if entries[key] != "" {
			list = append(list, map[string]string{keyField: key, valueField: entries[key]})
		}
	}
	return list
}

// withValues removes the entries without a value.
func withValues(entries map[string]string) map[string]string {
	maps.DeleteFunc(entries, func(_, value string) bool { return value == "" })
	return entries
}

// BulkResult is what became of one user of a bulk job, as far as JumpCloud says it. It
// need not name the user: then only [Client.FindUsers] finds out.
type BulkResult struct {
	Done    bool             // it is not pending any more
	Failed  bool             // the user was not created; only if it is done
	Message string           // JumpCloud's words, "" for none
	Reason  directory.Reason // [directory.LicenseLimit] if the message of a failure says so, else ""
	// Email, in lower case, Username and User are "" if JumpCloud does not say them.
	Email, Username string
	User            directory.UserID
}

// BulkResults reads the results of a bulk job that are there, in any order. There may be
// fewer of them than users as long as the job runs, or for good. A job that JumpCloud does
// not know is a fault of kind NotFound; it may know a new one only a little later.
func (c *Client) BulkResults(ctx context.Context, job string) ([]BulkResult, error) {
	what := call{op: "jumpcloud.read results", subject: job, url: c.api + "/v2/bulk/users/" + url.PathEscape(job) + "/results"}
	if job == "" || job == "." || job == ".." { // these would name another route
		return nil, &fault.Error{Op: what.op, Kind: fault.NotFound, Subject: job, Message: "not the id of a JumpCloud job"}
	}
	var results []BulkResult
	places := map[string]int{} // of the results with an id: a list that grows may repeat some
	err := c.eachPage(ctx, what, url.Values{}, (*Client).bareList, func(_ int, p page) error {
		for _, raw := range p.elements {
			o := objectOf(raw)
			if o == nil {
				continue
			}
			place, repeated := places[o.text("id")]
			if id := o.text("id"); id != "" && !repeated {
				places[id] = len(results)
			}
			if repeated {
				results[place] = c.resultOf(o, job)
			} else {
				results = append(results, c.resultOf(o, job))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// resultOf reads one result of a job.
func (c *Client) resultOf(o object, job string) BulkResult {
	status := wordsIn(o.text("status"))
	result := BulkResult{Message: c.hide.Text(wordingOf(o, "statusMsg")), Failed: overlap(status, failedWords)}
	result.Done = result.Failed || len(status) > 0 && !overlap(status, pendingWords)
	if result.Failed && licenseWords.MatchString(result.Message) {
		result.Reason = directory.LicenseLimit
	}
	for _, field := range []string{"persistedFields", "meta"} {
		result.name(enclosedObject(o[field]), o.text("id"), job)
		if text := o.text(field); result.Email == "" && strings.Contains(text, "@") && enclosedObject(o[field]) == nil {
			result.Email = strings.ToLower(strings.TrimSpace(text))
		}
	}
	return result
}

// name takes what is still missing of the user's names from an object. Its id may be
// that of the result or of the job instead of the user's.
func (r *BulkResult) name(o object, notUsers ...string) {
	if r.Email == "" {
		r.Email = strings.ToLower(o.text("email"))
	}
	if r.Username == "" {
		r.Username = o.text("username")
	}
	for _, field := range []string{"_id", "id", "userId", "user_id", "systemUserId"} {
		if id := o.text(field); r.User == "" && isObjectID(id) && !slices.Contains(notUsers, id) {
			r.User = directory.UserID(id)
		}
	}
}

// enclosedObject reads an object that may be written as a text; nil for anything else.
func enclosedObject(raw json.RawMessage) object {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	return objectOf(raw)
}

// wordingOf reads a message that may be a text or an object with one.
func wordingOf(o object, field string) string {
	if text := o.text(field); text != "" {
		return text
	}
	inner := objectOf(o[field])
	if text := inner.text("message"); text != "" {
		return text
	}
	return inner.text("error")
}

// wordsIn are the words of a text in lower case, without anything that is no letter.
func wordsIn(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
}

// overlap reports whether two lists have a word in common.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(word string) bool { return slices.Contains(b, word) })
}
