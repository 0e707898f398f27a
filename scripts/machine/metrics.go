package machine

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"entrasync/scripts/wiring"
	"entrasync/shared/credentials"
	"entrasync/shared/queue"
)

// metrics serves what was counted since the start, how full the queues are and when
// credentials end, in the text format of Prometheus.
func (m *Machine) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(measured{m})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
}

// measured collects the metrics of a machine. It describes none of them beforehand: which
// counters there are is known when something was counted.
type measured struct{ *Machine }

// namespace begins the name of every metric.
const namespace = "entrasync_"

// queued describes how many messages a queue has: waiting to be received, or received and not
// done yet. The dead letters of a queue are a queue of their own.
var queued = prometheus.NewDesc(namespace+"queue_messages", "Messages in a queue; the dead letters have the suffix -dead", []string{"queue", "state"}, nil)

// Describe implements prometheus.Collector.
func (measured) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m measured) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.Metrics.All() {
		var names, values []string
		for pair := range slices.Chunk(c.Labels, 2) {
			names, values = append(names, pair[0]), append(values, pair[1])
		}
		described := prometheus.NewDesc(namespace+c.Name+"_total", "Counted since the start", names, nil)
		to <- prometheus.MustNewConstMetric(described, prometheus.CounterValue, float64(c.N), values...)
	}
	m.directories(to)
	for name, q := range m.Queues {
		m.depth(to, name, q)
	}
	for name, q := range m.Dead {
		m.depth(to, name+wiring.DeadSuffix, q)
	}
	m.daysLeft(to)
}

// credentialDays describes when credentials end.
var credentialDays = prometheus.NewDesc(namespace+"credential_days_left", "Whole days until a credential ends, 0 after its end; none if its end is not known", []string{"what", "organization"}, nil)

// daysLeft collects when the credentials end whose ends are known. That for Entra belongs to
// no organization.
func (m measured) daysLeft(to chan<- prometheus.Metric) {
	all, err := credentials.All(context.Background(), m.Store, m.entraCredential())
	if err != nil {
		to <- prometheus.NewInvalidMetric(credentialDays, err)
		return
	}
	for _, c := range all {
		if state := c.At(time.Now()); state.DaysLeft != nil {
			to <- prometheus.MustNewConstMetric(credentialDays, prometheus.GaugeValue, float64(*state.DaysLeft), string(state.What), string(c.Organization))
		}
	}
}

// depth collects how full a queue is.
func (m measured) depth(to chan<- prometheus.Metric, name string, q queue.Queue) {
	depth, err := q.Depth(context.Background())
	if err != nil {
		to <- prometheus.NewInvalidMetric(queued, err)
		return
	}
	to <- prometheus.MustNewConstMetric(queued, prometheus.GaugeValue, float64(depth.Visible), name, "visible")
	to <- prometheus.MustNewConstMetric(queued, prometheus.GaugeValue, float64(depth.InFlight), name, "in_flight")
}
