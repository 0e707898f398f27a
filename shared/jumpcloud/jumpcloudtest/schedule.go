package jumpcloudtest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"entrasync/shared/directory"
)

func (s *Simulator) scheduleEndpoints() []endpoint {
	return []endpoint{
		{api: v2, method: http.MethodGet, path: "/bulk/userstates", serve: s.listSchedules},
		{api: v2, method: http.MethodPost, path: "/bulk/userstates", serve: s.postSchedules},
		{api: v2, method: http.MethodDelete, path: "/bulk/userstates/{id}", serve: s.removeSchedule},
		{api: v2, method: http.MethodGet, path: "/bulk/userstates/eventlist/next", serve: s.nextSchedules},
	}
}

// scheduleEvent is the name of the event when a planned change is made or cancelled.
func scheduleEvent(schedule Fields, what string) string {
	if schedule.Text("state") == string(directory.Suspended) {
		return "user_suspension_schedule_" + what
	}
	return "user_activation_schedule_" + what
}

// postSchedules plans a change of state for each user named.
func (s *Simulator) postSchedules(r *request) (reply, error) {
	body := r.fields()
	if body == nil {
		return reply{}, refuse(http.StatusBadRequest, "a body is required")
	}
	at, err := time.Parse(time.RFC3339, body.Text("start_date"))
	if err != nil {
		return reply{}, refuse(http.StatusBadRequest, "start_date is not a time")
	}
	var planned []Fields
	err = s.change(byAPI, func(tx *tx) error {
		for _, user := range textList(body["user_ids"]) {
			holder := tx.get(kindUser, user)
			if holder == nil {
				return notFound("user", user)
			}
			schedule := Fields{"scheduledJobId": tx.newID(), "scheduledDate": timestamp(at), "state": body["state"], "systemUserId": user}
			tx.put(kindSchedule, schedule.Text("scheduledJobId"), schedule)
			tx.emitUser(scheduleEvent(schedule, "create"), holder, nil)
			tx.runLater(schedule)
			planned = append(planned, schedule)
		}
		return nil
	})
	return reply{status: http.StatusCreated, body: planned}, err
}

// runLater makes a planned change at its time.
func (tx *tx) runLater(schedule Fields) {
	at, _ := time.Parse(time.RFC3339, schedule.Text("scheduledDate"))
	s, delay := tx.s, max(0, at.Sub(tx.now))
	tx.after = append(tx.after, func() {
		s.timers.after(delay, func(context.Context) { s.runSchedule(schedule) })
	})
}

// runSchedule fails, and changes nothing, if the schedule was cancelled meanwhile.
func (s *Simulator) runSchedule(schedule Fields) {
	_ = s.change(automatic, func(tx *tx) error { return tx.runSchedule(schedule) })
}

func (tx *tx) runSchedule(schedule Fields) error {
	id := schedule.Text("scheduledJobId")
	if tx.get(kindSchedule, id) == nil {
		return notFound("schedule", id)
	}
	tx.put(kindSchedule, id, nil)
	user := schedule.Text("systemUserId")
	if tx.get(kindUser, user) == nil {
		return nil
	}
	_, err := tx.alter(user, func(user Fields) error {
		return setState(user, nil, directory.UserState(schedule.Text("state")))
	})
	return err
}

// resumeSchedules continues the schedules that were planned when the last simulator
// ended.
func (tx *tx) resumeSchedules() {
	for _, schedule := range tx.s.store.all(kindSchedule) {
		tx.runLater(schedule)
	}
}

func (s *Simulator) listSchedules(r *request) (reply, error) {
	schedules := s.objects(kindSchedule)
	if user := r.URL.Query().Get("userid"); user != "" {
		schedules = slices.DeleteFunc(schedules, func(schedule Fields) bool { return schedule["systemUserId"] != user })
	}
	return list(r, schedules)
}

// nextSchedules lists the next planned change of each user named.
func (s *Simulator) nextSchedules(r *request) (reply, error) {
	users := names(r.URL.Query(), "users", v2)
	if len(users) == 0 {
		return reply{}, refuse(http.StatusBadRequest, "users is required")
	}
	schedules := s.objects(kindSchedule)
	slices.SortStableFunc(schedules, func(a, b Fields) int { return strings.Compare(a.Text("scheduledDate"), b.Text("scheduledDate")) })
	var next []Fields
	for _, user := range users {
		if i := slices.IndexFunc(schedules, func(schedule Fields) bool { return schedule["systemUserId"] == user }); i >= 0 {
			next = append(next, schedules[i])
		}
	}
	return list(r, next)
}

func (s *Simulator) removeSchedule(r *request) (reply, error) {
	err := s.change(byAPI, func(tx *tx) error {
		schedule := tx.get(kindSchedule, r.PathValue("id"))
		if schedule == nil {
			return notFound("schedule", r.PathValue("id"))
		}
		tx.put(kindSchedule, schedule.Text("scheduledJobId"), nil)
		if user := tx.get(kindUser, schedule.Text("systemUserId")); user != nil {
			tx.emitUser(scheduleEvent(schedule, "delete"), user, nil)
		}
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	return noContent()
}
