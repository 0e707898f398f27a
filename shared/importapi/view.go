package importapi

import (
	"context"
	"time"

	"entrasync/shared/api"
	"entrasync/shared/directory"
	"entrasync/shared/importing"
	"entrasync/shared/store"
)

// importView is an import as the API shows it.
type importView struct {
	ID        string             `json:"jobId"`
	Directory directory.ID       `json:"directoryId"`
	Status    store.ImportStatus `json:"status" enum:"queued,running,finished,stopped,failed"`
	Message   string             `json:"message,omitempty" doc:"Why it waits, or how it ended, with what to do"`
	By        string             `json:"by" doc:"Who started it"`
	Connect   bool               `json:"connect"`
	CreatedAt time.Time          `json:"createdAt"`
	StartedAt *time.Time         `json:"startedAt,omitempty"`
	EndedAt   *time.Time         `json:"endedAt,omitempty"`
	Counting  bool               `json:"counting" doc:"Whether the chosen accounts are still being listed: total grows"`
	Total     int                `json:"total" doc:"The chosen accounts"`
	Done      int                `json:"done" doc:"Those of them that have their final line"`
	Imported  int                `json:"imported"`
	Failed    int                `json:"failed"`
	// Results are there if there are few: then also before the end.
	Results []importing.Line `json:"results,omitempty" doc:"What became of each account, in the order in which they were chosen; only of an import of up to 100"`
	File    string           `json:"resultsUrl,omitempty" doc:"Where the lines are as a file, once it is written; with the query format=jsonl as JSON Lines"`
	Mail    string           `json:"mail,omitempty" doc:"What became of the mail about the end"`
}

// viewOf shows an import without its lines.
func viewOf(job store.Import) importView {
	view := importView{ID: job.ID, Directory: job.Directory, Status: job.Status, Message: job.Message, By: job.By, Connect: job.Connect,
		CreatedAt: job.CreatedAt, StartedAt: known(job.StartedAt), EndedAt: known(job.EndedAt), Counting: !job.Collected,
		Total: job.Total, Done: job.Done(), Imported: job.Imported, Failed: job.Failed, Mail: job.Mail}
	if job.Delivered {
		view.File = "/v1/imports/" + job.ID + "/results"
	}
	return view
}

// known is a time, nil if it is not known.
func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// shown shows an import, with its lines if there are few.
func (a API) shown(ctx context.Context, id string) (*api.Answer[importView], error) {
	job, err := a.Parts.Store.Import(ctx, id)
	if err != nil {
		return nil, api.Refuse(err, "path.jobId", id)
	}
	view := viewOf(job)
	if !job.Collected || job.Total > ShownLines {
		return &api.Answer[importView]{Body: view}, nil
	}
	view.Results = make([]importing.Line, 0, job.Total)
	err = a.Parts.Store.EachImportChunk(ctx, id, func(c store.ImportChunk) error {
		for _, line := range c.Lines {
			view.Results = append(view.Results, importing.LineOf(line))
		}
		return nil
	})
	if err != nil {
		return nil, api.Refuse(err, "", nil)
	}
	return &api.Answer[importView]{Body: view}, nil
}
