package main

import "github.com/prometheus/client_golang/prometheus"

var (
	descSynced      = prometheus.NewDesc(metricSynced, "1 once all that the cluster declares has been read; it stays so while the API server is away.", nil, nil)
	descLeading     = prometheus.NewDesc(metricLeading, "1 on the instance that writes status and metadata routes.", nil, nil)
	descDeclared    = prometheus.NewDesc(metricDeclared, "ProtectedResources of the cluster: in_force, unusable (answered 503) or refused.", []string{"state"}, nil)
	descWatchErrors = prometheus.NewDesc(metricWatchErrors, "Requests for a list or a watch that the API server did not answer well; they are repeated.", nil, nil)
)

// collectCluster adds what there is to say of a cluster, if there is one.
func (s state) collectCluster(gauge, counter func(d *prometheus.Desc, v float64, labels ...string)) {
	cluster := s.config.cluster
	if cluster == nil {
		return
	}
	gauge(descSynced, number(cluster.Synced()))
	gauge(descLeading, number(cluster.Leading()))
	counter(descWatchErrors, float64(cluster.WatchErrors()))
	if n := s.config.counts.Load(); n != nil {
		gauge(descDeclared, float64(n.inForce), "in_force")
		gauge(descDeclared, float64(n.unusable), "unusable")
		gauge(descDeclared, float64(n.refused), "refused")
	}
}
