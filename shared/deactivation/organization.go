package deactivation

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"entrasync/shared/deadline"
	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/jumpcloud"
	"entrasync/shared/store"
)

// BeginOrganization says that an organization is not served any more and stores the job that deletes
// what is known of it, or returns that job if there is one already; NotFound if there is no such
// organization. Its secrets were deleted before.
func BeginOrganization(ctx context.Context, records *store.Store, id directory.OrganizationID, by string) (job store.Job, err error) {
	err = store.Contended(ctx, func() error {
		o, err := records.Organization(ctx, id)
		if err != nil {
			return err
		}
		if o.Deactivating != "" {
			job, err = records.Job(ctx, o.Deactivating)
			return err
		}
		encoded, err := json.Marshal(place{})
		if err != nil {
			return fault.Wrap(err, fault.Internal, "deactivation.begin")
		}
		job, err = records.BeginEndOfOrganization(ctx, o, store.Job{
			ID: uuid.Must(uuid.NewV7()).String(), Organization: id, Kind: store.Deactivation, Status: store.JobQueued,
			By: by, CreatedAt: time.Now().UTC(), Place: string(encoded),
		})
		return err
	})
	return job, err
}

// forgetOrganization deletes a piece of what is known of the organization, and in the end its record.
func (r *run) forgetOrganization(ctx context.Context) error {
	over, err := r.Store.ForgetOrganization(ctx, r.job.Organization, jumpcloud.ByWebhook.String(), jumpcloud.ByCatchUp.String())
	if err != nil {
		return err
	}
	r.job.Done++
	r.job.TroubleSince, r.job.Reason, r.job.Message = time.Time{}, "", ""
	if !over {
		return r.save(ctx)
	}
	o, err := r.Store.Organization(ctx, r.job.Organization)
	if fault.Is(err, fault.NotFound) { // as in a table that was put back
		o, err = directory.Organization{ID: r.job.Organization}, nil
	}
	if err != nil {
		return err
	}
	recording, cancel := deadline.ForRecords(ctx, recordTime)
	defer cancel()
	ended := r.job
	ended.Status, ended.EndedAt, ended.Message, ended.Held, ended.Place = store.JobFinished, time.Now().UTC(), "the organization is not served any more", store.Held{}, ""
	if ended, err = r.Store.EndOrganization(recording, o, ended); err != nil {
		return err
	}
	r.job = ended
	r.Metrics.Count("deactivation_finished", 1)
	zerolog.Ctx(ctx).Info().Str("job", r.job.ID).Str("organization", string(r.job.Organization)).Dur("took", r.job.EndedAt.Sub(r.job.StartedAt)).Msg("an organization was deactivated")
	return nil
}
