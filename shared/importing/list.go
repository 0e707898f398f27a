package importing

import (
	"context"

	"entrasync/shared/directory"
)

// ListQuery asks for a page of the accounts that can be imported.
type ListQuery struct {
	Search string          // the beginning of a name, an address or an alias; "" for all
	Status CandidateStatus // "" for all
	Limit  int             // of the page, up to 100
	Cursor string
}

// Candidates are one page of the list; Cursor is "" on the last page. A page may have fewer
// than Limit, also none.
type Candidates struct {
	Items  []Candidate
	Cursor string
}

// mostPages is how many pages of Graph one page of the list is made of at most, when few
// accounts have the status that is asked for.
const mostPages = 5

// List reads a page of the active member accounts of a tenant, each with what would become
// of it. A page costs one request to Graph and two or three to JumpCloud, more only if a
// status leaves nothing of it.
func (p Parts) List(ctx context.Context, id directory.ID, q ListQuery) (Candidates, error) {
	s, err := p.open(ctx, id)
	if err != nil {
		return Candidates{}, err
	}
	all := Candidates{Cursor: q.Cursor}
	for range mostPages {
		accounts, next, err := s.entra.ListAccounts(ctx, directory.AccountQuery{Search: q.Search, Limit: q.Limit}, all.Cursor)
		if err != nil {
			return Candidates{}, err
		}
		all.Cursor = next
		page, err := p.judgeAll(ctx, s, members(accounts))
		if err != nil {
			return Candidates{}, err
		}
		for _, c := range page {
			if q.Status == "" || c.Status == q.Status {
				all.Items = append(all.Items, c)
			}
		}
		if len(all.Items) > 0 || next == "" {
			break
		}
	}
	return all, nil
}

// judgeAll says of each account whether it can be imported.
func (p Parts) judgeAll(ctx context.Context, s side, accounts []directory.TenantAccount) ([]Candidate, error) {
	known, err := p.findPeople(ctx, s, accounts)
	if err != nil {
		return nil, err
	}
	candidates := make([]Candidate, len(accounts))
	for i, a := range accounts {
		candidates[i] = known.judge(a)
	}
	return candidates, nil
}

// members are the accounts of the people of the tenant: an import shows no guests, no
// programs and nobody who may not sign in.
func members(accounts []directory.TenantAccount) []directory.TenantAccount {
	var people []directory.TenantAccount
	listed := map[directory.EntraID]bool{} // Graph may list one twice
	for _, a := range accounts {
		if a.Enabled && !a.Guest && !a.Agent && !listed[a.ID] {
			listed[a.ID] = true
			people = append(people, a)
		}
	}
	return people
}
