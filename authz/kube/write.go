package kube

import (
	"context"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	eventsv1 "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/tools/events"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
)

const (
	writeTimeout = 10 * time.Second
	writeAgain   = 5 * time.Second // after a failure
	writeAll     = 5 * time.Minute // somebody may have changed what we wrote
)

// writer is the leader at work.
type writer struct {
	*Cluster
	events events.EventRecorder
	routes *routeWriter
}

// write writes what is in force into the status of the objects, and makes the metadata routes, until ctx ends.
func (c *Cluster) write(ctx context.Context) {
	c.writing.Lock() // a turn as the leader begins when the one before has ended
	defer c.writing.Unlock()
	if ctx.Err() != nil {
		return
	}
	c.leading.Store(true)
	defer c.leading.Store(false)
	c.log.Info("leading: this instance writes status and metadata routes")
	w := &writer{Cluster: c, events: &events.FakeRecorder{}, routes: newRouteWriter(c)}
	if client, err := eventsv1.NewForConfig(c.rest); err == nil {
		broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client})
		defer broadcaster.Shutdown()
		if broadcaster.StartRecordingToSinkWithContext(ctx) == nil {
			w.events = broadcaster.NewRecorder(nil, controllerName)
		}
	}
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.status:
		case <-next.C:
		}
		after, began := writeAll, time.Now()
		if j := c.inForce.Load(); j != nil && !w.all(ctx, j) {
			after = writeAgain
		}
		if !rested(ctx, began) {
			return
		}
		next.Reset(after)
	}
}

// all reports whether everything could be written.
func (w *writer) all(ctx context.Context, j *Judgement) bool {
	has := map[types.UID]any{} // with the status of now
	w.each(func(o any) {
		if m, ok := o.(metav1.Object); ok {
			has[m.GetUID()] = o
		}
	})
	good := true
	for _, v := range j.resources {
		if now, ok := has[v.UID].(*resource); ok && now.Generation == v.Generation {
			fresh := *v
			fresh.resource = now
			good = w.resource(ctx, &fresh) && good
		}
	}
	for _, v := range j.servers {
		if now, ok := has[v.UID].(*server); ok && now.Generation == v.Generation {
			fresh := serverVerdict{now, v.accepted}
			if s := fresh.wanted(time.Now()); !equality.Semantic.DeepEqual(s, now.status) {
				good = w.patch(ctx, servers(), &now.object, s) && good
			}
		}
	}
	for _, g := range j.grants {
		if now, ok := has[g.UID].(*grant); ok && now.Generation == g.Generation {
			if s := now.wanted(time.Now()); !equality.Semantic.DeepEqual(s, now.status) {
				good = w.patch(ctx, grants(), &now.object, s) && good
			}
		}
	}
	return w.routes.write(ctx, j) && good
}

func (w *writer) resource(ctx context.Context, v *verdict) bool {
	s := v.wanted(time.Now())
	if equality.Semantic.DeepEqual(s, v.status) {
		return true
	}
	if !w.patch(ctx, resources(), &v.object, s) {
		return false
	}
	w.tell(v, s)
	return true
}

// tell makes an event of what a namespace should notice: its URL came, went, or was handed over.
func (w *writer) tell(v *verdict, s v1alpha1.ProtectedResourceStatus) {
	about := &corev1.ObjectReference{
		APIVersion: v1alpha1.Version().String(), Kind: "ProtectedResource", Namespace: v.Namespace, Name: v.Name, UID: v.UID,
	}
	was, is := find(v.status.Conditions, conditionAccepted), find(s.Conditions, conditionAccepted)
	switch {
	case was.Reason == is.Reason:
	case was.Reason == reasonConflicted && is.Status == metav1.ConditionTrue:
		w.events.Eventf(about, nil, corev1.EventTypeNormal, "Promoted", "Judge", "%s", "the older claim to the URL is gone: requests are judged by this object now")
	case is.Status == metav1.ConditionTrue:
		w.events.Eventf(about, nil, corev1.EventTypeNormal, is.Reason, "Judge", "%s", is.Message)
	default:
		w.events.Eventf(about, nil, corev1.EventTypeWarning, is.Reason, "Judge", "%s", short(is.Message))
	}
	if was, is := find(v.status.Conditions, conditionResolvedRefs), find(s.Conditions, conditionResolvedRefs); was.Reason != is.Reason && is.Status == metav1.ConditionFalse {
		w.events.Eventf(about, nil, corev1.EventTypeWarning, is.Reason, "Judge", "%s", short(is.Message))
	}
	if is := find(s.Conditions, conditionRouteConflict); is.Reason != find(v.status.Conditions, conditionRouteConflict).Reason && is.Reason != "" {
		w.events.Eventf(about, nil, corev1.EventTypeWarning, is.Reason, "Judge", "%s", is.Message)
	}
}

func find(conditions []metav1.Condition, kind string) metav1.Condition {
	for _, c := range conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

// short cuts a message to what the note of an event takes.
func short(s string) string {
	const most = 1000
	if len(s) > most {
		return s[:most]
	}
	return s
}

// patch replaces the status of an object as a whole.
func (w *writer) patch(ctx context.Context, what schema.GroupVersionResource, o *object, status any) bool {
	body, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": o.UID},
		{"op": "add", "path": "/status", "value": status},
	})
	if err != nil {
		return false
	}
	once, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_, err = w.client.Resource(what).Namespace(o.Namespace).Patch(once, o.Name, types.JSONPatchType, body, metav1.PatchOptions{}, "status")
	switch {
	case err == nil, apierrors.IsNotFound(err): // gone: nothing to write
		return true
	case ctx.Err() != nil: // no leader any more: the next one writes it, and tells of it
		return false
	}
	w.log.Warn("the status of an object cannot be written", "kind", what.Resource, "object", o.key(), "cause", cause(err))
	return false
}
