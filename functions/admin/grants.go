package admin

import (
	"slices"
	"time"

	"entrasync/shared/directory"
	"entrasync/shared/entra"
)

// needView is one permission or directory role that a directory needs.
type needView struct {
	Kind     string   `json:"kind" enum:"permission,directory_role"`
	Name     string   `json:"name" doc:"The least privileged one"`
	Instead  []string `json:"instead,omitempty" doc:"Other ones, any of which is enough instead"`
	For      []string `json:"for" doc:"What it is needed for"`
	Optional bool     `json:"optional" doc:"Only the password gateway needs it"`
	Granted  *bool    `json:"granted,omitempty" doc:"Whether the tenant granted it when it was last asked; missing if that is not known"`
}

// grantsView is what a directory needs in its tenant, and what it has.
type grantsView struct {
	CheckedAt time.Time  `json:"checkedAt" doc:"When the tenant was last asked"`
	Needs     []needView `json:"needs"`
	Missing   []string   `json:"missing" doc:"What of it was not granted; changes that need it wait"`
	Optional  []string   `json:"missingOptional" doc:"What was not granted that only the password gateway needs"`
	Outdated  string     `json:"outdated,omitempty" doc:"Why the tenant could not be asked since: what it grants may be less now; missing if nothing is known to be in the way"`
}

// The kinds of needs.
const (
	permissionKind = "permission"
	roleKind       = "directory_role"
)

// needsOf is what the settings of a directory need, compared with what is granted (nil: that
// is not known).
func needsOf(s directory.Settings, granted *directory.Granted) []needView {
	var views []needView
	for _, p := range entra.Needed(s) {
		v := needView{Kind: permissionKind, Name: p.Name, Instead: p.Instead, For: p.For, Optional: p.Optional}
		if granted != nil {
			has := p.GrantedBy(granted.Permissions)
			v.Granted = &has
		}
		views = append(views, v)
	}
	role := needView{Kind: roleKind, Name: entra.PasswordRole, For: []string{"to set passwords by the gateway"}, Optional: true}
	if granted != nil {
		if has, known := entra.HasPasswordRole(*granted); known {
			role.Granted = &has
		}
	}
	return append(views, role)
}

// grantsOf shows what the tenant of a directory allowed the application; nil if that is not
// known.
func grantsOf(dir directory.Directory) *grantsView {
	if dir.Granted == nil {
		return nil
	}
	view := &grantsView{CheckedAt: dir.Granted.At, Needs: needsOf(dir.Settings, dir.Granted), Missing: []string{}, Optional: []string{}}
	if s := dir.Suspended; s != nil && s.Reason != directory.JumpCloudRefused && s.Reason != directory.NotConsented && s.Since.After(dir.Granted.At) {
		view.Outdated = s.Message
	}
	for _, n := range view.Needs {
		switch {
		case n.Granted == nil || *n.Granted:
		case n.Optional:
			view.Optional = append(view.Optional, n.Name)
		default:
			view.Missing = append(view.Missing, n.Name)
		}
	}
	return view
}

// lacks reports whether the tenant of a directory did not grant something that its settings
// need.
func lacks(dir directory.Directory) bool {
	return slices.ContainsFunc(needsOf(dir.Settings, dir.Granted), func(n needView) bool { return n.Granted != nil && !*n.Granted && !n.Optional })
}
