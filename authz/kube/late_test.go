package kube

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"
)

// A kind that came late counts once all of it was read: a part of the routes would prove a URL for one namespace, and not yet for the
// older claim of another.
func TestAPartOfAKindDoesNotCount(t *testing.T) {
	late := &watched{late: true, informer: cache.NewSharedIndexInformer(&cache.ListWatch{}, &unstructured.Unstructured{}, 0, cache.Indexers{})}
	c := &Cluster{complete: true, watched: []*watched{late}}
	rt := &route{parents: []parent{{}}}
	rt.Namespace, rt.Name = "b", "r"
	if err := late.informer.GetStore().Add(rt); err != nil {
		t.Fatal(err)
	}
	if !c.Synced() || len(c.world().routes) != 0 {
		t.Errorf("synced %t, routes %v", c.Synced(), c.world().routes)
	}
}
