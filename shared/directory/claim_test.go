package directory_test

import (
	"testing"

	"entrasync/shared/directory"
)

// A read shows what a claim says, or the state before, or another state.
func TestClaimsAgainstWhatIsRead(t *testing.T) {
	const ann, sales = directory.UserID("64a1b2c3d4e5f60718293a4b"), directory.GroupID("64a1b2c3d4e5f60718293b00")
	read := func(edit func(*directory.User)) *directory.User {
		u := directory.User{ID: ann, Username: "ann", State: directory.Activated, Fields: map[string]string{"jobTitle": "Lead"}}
		edit(&u)
		return &u
	}
	as := read(func(*directory.User) {})
	altered := func(from, to string) directory.Claim {
		c := directory.Claim{Kind: directory.Altered, User: ann, Field: "jobTitle", To: directory.Digest(string(ann), "jobTitle", to)}
		if from != "?" {
			c.From = directory.Digest(string(ann), "jobTitle", from)
		}
		return c
	}
	in := func(state directory.UserState) directory.Claim {
		return directory.Claim{Kind: directory.InState, State: state}
	}
	of := func(kind directory.ClaimKind) directory.Claim { return directory.Claim{Kind: kind} }
	locked, expired := read(func(u *directory.User) { u.AccountLocked = true }), read(func(u *directory.User) { u.PasswordExpired = true })
	for name, tc := range map[string]struct {
		claim directory.Claim
		user  *directory.User
		want  directory.Shown
	}{
		"created":                            {of(directory.Created), as, directory.Shows},
		"created, not there yet":             {of(directory.Created), nil, directory.Lags},
		"removed":                            {of(directory.Removed), nil, directory.Shows},
		"removed, still there":               {of(directory.Removed), as, directory.Lags},
		"suspended":                          {in(directory.Suspended), read(func(u *directory.User) { u.State = directory.Suspended }), directory.Shows},
		"suspended, still active":            {in(directory.Suspended), as, directory.Lags},
		"suspended and gone":                 {in(directory.Suspended), nil, directory.Another},
		"locked":                             {of(directory.LockedOut), locked, directory.Shows},
		"locked, not yet":                    {of(directory.LockedOut), as, directory.Lags},
		"unlocked":                           {of(directory.Unlocked), as, directory.Shows},
		"unlocked, not yet":                  {of(directory.Unlocked), locked, directory.Lags},
		"expired":                            {of(directory.Expired), expired, directory.Shows},
		"expired, not yet":                   {of(directory.Expired), as, directory.Lags},
		"renewed":                            {of(directory.Renewed), as, directory.Shows},
		"renewed, not yet":                   {of(directory.Renewed), expired, directory.Lags},
		"a new password":                     {of(directory.NewPassword), as, directory.Shows},
		"a new password, expired still":      {of(directory.NewPassword), expired, directory.Lags},
		"altered":                            {altered("Dev", "Lead"), as, directory.Shows},
		"altered, not yet":                   {altered("Lead", "Boss"), as, directory.Lags},
		"altered and altered again":          {altered("Dev", "Boss"), as, directory.Another},
		"altered from what nobody says":      {altered("?", "Boss"), as, directory.Lags},
		"altered, a field that is no matter": {directory.Claim{Kind: directory.Altered, Field: "tags", To: "00000000"}, as, directory.Another},
		"joined, of a user":                  {directory.Claim{Kind: directory.Joined, Group: sales}, as, directory.Another},
	} {
		if got := tc.claim.ShownBy(tc.user); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
	}

	group := &directory.Group{ID: sales, Name: "Sales"}
	renamed := func(from, to string) directory.Claim {
		return directory.Claim{Kind: directory.Altered, Field: "name", From: directory.Digest(string(sales), "name", from), To: directory.Digest(string(sales), "name", to)}
	}
	for name, tc := range map[string]struct {
		claim directory.Claim
		group *directory.Group
		want  directory.Shown
	}{
		"removed":              {of(directory.Removed), nil, directory.Shows},
		"removed, still there": {of(directory.Removed), group, directory.Lags},
		"renamed":              {renamed("Sale", "Sales"), group, directory.Shows},
		"renamed, not yet":     {renamed("Sales", "Market"), group, directory.Lags},
		"renamed again":        {renamed("Sale", "Market"), group, directory.Another},
		"renamed and gone":     {renamed("Sale", "Sales"), nil, directory.Another},
	} {
		if got := tc.claim.ShownByGroup(tc.group); got != tc.want {
			t.Errorf("group %s: got %s, want %s", name, got, tc.want)
		}
	}

	source := directory.ConnectionSource{Type: directory.Office365Source, ID: "63f1a2b3c4d5e6f708192a3b"}
	associated := func(kind directory.ClaimKind) directory.Claim { return directory.Claim{Kind: kind, Source: source} }
	for name, got := range map[string]struct{ got, want directory.Shown }{
		"joined":                {directory.Claim{Kind: directory.Joined, Group: sales}.ShownByGroups([]directory.GroupID{sales}), directory.Shows},
		"joined, not yet":       {directory.Claim{Kind: directory.Joined, Group: sales}.ShownByGroups(nil), directory.Lags},
		"left":                  {directory.Claim{Kind: directory.Left, Group: sales}.ShownByGroups(nil), directory.Shows},
		"left, not yet":         {directory.Claim{Kind: directory.Left, Group: sales}.ShownByGroups([]directory.GroupID{sales}), directory.Lags},
		"a state, of groups":    {in(directory.Suspended).ShownByGroups(nil), directory.Another},
		"associated":            {associated(directory.Associated).ShownBySource(source, true), directory.Shows},
		"associated, not yet":   {associated(directory.Associated).ShownBySource(source, false), directory.Lags},
		"dissociated":           {associated(directory.Dissociated).ShownBySource(source, false), directory.Shows},
		"dissociated, not yet":  {associated(directory.Dissociated).ShownBySource(source, true), directory.Lags},
		"of another source":     {associated(directory.Associated).ShownBySource(directory.ConnectionSource{Type: directory.Office365Source, ID: "x"}, false), directory.Another},
		"a state, of a source":  {in(directory.Suspended).ShownBySource(source, false), directory.Another},
		"a group, of the state": {in(directory.Suspended).ShownByGroup(group), directory.Another},
	} {
		if got.got != got.want {
			t.Errorf("%s: got %s, want %s", name, got.got, got.want)
		}
	}
}

// Claims about the same subject have the same key, and others have another.
func TestWhatClaimsAreAbout(t *testing.T) {
	for _, pair := range [][2]directory.Claim{
		{{Kind: directory.Created}, {Kind: directory.Removed}},
		{{Kind: directory.InState, State: directory.Staged}, {Kind: directory.InState, State: directory.Suspended}},
		{{Kind: directory.LockedOut}, {Kind: directory.Unlocked}},
		{{Kind: directory.Expired}, {Kind: directory.NewPassword}},
		{{Kind: directory.Joined, Group: "g"}, {Kind: directory.Left, Group: "g"}},
		{{Kind: directory.Altered, Field: "email", To: "1"}, {Kind: directory.Altered, Field: "email", To: "2"}},
	} {
		if pair[0].About() != pair[1].About() {
			t.Errorf("got %+v about %q and %+v about %q, want the same", pair[0], pair[0].About(), pair[1], pair[1].About())
		}
	}
	seen := map[string]directory.Claim{}
	for _, c := range []directory.Claim{
		{Kind: directory.Created}, {Kind: directory.InState}, {Kind: directory.LockedOut}, {Kind: directory.Expired}, {Kind: directory.Joined, Group: "g"},
		{Kind: directory.Joined, Group: "h"}, {Kind: directory.Associated, Source: directory.ConnectionSource{ID: "s"}}, {Kind: directory.Altered, Field: "email"}, {Kind: directory.Altered, Field: "jobTitle"},
	} {
		if other, is := seen[c.About()]; is {
			t.Errorf("got %+v and %+v both about %q, want different subjects", c, other, c.About())
		}
		seen[c.About()] = c
	}
}

// A claim is known again by its key.
func TestClaimsAreReadFromTheirKeys(t *testing.T) {
	source := directory.ConnectionSource{Type: directory.Office365Source, ID: "63f1a2b3c4d5e6f708192a3b"}
	for _, c := range []directory.Claim{
		{Kind: directory.Created}, {Kind: directory.Removed}, {Kind: directory.InState, State: directory.Suspended}, {Kind: directory.LockedOut}, {Kind: directory.Unlocked},
		{Kind: directory.Expired}, {Kind: directory.Renewed}, {Kind: directory.Altered, Field: "email", To: "1a2b3c4d"}, {Kind: directory.Joined, Group: "g"},
		{Kind: directory.Left, Group: "g"}, {Kind: directory.Associated, Source: source}, {Kind: directory.Dissociated, Source: source},
	} {
		if got, ok := directory.ClaimOf(c.Key(), source); !ok || got != c {
			t.Errorf("%s: got %+v, %t, want %+v", c.Key(), got, ok, c)
		}
	}
	other := directory.Claim{Kind: directory.Associated, Source: directory.ConnectionSource{Type: directory.Office365Source, ID: "other"}}
	for _, key := range []string{other.Key(), "field email<1a2b3c4d", ""} {
		if got, ok := directory.ClaimOf(key, source); ok {
			t.Errorf("%q: got %+v, want no claim", key, got)
		}
	}
}

// What says that somebody must not sign in keeps an account closed that an older read would
// open; a lock and an expired password only where the settings say so.
func TestClaimsThatDenyAccess(t *testing.T) {
	strict := directory.Settings{SuspendOnLockout: true, SuspendOnPasswordExpiration: true}
	for _, tc := range []struct {
		claim         directory.Claim
		always, where bool
	}{
		{directory.Claim{Kind: directory.InState, State: directory.Suspended}, true, true},
		{directory.Claim{Kind: directory.InState, State: directory.Activated}, false, false},
		{directory.Claim{Kind: directory.Removed}, true, true},
		{directory.Claim{Kind: directory.LockedOut}, false, true},
		{directory.Claim{Kind: directory.Expired}, false, true},
		{directory.Claim{Kind: directory.Left}, false, false},
	} {
		if always, where := tc.claim.Denies(directory.Settings{}), tc.claim.Denies(strict); always != tc.always || where != tc.where {
			t.Errorf("%s: got %t and %t, want %t and %t", tc.claim.Key(), always, where, tc.always, tc.where)
		}
	}
}
