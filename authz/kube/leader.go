package kube

import (
	"context"
	"crypto/rand"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Times of the Lease, those of Kubernetes' own components.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// lead takes its turn as the leader until ctx ends. To lose the Lease, or the API server, ends the writing and nothing else.
func (c *Cluster) lead(ctx context.Context) {
	client, err := coordination.NewForConfig(c.rest)
	if err != nil {
		c.log.Error("no leader election; status is not written", "cause", cause(err))
		return
	}
	host, _ := os.Hostname() // for people who look at the Lease; what counts is the text behind it
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: c.config.Kubernetes.Namespace, Name: c.config.Kubernetes.Lease},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + rand.Text()},
	}
	for ctx.Err() == nil {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod, ReleaseOnCancel: true,
			Name: c.config.Kubernetes.Lease,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: c.write,
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			c.log.Error("no leader election; status is not written", "cause", "the Lease is not configured well")
			return
		}
		elector.Run(ctx)
	}
}
