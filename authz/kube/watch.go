package kube

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
)

// What is watched, and where it stands in the API.
func resources() schema.GroupVersionResource {
	return v1alpha1.Version().WithResource("protectedresources")
}
func servers() schema.GroupVersionResource {
	return v1alpha1.Version().WithResource("clusterauthorizationservers")
}
func grants() schema.GroupVersionResource { return v1alpha1.Version().WithResource("resourcegrants") }
func httpRoutes() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}
}
func securityPolicies() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "gateway.envoyproxy.io", Version: "v1alpha1", Resource: "securitypolicies"}
}
func namespaces() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
}

// How often the API server is asked for what is not there yet: an answer at all, and kinds that somebody may install.
const (
	lookAgain    = 2 * time.Second
	lookForKinds = 30 * time.Second
)

// watched is one kind of objects, in one namespace or all.
type watched struct {
	informer cache.SharedIndexInformer
	own      bool // of our API: nothing but a new generation changes what they declare
	late     bool // it is not waited for: its kind came later, or what is known of it changes no decision
	failing  atomic.Bool
	cluster  *Cluster
}

// OnAdd implements cache.ResourceEventHandler.
func (w *watched) OnAdd(any, bool) { signal(w.cluster.changed) }

// OnDelete implements cache.ResourceEventHandler.
func (w *watched) OnDelete(any) { signal(w.cluster.changed) }

// OnUpdate implements cache.ResourceEventHandler.
func (w *watched) OnUpdate(before, after any) {
	b, okB := before.(metav1.Object)
	a, okA := after.(metav1.Object)
	if w.own && okB && okA && b.GetUID() == a.GetUID() && b.GetGeneration() == a.GetGeneration() {
		signal(w.cluster.status)
		return
	}
	signal(w.cluster.changed)
}

// watchAll starts a watch of each kind. HTTPRoutes come later where their kind does not exist yet.
func (c *Cluster) watchAll(ctx context.Context, parts *sync.WaitGroup) {
	read := reader{c.config.Check}
	everywhere, where := []string{metav1.NamespaceAll}, c.where()
	c.watch(ctx, parts, servers(), everywhere, false, func(u *unstructured.Unstructured) any { return read.server(u) })
	c.watch(ctx, parts, grants(), everywhere, false, func(u *unstructured.Unstructured) any { return read.grant(u) })
	c.watch(ctx, parts, namespaces(), everywhere, false, func(u *unstructured.Unstructured) any { return read.namespace(u) })
	c.watch(ctx, parts, resources(), where, false, func(u *unstructured.Unstructured) any { return read.resource(u) })
	watchRoutes := func(late bool) {
		c.watch(ctx, parts, httpRoutes(), where, late, func(u *unstructured.Unstructured) any { return read.route(u) })
	}
	watchPolicies := func() {
		c.watch(ctx, parts, securityPolicies(), where, true, func(u *unstructured.Unstructured) any { return read.policy(u) })
	}
	exist, known := c.exist(ctx, httpRoutes(), true)
	for ; !known; exist, known = c.exist(ctx, httpRoutes(), true) {
		if !pause(ctx, lookAgain) {
			return
		}
	}
	if exist {
		watchRoutes(false)
	} else {
		parts.Go(func() { c.await(ctx, httpRoutes(), true, func() { watchRoutes(true) }) })
	}
	parts.Go(func() { c.await(ctx, securityPolicies(), false, watchPolicies) })
	c.mu.Lock()
	c.complete = true
	c.mu.Unlock()
	signal(c.changed)
}

// where is the namespaces that declare.
func (c *Cluster) where() []string {
	if of := c.config.Kubernetes.WatchNamespaces; len(of) > 0 {
		return of
	}
	return []string{metav1.NamespaceAll}
}

// exist asks whether the API server has a kind; known is false where it does not say. needed tells what no permission to look at them
// means: that they are there all the same, or that nobody wants them watched.
func (c *Cluster) exist(ctx context.Context, what schema.GroupVersionResource, needed bool) (exist, known bool) {
	_, err := c.client.Resource(what).Namespace(c.where()[0]).List(ctx, metav1.ListOptions{Limit: 1})
	switch {
	case err == nil:
		return true, true
	case apierrors.IsForbidden(err):
		return needed, true
	}
	return false, apierrors.IsNotFound(err)
}

// await begins to watch a kind when somebody installs it.
func (c *Cluster) await(ctx context.Context, what schema.GroupVersionResource, needed bool, begin func()) {
	for {
		if exist, known := c.exist(ctx, what, needed); exist && known {
			begin()
			return
		}
		if !pause(ctx, lookForKinds) {
			return
		}
	}
}

// pause waits, and reports whether there is still somebody to wait.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// rested leaves the processor to others after work that began at some time, so that whoever changes objects in a loop keeps nobody busy.
func rested(ctx context.Context, began time.Time) bool {
	return pause(ctx, min(3*time.Since(began), 2*time.Second))
}

func (c *Cluster) watch(ctx context.Context, parts *sync.WaitGroup, what schema.GroupVersionResource, where []string, late bool, read func(*unstructured.Unstructured) any) {
	for _, namespace := range where {
		w := &watched{cluster: c, late: late, own: what.Group == v1alpha1.Group}
		w.informer = cache.NewSharedIndexInformer(w.listWatch(c.client.Resource(what).Namespace(namespace), what.Resource), &unstructured.Unstructured{}, 0, cache.Indexers{})
		// Neither can fail before the informer runs.
		_ = w.informer.SetTransform(func(o any) (any, error) {
			if u, ok := o.(*unstructured.Unstructured); ok {
				return read(u), nil
			}
			return o, nil // of a deletion that was missed: it is what was kept
		})
		_ = w.informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {})
		_, _ = w.informer.AddEventHandler(w)
		c.mu.Lock()
		c.watched = append(c.watched, w)
		c.mu.Unlock()
		parts.Go(func() { w.informer.RunWithContext(ctx) })
		parts.Go(func() {
			if cache.WaitForCacheSync(ctx.Done(), w.informer.HasSynced) {
				signal(c.changed)
			}
		})
	}
}

// listWatch asks the API server, and tells how that goes: the reflector behind an informer keeps most failures to itself.
func (w *watched) listWatch(r dynamic.ResourceInterface, kind string) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := r.List(ctx, o)
			w.went(ctx, kind, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			events, err := r.Watch(ctx, o)
			w.went(ctx, kind, err)
			return events, err
		},
	}
}

// went tells of a watch that cannot be had, once, and of its return. It is tried again, and what is known stays.
func (w *watched) went(ctx context.Context, kind string, err error) {
	switch c := w.cluster; {
	case ctx.Err() != nil, apierrors.IsResourceExpired(err), apierrors.IsGone(err): // the end, or it was behind and begins anew
	case err != nil:
		c.errors.Add(1)
		if !w.failing.Swap(true) {
			c.log.Warn("the Kubernetes API server cannot be watched; what is known stays in force", "kind", kind, "cause", cause(err))
		}
	case w.failing.Swap(false):
		c.log.Info("the Kubernetes API server is watched again", "kind", kind)
	}
}

// cause is an error of the API server in words of ours. The text of the error may hold anything.
func cause(err error) string {
	switch reason := apierrors.ReasonForError(err); {
	case err == nil:
		return ""
	case apierrors.IsForbidden(err):
		return "no permission; install the ClusterRole of the chart"
	case apierrors.IsUnauthorized(err):
		return "the ServiceAccount token is not accepted"
	case apierrors.IsNotFound(err):
		return "no such kind or object; a kind of mcp-authz.dev comes with the CRDs"
	case reason != metav1.StatusReasonUnknown:
		return string(reason)
	}
	return "no answer"
}

// quiet keeps the Kubernetes libraries from writing to standard error. What matters is told above.
func quiet() { klog.SetLogger(logr.Discard()) }
