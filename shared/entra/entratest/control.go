package entratest

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"entrasync/shared/fault"
)

// State is everything in the simulator: the answer of /_sim/state.
type State struct {
	Tenants   []TenantState `json:"tenants"`
	Behaviour Behaviour     `json:"behaviour"`
	Faults    []Fault       `json:"faults"`
	Counters  Counters      `json:"counters"`
	Requests  []Request     `json:"requests"`
}

// TenantState is one tenant of State.
type TenantState struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Domains []Domain `json:"domains"`
	Users   []User   `json:"users"`
	Groups  []Group  `json:"groups"`
}

// State returns the state of everything.
func (s *Simulator) State() State {
	out := State{Behaviour: s.behaviour(), Faults: s.PendingFaults(), Counters: s.Counters(), Requests: s.Requests()}
	for _, t := range s.config.Tenants {
		d := s.Tenant(t.ID)
		out.Tenants = append(out.Tenants, TenantState{ID: t.ID, Name: t.Name, Domains: d.Domains(), Users: d.Users(), Groups: d.Groups()})
	}
	return out
}

// serveControl serves requests of a person or a script to the simulator itself:
//
//	GET  /_sim/state                  everything, as JSON
//	GET  /_sim/counters               POST resets them
//	GET  /_sim/requests               the last requests
//	GET  /_sim/behaviour              PATCH or POST changes the fields given
//	GET  /_sim/faults                 POST arms one, DELETE disarms all
//	POST /_sim/forget-changes         all delta tokens are dead, as after seven days
//	POST /_sim/users                  add a user
//	POST /_sim/users/{id or UPN}      set properties: a JSON object, or a form with property and value
//	DELETE /_sim/users/{id or UPN}    delete softly
//	PUT  /_sim/users/{id or UPN}/licenses   its own licenses: a JSON array of {skuId, disabledPlans}
//	POST /_sim/groups                 add a group
//	POST /_sim/groups/{id}            set properties
//	DELETE /_sim/groups/{id}          delete softly
//	PUT, DELETE /_sim/groups/{id}/members/{id}
//	PUT  /_sim/groups/{id}/licenses   those of its members
//
// Users and groups are those of the tenant in ?tenant=, by default the first.
func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/_sim/"), "/")
	var result any
	var err error
	switch parts[0] {
	case "state":
		result = s.State()
	case "requests":
		result = s.Requests()
	case "counters":
		if r.Method == http.MethodPost {
			s.ResetCounters()
		}
		result = s.Counters()
	case "behaviour":
		result, err = s.controlBehaviour(r)
	case "faults":
		result, err = s.controlFaults(r)
	case "forget-changes":
		if r.Method == http.MethodPost {
			s.ForgetChanges()
		}
	case "users":
		result, err = s.controlUsers(r, parts[1:])
	case "groups":
		result, err = s.controlGroups(r, parts[1:])
	default:
		err = fault.New(fault.NotFound, "entratest.control", "no such control: "+r.URL.Path)
	}
	switch {
	case err != nil:
		writeJSON(w, statusOf(err), map[string]any{"error": err.Error()})
	case r.Method == http.MethodPost && isForm(r):
		http.Redirect(w, r, "/", http.StatusSeeOther) // a browser goes back to the page
	default:
		writeJSON(w, http.StatusOK, result)
	}
}

func statusOf(err error) int {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Invalid:
		return http.StatusBadRequest
	default:
		return http.StatusInternalServerError
	}
}

func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// readControl reads a JSON body into v; fields that the body does not name stay
// unchanged.
func readControl(r *http.Request, v any) error {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBodyBytes))
	decoder.DisallowUnknownFields()
	return fault.Wrap(decoder.Decode(v), fault.Invalid, "entratest.control")
}

func (s *Simulator) controlBehaviour(r *http.Request) (any, error) {
	if r.Method == http.MethodPatch || r.Method == http.MethodPost {
		how := s.behaviour()
		if err := readControl(r, &how); err != nil {
			return nil, err
		}
		s.Set(func(b *Behaviour) { *b = how })
	}
	return s.behaviour(), nil
}

func (s *Simulator) controlFaults(r *http.Request) (any, error) {
	switch r.Method {
	case http.MethodPost:
		var f Fault
		if err := readControl(r, &f); err != nil {
			return nil, err
		}
		if err := s.FailNext(f); err != nil {
			return nil, err
		}
	case http.MethodDelete:
		s.ClearFaults()
	}
	return s.PendingFaults(), nil
}

func (s *Simulator) controlTenant(r *http.Request) Directory {
	if id := r.URL.Query().Get("tenant"); id != "" {
		return s.Tenant(id)
	}
	return s.Tenant(s.config.Tenants[0].ID)
}

// controlProperties reads properties from JSON or from a form. A value in a form is
// JSON if it can be parsed, else a text; an empty one clears the property.
func controlProperties(r *http.Request) (map[string]any, error) {
	properties := map[string]any{}
	if !isForm(r) {
		return properties, readControl(r, &properties)
	}
	name := r.PostFormValue("property")
	if name == "" {
		return nil, fault.New(fault.Invalid, "entratest.control", "the form has no property")
	}
	raw := r.PostFormValue("value")
	var value any
	if raw != "" && json.Unmarshal([]byte(raw), &value) != nil {
		value = raw
	}
	if _, isNumber := value.(float64); isNumber {
		value = raw // no property of users and groups that we write is a number
	}
	properties[name] = value
	return properties, nil
}

func (s *Simulator) controlUsers(r *http.Request, rest []string) (any, error) {
	d := s.controlTenant(r)
	switch {
	case len(rest) == 0 && r.Method == http.MethodPost:
		properties, err := controlProperties(r)
		if err != nil {
			return nil, err
		}
		return d.AddUser(User{Properties: properties})
	case len(rest) == 0:
		return d.Users(), nil
	case len(rest) == 2 && rest[1] == "licenses" && r.Method == http.MethodPut:
		var licenses []License
		if err := readControl(r, &licenses); err != nil {
			return nil, err
		}
		return d.SetLicenses(rest[0], licenses...)
	case r.Method == http.MethodPost || r.Method == http.MethodPatch:
		properties, err := controlProperties(r)
		if err != nil {
			return nil, err
		}
		return d.UpdateUser(rest[0], properties)
	case r.Method == http.MethodDelete:
		return d.DeleteUser(rest[0])
	default:
		if u, found := d.User(rest[0]); found {
			return u, nil
		}
		return nil, fault.New(fault.NotFound, "entratest.control", "no user "+rest[0])
	}
}

func (s *Simulator) controlGroups(r *http.Request, rest []string) (any, error) {
	d := s.controlTenant(r)
	switch {
	case len(rest) == 0 && r.Method == http.MethodPost:
		var g Group
		if err := readControl(r, &g); err != nil {
			return nil, err
		}
		return d.AddGroup(g)
	case len(rest) == 0:
		return d.Groups(), nil
	case len(rest) == 3 && rest[1] == "members" && slices.Contains([]string{http.MethodPut, http.MethodDelete}, r.Method):
		if r.Method == http.MethodPut {
			return d.AddMember(rest[0], rest[2])
		}
		return d.RemoveMember(rest[0], rest[2])
	case len(rest) == 2 && rest[1] == "licenses" && r.Method == http.MethodPut:
		var licenses []License
		if err := readControl(r, &licenses); err != nil {
			return nil, err
		}
		return d.SetGroupLicenses(rest[0], licenses...)
	case r.Method == http.MethodPost || r.Method == http.MethodPatch:
		properties, err := controlProperties(r)
		if err != nil {
			return nil, err
		}
		return d.UpdateGroup(rest[0], properties)
	case r.Method == http.MethodDelete:
		return d.DeleteGroup(rest[0])
	default:
		if g, found := d.Group(rest[0]); found {
			return g, nil
		}
		return nil, fault.New(fault.NotFound, "entratest.control", "no group "+rest[0])
	}
}
