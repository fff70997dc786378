package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readiness says whether gateways should send requests here. It never depends on whether an authorization server is up: one
// tenant's must not take everybody's front away.
type readiness struct {
	serving   atomic.Bool // listeners are bound and served
	attempted atomic.Bool // the keys of every authorization server were asked for once
	draining  atomic.Bool
	config    *configuration
	issuers   *issuers
}

func (r *readiness) ready() bool {
	return r.serving.Load() && r.attempted.Load() && !r.draining.Load() && r.config.authorizer.Configured()
}

// detail is the body of /readyz. Everything below "ready" that is not part of it is for information.
func (r *readiness) detail() map[string]any {
	failing := []string{}
	for name, issuer := range r.issuers.all() {
		if issuer.Status().Failing {
			failing = append(failing, name)
		}
	}
	return map[string]any{
		"ready":                       r.ready(),
		"listening":                   r.serving.Load(),
		"configured":                  r.config.authorizer.Configured(),
		"keysAttempted":               r.attempted.Load(),
		"draining":                    r.draining.Load(),
		"lastConfigurationRejected":   r.config.rejected.Load(),
		"failingAuthorizationServers": failing,
	}
}

// newAdmin is the admin listener's handler: probes and metrics. It is never routed to.
func newAdmin(r *readiness, registry *prometheus.Registry, log *slog.Logger) http.Handler {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), state{r})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("ok\n")) //nolint:errcheck // the client may be gone
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !r.ready() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(r.detail()) // the client may be gone
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	}))
	return mux
}

// state is what metrics say of configuration and keys, read when asked.
type state struct{ *readiness }

var (
	descKeys     = prometheus.NewDesc(metricKeys, "Usable keys of the last good set.", []string{"authorization_server"}, nil)
	descFetched  = prometheus.NewDesc(metricKeysFetched, "When the last good keys were fetched; 0 if never or inline.", []string{"authorization_server"}, nil)
	descFailing  = prometheus.NewDesc(metricKeysFailing, "1 if the last fetch of keys failed.", []string{"authorization_server"}, nil)
	descGood     = prometheus.NewDesc(metricConfigGood, "0 if the configuration file is bad and an older one is in force.", nil, nil)
	descTime     = prometheus.NewDesc(metricConfigTime, "When the configuration in force was applied.", nil, nil)
	descResource = prometheus.NewDesc(metricConfigResource, "Protected resources in force.", nil, nil)
	descBuild    = prometheus.NewDesc(metricBuild, "What is running; always 1.", []string{"version", "revision", "go_version"}, nil)
)

// Describe implements prometheus.Collector.
func (s state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descKeys, descFetched, descFailing, descGood, descTime, descResource, descBuild} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s state) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for name, issuer := range s.issuers.all() {
		st := issuer.Status()
		fetched := 0.0
		if !st.LastSuccess.IsZero() {
			fetched = float64(st.LastSuccess.Unix())
		}
		gauge(descKeys, float64(st.Keys), name)
		gauge(descFetched, fetched, name)
		gauge(descFailing, number(st.Failing), name)
	}
	gauge(descGood, number(!s.config.rejected.Load()))
	gauge(descTime, float64(s.config.changed.Load()))
	if f := s.config.current.Load(); f != nil {
		gauge(descResource, float64(len(f.Resources)))
	}
	v, revision, goVersion := buildVersion()
	gauge(descBuild, 1, v, revision, goVersion)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
