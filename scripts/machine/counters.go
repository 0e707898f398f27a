package machine

import (
	"encoding/json"
	"net/http"
)

// counters serves what was counted since the start, and how full the queues
// are, as JSON.
func (m *Machine) counters() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		depths := map[string]any{}
		for name, q := range m.queues {
			depth, err := q.Depth(r.Context())
			if err != nil {
				http.Error(w, "the queues cannot be read", http.StatusServiceUnavailable)
				return
			}
			depths[name] = map[string]int{"visible": depth.Visible, "inFlight": depth.InFlight}
		}
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(map[string]any{"counters": m.Metrics.Counts(), "queues": depths}); err != nil {
			m.log.Debug().Err(err).Msg("the caller went away")
		}
	})
}
