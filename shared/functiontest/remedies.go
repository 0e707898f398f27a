package functiontest

import (
	"context"
	"regexp"

	"entrasync/shared/directory"
)

// remedy matches a message that says what to do.
var remedy = regexp.MustCompile(`\b(add|ask|change|check|choose|connect|correct|delete|disconnect|end|exempt|give|grant|make|manage|read|remove|rename|report|restore|set|take|try|turn|verify)\b`)

// NamesARemedy reports whether a message says what to do.
func NamesARemedy(message string) bool { return remedy.MatchString(message) }

// all is more than the groups of any test.
const all = 1000

// Speechless are the messages of users, groups and attributes that are parked and do not say
// what to do about it, each with its reason.
func (k *Kit) Speechless() (messages []string) {
	k.t.Helper()
	ctx := context.Background()
	directories, err := k.Store.AllDirectories(ctx)
	k.Must(err)
	note := func(reason directory.Reason, message string) {
		if !NamesARemedy(message) {
			messages = append(messages, string(reason)+": "+message)
		}
	}
	for _, dir := range directories {
		id := dir.ID
		users, err := k.Store.Links(ctx, id, 0, "")
		k.Must(err)
		for _, link := range users.Items {
			if link.Status == directory.Parked {
				note(link.Reason, link.Message)
			}
			for _, p := range link.Problems {
				if p.Reason != directory.ManagerAbsent { // written by itself
					note(p.Reason, p.Message)
				}
			}
		}
		groups, err := k.Store.GroupLinksThat(ctx, id, "", "", all, "")
		k.Must(err)
		for _, link := range groups.Items {
			if link.Status == directory.Parked {
				note(link.Reason, link.Message)
			}
			members, err := k.Store.Members(ctx, id, link.Group, 0, "")
			k.Must(err)
			for _, m := range members.Items {
				if m.Problem != nil && m.Problem.Reason != directory.MemberAbsent { // joins by itself
					note(m.Problem.Reason, m.Problem.Message)
				}
			}
		}
	}
	return messages
}
