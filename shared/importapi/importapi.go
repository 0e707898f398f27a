// Package importapi has the operations of the HTTP API on imports of users from Microsoft
// 365 into JumpCloud. The function imports serves them; the function admin, which serves the
// OpenAPI document, describes them.
package importapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/rs/zerolog"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/importing"
	"entrasync/shared/results"
	"entrasync/shared/store"
)

// API is what the operations need. Its zero value can be registered for the document only.
type API struct {
	Parts   importing.Parts
	Results results.Linker
	Auth    api.Auth
}

// Check returns a fault that names the first part that is missing.
func (a API) Check() error {
	if err := fault.Missing("importapi.new", fault.Part{Name: "Results", There: a.Results != nil}, fault.Part{Name: "Auth", There: a.Auth != nil}); err != nil {
		return err
	}
	return a.Parts.Check()
}

// ShownLines is how many lines an import has at most whose lines are in its answer. Those of
// a larger one are in its file.
const ShownLines = 100

// workTime is how long a request works on a small import before it answers.
const workTime = 15 * time.Second

// Register registers the operations.
func (a API) Register(on huma.API) {
	const ofDirectory, one = "/v1/directories/{id}", "/v1/imports/{jobId}"
	huma.Register(on, api.Operation("listImportableUsers", http.MethodGet, ofDirectory+"/importable-users", "The accounts of the tenant that can be imported into JumpCloud", http.StatusOK,
		http.StatusNotFound, http.StatusConflict, http.StatusBadGateway), a.importable)
	huma.Register(on, api.Operation("createImport", http.MethodPost, ofDirectory+"/imports", "Import accounts of the tenant into JumpCloud", http.StatusAccepted,
		http.StatusNotFound, http.StatusConflict), a.create)
	huma.Register(on, api.Operation("listImports", http.MethodGet, ofDirectory+"/imports", "The imports of the last 30 days, the newest ones first", http.StatusOK, http.StatusNotFound), a.list)
	huma.Register(on, api.Operation("getImport", http.MethodGet, one, "How far an import is and, if it is small, what became of each account", http.StatusOK, http.StatusNotFound), a.get)
	huma.Register(on, api.Operation("stopImport", http.MethodPost, one+"/stop", "Stop an import: accounts that were not tried yet are not imported", http.StatusAccepted, http.StatusNotFound, http.StatusConflict), a.stop)
	huma.Register(on, api.Operation("repeatImport", http.MethodPost, one+"/repeat", "Import the accounts again whose lines are failed", http.StatusAccepted, http.StatusNotFound, http.StatusConflict), a.repeat)
	huma.Register(on, api.Operation("linkImportResults", http.MethodPost, one+"/results", "An address of the file with the lines of an import that has ended, which works for some minutes without the token", http.StatusOK,
		http.StatusNotFound, http.StatusConflict), a.link)
	huma.Register(on, api.OpenOperation("importResults", http.MethodGet, one+"/results", "The lines of an import that has ended, as a file: leads to an address that works for some minutes. Needs the token, or the key of the mail", http.StatusFound,
		http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable), a.results)
}

// candidateView is an account that an import may choose.
type candidateView struct {
	ID          directory.EntraID         `json:"id" doc:"The object id of the account"`
	UPN         directory.UPN             `json:"userPrincipalName"`
	DisplayName string                    `json:"displayName"`
	FirstName   string                    `json:"firstname"`
	LastName    string                    `json:"lastname"`
	Email       string                    `json:"email" doc:"The address that the user gets in JumpCloud"`
	Username    string                    `json:"username" doc:"The username that the user gets in JumpCloud; empty if none can be made"`
	Status      importing.CandidateStatus `json:"status" enum:"new,known,blocked" doc:"new: it can be imported; known: JumpCloud has the person, or somebody with the address or the username; blocked: it cannot be imported"`
	Message     string                    `json:"message,omitempty" doc:"Why it is not new, with what to do, or what else is to be known"`
}

// importableQuery are the parameters of the list.
type importableQuery struct {
	ID     string                    `path:"id"`
	Search string                    `query:"search" minLength:"1" maxLength:"256" doc:"The beginning of a name, an address, a sign-in name or an alias"`
	Status importing.CandidateStatus `query:"status" enum:"new,known,blocked" doc:"Only accounts with this status; a page may then be short and still have a next one"`
	api.Paging
}

// importable lists the accounts that can be imported.
func (a API) importable(ctx context.Context, in *importableQuery) (*api.Answer[api.Page[candidateView]], error) {
	page, err := a.Parts.List(ctx, directory.ID(in.ID), importing.ListQuery{Search: in.Search, Status: in.Status, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, refuse(err, in.ID, in.Cursor)
	}
	shown := api.Page[candidateView]{Items: make([]candidateView, 0, len(page.Items)), Cursor: page.Cursor}
	for _, c := range page.Items {
		shown.Items = append(shown.Items, candidateView{c.Account.ID, c.Account.UPN, c.Account.DisplayName, c.Account.GivenName, c.Account.Surname,
			c.Account.Address(), c.Account.Username(), c.Status, c.Message})
	}
	return &api.Answer[api.Page[candidateView]]{Body: shown}, nil
}

// refuse says what is wrong with a request about a directory.
func refuse(err error, id, cursor string) error {
	switch f := fault.Of(err); {
	case f.Kind == fault.Invalid && f.Subject == "cursor":
		return api.Refuse(err, "query.cursor", cursor)
	case f.Kind == fault.NotFound:
		return api.Refuse(err, "path.id", id)
	default:
		return api.Refuse(err, "", nil)
	}
}

// newImport is the body that makes an import.
type newImport struct {
	UserIDs []string                  `json:"userIds,omitempty" minItems:"1" maxItems:"10000" doc:"The object ids of the accounts in Entra. One that comes twice is imported once"`
	All     bool                      `json:"all,omitempty" doc:"All accounts of the list of importable users, with its search and status"`
	Search  string                    `json:"search,omitempty" maxLength:"256" doc:"Only with all"`
	Status  importing.CandidateStatus `json:"status,omitempty" enum:"new,known,blocked" doc:"Only with all; missing: all of them, and those that cannot be imported get a line that says why"`
	CSV     string                    `json:"csv,omitempty" minLength:"1" maxLength:"1000000" doc:"A CSV with sign-in names, in the column userPrincipalName or UPN, or in the first one"`
	Connect bool                      `json:"connect,omitempty" doc:"Connect the new users to the directory too: then entrasync manages their accounts"`
	Notify  []string                  `json:"notify,omitempty" maxItems:"10" doc:"The e-mail addresses that hear of the end. Missing: that of the caller, if the token names it, or else those of the organization"`
}

// choice is the choice of a body.
func (n newImport) choice() (importing.Choice, error) {
	c := importing.Choice{ImportChoice: store.ImportChoice{All: n.All, Search: n.Search, Status: string(n.Status)}, Connect: n.Connect, Notify: n.Notify}
	ways := 0
	for _, way := range []bool{len(n.UserIDs) > 0, n.All, n.CSV != ""} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		return c, api.Refuse(fault.New(fault.Invalid, "importapi.create", "choose the accounts in one way: userIds, csv, or all"), "body", nil)
	}
	if !n.All && (n.Search != "" || n.Status != "") {
		return c, api.Refuse(fault.New(fault.Invalid, "importapi.create", "search and status choose among all accounts: they need all"), "body.all", n.All)
	}
	for _, id := range n.UserIDs {
		c.IDs = append(c.IDs, directory.EntraID(id))
	}
	if n.CSV != "" {
		var err error
		if c.UPNs, err = importing.ReadUPNs([]byte(n.CSV)); err != nil {
			return c, api.Refuse(err, "body.csv", nil)
		}
	}
	return c, nil
}

// create makes an import, and works on it for a while if it is small, so that most small
// ones have their lines in the answer.
func (a API) create(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body newImport
},
) (*api.Answer[importView], error) {
	choice, err := in.Body.choice()
	if err != nil {
		return nil, err
	}
	caller := api.CallerOf(ctx)
	choice.Directory, choice.By = directory.ID(in.ID), caller.Name()
	if choice.Notify, err = a.Parts.Addresses(ctx, choice.Directory, choice.Notify, caller.Email); err != nil {
		return nil, refuseChoice(err, in.ID)
	}
	job, err := a.Parts.Start(ctx, choice)
	if err != nil {
		return nil, refuseChoice(err, in.ID)
	}
	return a.begun(ctx, job)
}

// refuseChoice says what is wrong with a choice.
func refuseChoice(err error, id string) error {
	if f := fault.Of(err); f.Kind == fault.Invalid {
		return api.Refuse(err, "body."+f.Subject, nil)
	}
	return refuse(err, id, "")
}

// begun works on a new import for a while and shows it. What is left to do, at least the
// files and the mail, it leaves to the function largeimport. The import is there whatever
// fails from here on: whoever got an error would make it twice.
func (a API) begun(ctx context.Context, job store.Import) (*api.Answer[importView], error) {
	defer a.Parts.Announce(ctx, job.ID)
	if job.Collected && job.Total <= ShownLines {
		working, cancel := context.WithTimeout(ctx, workTime)
		defer cancel()
		if _, err := (importing.Worker{Parts: a.Parts}).Work(working, job.ID); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("import", job.ID).Msg("a request could not work on its import: another worker does")
		}
	}
	answer, err := a.shown(ctx, job.ID)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("import", job.ID).Msg("a new import is shown as it was made")
		return &api.Answer[importView]{Body: viewOf(job)}, nil
	}
	return answer, nil
}

// list lists imports.
func (a API) list(ctx context.Context, in *struct {
	ID string `path:"id"`
	api.Paging
},
) (*api.Answer[api.Page[importView]], error) {
	if _, err := a.Parts.Store.Directory(ctx, directory.ID(in.ID)); err != nil {
		return nil, refuse(err, in.ID, "")
	}
	page, err := a.Parts.Store.Imports(ctx, directory.ID(in.ID), in.Limit, in.Cursor)
	if err != nil {
		return nil, api.Refuse(err, "query.cursor", in.Cursor)
	}
	shown := api.Page[importView]{Items: make([]importView, 0, len(page.Items)), Cursor: page.Cursor}
	for _, job := range page.Items {
		shown.Items = append(shown.Items, viewOf(job))
	}
	return &api.Answer[api.Page[importView]]{Body: shown}, nil
}

// importPath names an import.
type importPath struct {
	Job string `path:"jobId" doc:"The import"`
}

// get shows an import.
func (a API) get(ctx context.Context, in *importPath) (*api.Answer[importView], error) {
	return a.shown(ctx, in.Job)
}

// stop has an import stopped.
func (a API) stop(ctx context.Context, in *importPath) (*api.Answer[importView], error) {
	job, err := a.Parts.Store.Import(ctx, in.Job)
	if err != nil {
		return nil, api.Refuse(err, "path.jobId", in.Job)
	}
	api.Concerns(ctx).Directory = job.Directory
	if job.Status.Ended() {
		return nil, api.Refuse(&fault.Error{Op: "importapi.stop", Kind: fault.Conflict, Message: "the import has ended already"}, "path.jobId", in.Job)
	}
	if err := a.Parts.Store.StopImport(ctx, job, store.Stop{By: api.CallerOf(ctx).Name(), At: time.Now().UTC()}); err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return a.shown(ctx, in.Job)
}

// repeat makes an import of what failed.
func (a API) repeat(ctx context.Context, in *importPath) (*api.Answer[importView], error) {
	job, err := a.Parts.Repeat(ctx, in.Job, api.CallerOf(ctx).Name())
	if err != nil {
		return nil, api.Refuse(err, "path.jobId", in.Job)
	}
	api.Concerns(ctx).Directory = job.Directory
	return a.begun(ctx, job)
}

// resultsQuery are the parameters of the file.
type resultsQuery struct {
	Job           string           `path:"jobId" doc:"The import"`
	Format        importing.Format `query:"format" enum:"csv,jsonl" default:"csv" doc:"csv opens in a spreadsheet; jsonl has one JSON object in each line"`
	Key           string           `query:"key" minLength:"1" maxLength:"100" doc:"The key in the link of the mail, which works for 7 days without a token"`
	Authorization string           `header:"Authorization" doc:"The bearer token, without a key"`
}

// resultsLink is an address of a file.
type resultsLink struct {
	URL string `json:"url" doc:"Works for some minutes without the token"`
}

// link gives out an address of the file: for a program, and for callers with a JWT, which
// the route of the key does not check.
func (a API) link(ctx context.Context, in *struct {
	Job    string           `path:"jobId" doc:"The import"`
	Format importing.Format `query:"format" enum:"csv,jsonl" default:"csv" doc:"csv opens in a spreadsheet; jsonl has one JSON object in each line"`
},
) (*api.Answer[resultsLink], error) {
	job, err := a.Parts.Store.Import(ctx, in.Job)
	if err != nil {
		return nil, api.Refuse(err, "path.jobId", in.Job)
	}
	link, err := a.Parts.ResultsLink(ctx, a.Results, job, in.Format)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &api.Answer[resultsLink]{Body: resultsLink{link}}, nil
}

// redirect leads to another address.
type redirect struct {
	Status       int
	Location     string `header:"Location"`
	CacheControl string `header:"Cache-Control"`
	Referrer     string `header:"Referrer-Policy"`
}

// results leads to the file. Who has neither a key nor the token learns nothing, also not
// whether there is such an import.
func (a API) results(ctx context.Context, in *resultsQuery) (*redirect, error) {
	job, err := a.Parts.Store.Import(ctx, in.Job)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, api.Refuse(err, "", nil)
	}
	if err != nil || !importing.Opens(job, in.Key) {
		switch _, refused := a.Auth(ctx, in.Authorization); {
		case fault.Is(refused, fault.Unauthorized):
			return nil, huma.Error401Unauthorized("the link does not work any more, or never did: ask for the results with the token of the API")
		case refused != nil:
			zerolog.Ctx(ctx).Error().Err(refused).Msg("a request could not be authorized")
			return nil, api.Refuse(fault.New(fault.Transient, "importapi.results", "try again"), "", nil)
		}
	}
	if err != nil {
		return nil, api.Refuse(err, "path.jobId", in.Job)
	}
	link, err := a.Parts.ResultsLink(ctx, a.Results, job, in.Format)
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &redirect{Status: http.StatusFound, Location: link, CacheControl: "no-store", Referrer: "no-referrer"}, nil
}
