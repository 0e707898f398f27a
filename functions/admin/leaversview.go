package admin

import (
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/plan"
)

// leavingView is what is done with the account of somebody who left.
type leavingView struct {
	Since           time.Time  `json:"since" doc:"Since when the account is blocked because the user left, or when that was first noticed; the days of the setting leavers count from then"`
	Steps           []stepView `json:"steps" doc:"The steps of the setting leavers that were done or will be, in the order of their dates"`
	GroupLicenses   []string   `json:"groupLicenses,omitempty" doc:"The ids of the products of which the account had a license as a member of groups when its own were taken away: it has those as long as it is in the groups"`
	RestorableUntil *time.Time `json:"restorableUntil,omitempty" doc:"Until when the deleted account can be restored; it is if the user is connected again"`
}

// stepView is one step.
type stepView struct {
	Step   directory.LeaverStep `json:"step" enum:"removeFromGroups,removeLicenses,hideFromAddressLists,clearManager,deleteAccount"`
	At     time.Time            `json:"at" doc:"When it was done, or will be done at the earliest"`
	Status string               `json:"status" enum:"waiting,done,refused,held" doc:"held: the deletion waits in the hold that holdId names"`
	Why    *directory.Obstacle  `json:"why,omitempty" doc:"Of one that was refused"`
}

// viewOfLeaving shows what is done with the account of somebody who left; nil if the user has
// not left.
func viewOfLeaving(link directory.Link, settings plan.Leavers) *leavingView {
	leaving := link.Leaving
	if leaving == nil || leaving.Since.IsZero() {
		return nil
	}
	view := &leavingView{Since: leaving.Since, Steps: []stepView{}, GroupLicenses: leaving.GroupLicenses, RestorableUntil: known(leaving.RestorableUntil())}
	for _, step := range directory.LeaverSteps() {
		if one := viewOfStep(link, settings, step); one != nil {
			view.Steps = append(view.Steps, *one)
		}
	}
	slices.SortStableFunc(view.Steps, func(a, b stepView) int { return a.At.Compare(b.At) })
	return view
}

// viewOfStep shows a step; nil if it was not done and will not be.
func viewOfStep(link directory.Link, settings plan.Leavers, step directory.LeaverStep) *stepView {
	leaving := *link.Leaving
	if leaving.IsDone(step) {
		return &stepView{Step: step, At: leaving.Done[step], Status: "done"}
	}
	if why, refused := leaving.Refused[step]; refused {
		at, wanted := settings.After(step, leaving.Since)
		if !wanted {
			return nil
		}
		return &stepView{Step: step, At: at, Status: "refused", Why: &why}
	}
	at, wanted := settings.At(leaving, step)
	if !wanted || link.State != directory.Disabled {
		return nil
	}
	status := "waiting"
	if step == directory.DeleteAccount && link.Status == directory.Held {
		status = "held"
	}
	return &stepView{Step: step, At: at, Status: status}
}
