package jumpcloudtest

// State is everything in the simulator. It has no secrets: a channel only shows whether
// it has some.
type State struct {
	Organization Fields     `json:"organization"`
	Users        []Fields   `json:"users"`
	Groups       []Fields   `json:"groups"`
	Edges        []Fields   `json:"edges"`   // memberships and associations
	Matches      []Fields   `json:"matches"` // users that the queries of dynamic groups find
	Directories  []Fields   `json:"directories"`
	Domains      []Fields   `json:"domains"`
	Translations []Fields   `json:"translationRules"`
	Applications []Fields   `json:"applications"`
	Channels     []Fields   `json:"channels"`
	Rules        []Fields   `json:"rules"`
	Accounts     []Fields   `json:"serviceAccounts"`
	Behaviour    Behaviour  `json:"behaviour"`
	Counters     Counters   `json:"counters"`
	Deliveries   []Delivery `json:"deliveries"`
}

// masked replaces a secret.
const masked = "********"

// State returns a copy of everything at this moment.
func (s *Simulator) State() State {
	state := State{
		Organization: copyOf(s.object(kindOrganization, s.organization)),
		Users:        s.Users(),
		Groups:       s.Groups(),
		Edges:        copies(s.objects(kindEdge)),
		Matches:      copies(s.objects(kindMatch)),
		Directories:  copies(s.objects(kindDirectory)),
		Domains:      copies(s.objects(kindDomain)),
		Translations: copies(s.objects(kindTranslation)),
		Applications: copies(s.objects(kindApplication)),
		Channels:     copies(s.objects(kindChannel)),
		Rules:        copies(s.objects(kindRule)),
		Accounts:     copies(s.objects(kindServiceAccount)),
		Counters:     s.Counters(),
		Deliveries:   s.Deliveries(),
	}
	for _, channel := range state.Channels {
		config, isWebhook := webhookOf(channel)
		secrets := s.object(kindSecret, channel.Text("objectId"))
		if !isWebhook {
			continue
		}
		for field, name := range map[string]string{"authToken": "token", "authPassword": "password"} {
			if secrets.Text(name) != "" {
				config[field] = masked
			}
		}
	}
	s.mu.Lock()
	state.Behaviour = s.behaviour.clone()
	s.mu.Unlock()
	return state
}
