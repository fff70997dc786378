package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

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
		ErrorLog: scrapeLog{log}, MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	}))
	return mux
}

// scrapeLog tells of a scrape that failed. What the library says of it is of no use to operators.
type scrapeLog struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (s scrapeLog) Println(...any) { s.log.Warn("metrics could not be gathered or sent") }

// state is what metrics say of configuration and keys, read when asked.
type state struct{ *readiness }

var (
	descKeys     = prometheus.NewDesc(metricKeys, "Keys that serve now: usable ones of the last good set, 0 once that is older than maxStaleness.", []string{"authorization_server"}, nil)
	descFetched  = prometheus.NewDesc(metricKeysFetched, "When the last good keys were fetched; 0 if never or inline.", []string{"authorization_server"}, nil)
	descFailing  = prometheus.NewDesc(metricKeysFailing, "1 if the last fetch of keys failed.", []string{"authorization_server"}, nil)
	descCached   = prometheus.NewDesc(metricCacheEntries, "Verified tokens remembered.", []string{"authorization_server"}, nil)
	descBytes    = prometheus.NewDesc(metricCacheBytes, "What the verified tokens count against limits.cacheBytes.", []string{"authorization_server"}, nil)
	descHits     = prometheus.NewDesc(metricCacheHits, "Tokens whose signature was remembered.", []string{"authorization_server"}, nil)
	descVerified = prometheus.NewDesc(metricSignatures, "Signatures computed, good and bad.", []string{"authorization_server"}, nil)
	descGood     = prometheus.NewDesc(metricConfigGood, "0 if the configuration file is bad and an older one is in force.", nil, nil)
	descTime     = prometheus.NewDesc(metricConfigTime, "When the configuration in force was applied.", nil, nil)
	descResource = prometheus.NewDesc(metricConfigResource, "Protected resources in force.", nil, nil)
	descTLSGood  = prometheus.NewDesc(metricTLSGood, "0 if the TLS files are not good and older material is in force.", []string{"listener"}, nil)
	descTLSEnds  = prometheus.NewDesc(metricTLSEnds, "When the certificate in force ends.", []string{"listener"}, nil)
	descBuild    = prometheus.NewDesc(metricBuild, "What is running; always 1.", []string{"version", "revision", "go_version"}, nil)
)

// Describe implements prometheus.Collector.
func (s state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descKeys, descFetched, descFailing, descCached, descBytes, descHits, descVerified, descGood, descTime, descResource, descTLSGood, descTLSEnds, descBuild, descSynced, descLeading, descDeclared, descWatchErrors} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s state) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
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
		gauge(descCached, float64(st.CachedTokens), name)
		gauge(descBytes, float64(st.CachedBytes), name)
		counter(descHits, float64(st.CacheHits), name)
		counter(descVerified, float64(st.Verified), name)
	}
	gauge(descGood, number(s.config.rejected.Load() == nil))
	gauge(descTime, float64(s.config.changed.Load()))
	if f := s.config.inForce.Load(); f != nil {
		gauge(descResource, float64(len(f.Resources)))
	}
	s.collectCluster(gauge, counter)
	for _, c := range s.tls {
		good, ends := c.status()
		gauge(descTLSGood, number(good), c.listener)
		gauge(descTLSEnds, float64(ends.Unix()), c.listener)
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
