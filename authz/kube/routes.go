package kube

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/metadata"
)

const (
	labelManaged = "app.kubernetes.io/managed-by"
	labelPart    = "app.kubernetes.io/component"
	managedBy    = "mcp-authz"
	component    = "metadata-route"
	maxParents   = 32 // of an HTTPRoute
	metadataPath = "/.well-known/" + metadata.Segment
)

// metadataRoutes are the HTTPRoutes that lead to the metadata documents: one for each host, since a gateway looks for the exact host
// first and would not look on in a route for all. Each stands at the Gateways that accepted the routes of its host's resources, under
// the hostname that those list there: a more exact one would take the host away from them.
func metadataRoutes(k *spec.Kubernetes, j *Judgement) map[string]*unstructured.Unstructured {
	out := map[string]*unstructured.Unstructured{}
	m := k.MetadataRoutes
	if m == nil {
		return out
	}
	parents := map[string]map[parent]bool{}
	for _, v := range j.resources {
		host := bareHost(v.id.Host)
		if !v.placed || !v.metadataRoute || !routable(host) {
			continue
		}
		at := v.stands
		if len(v.targets) == 0 {
			at = nil
			for _, p := range m.ParentRefs {
				to := parent{Group: httpRoutes().Group, Kind: "Gateway", Namespace: p.Namespace, Name: p.Name, SectionName: p.SectionName}
				if !j.routes.shadows(host, to) {
					at = append(at, stand{host, to})
				}
			}
		}
		for _, s := range at {
			if parents[s.hostname] == nil {
				parents[s.hostname] = map[parent]bool{}
			}
			parents[s.hostname][s.parent] = true
		}
	}
	for host, of := range parents {
		// The API takes a Gateway as a whole, or some of its listeners.
		maps.DeleteFunc(of, func(p parent, _ bool) bool { return p.SectionName != "" && of[p.whole()] })
		at := slices.SortedFunc(maps.Keys(of), func(a, b parent) int {
			return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.SectionName, b.SectionName), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Group, b.Group))
		})
		r := metadataRoute(k, host, at[:min(len(at), maxParents)])
		out[r.GetName()] = r
	}
	return out
}

// whole is a Gateway with all its listeners.
func (p parent) whole() parent {
	p.SectionName = ""
	return p
}

// routable says whether a route can name a host (Gateway API, PreciseHostname): addresses and loopback are none of a Gateway's, and a
// URL may have an underscore, or a hyphen where a hostname has none.
func routable(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && !metadata.IsLoopback(host) && len(validation.IsDNS1123Subdomain(host)) == 0
}

// metadataRoute is named by enough of a hash that nobody finds a host whose route would take another's name.
func metadataRoute(k *spec.Kubernetes, host string, at []parent) *unstructured.Unstructured {
	sum := sha256.Sum256([]byte(host))
	named := strings.TrimPrefix(host, "*.")
	readable := strings.Trim(strings.ReplaceAll(named[:min(len(named), 32)], ".", "-"), "-")
	refs := make([]any, 0, len(at))
	for _, p := range at {
		ref := map[string]any{"group": p.Group, "kind": p.Kind, "namespace": p.Namespace, "name": p.Name}
		if p.SectionName != "" {
			ref["sectionName"] = p.SectionName
		}
		refs = append(refs, ref)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": httpRoutes().GroupVersion().String(),
		"kind":       "HTTPRoute",
		"metadata": map[string]any{
			"namespace": k.Namespace,
			"name":      "mcp-authz-" + readable + "-" + hex.EncodeToString(sum[:10]),
			"labels":    map[string]any{labelManaged: managedBy, labelPart: component, "mcp-authz.dev/lease": k.Lease},
		},
		"spec": map[string]any{
			"parentRefs": refs,
			"hostnames":  []any{host},
			"rules": []any{map[string]any{
				"matches":     []any{map[string]any{"path": map[string]any{"type": pathPrefix, "value": metadataPath}}},
				"backendRefs": []any{map[string]any{"group": "", "kind": "Service", "name": k.MetadataRoutes.Service, "port": int64(k.MetadataRoutes.Port), "weight": int64(1)}},
			}},
		},
	}}
}

// routeWriter makes the routes what they should be.
type routeWriter struct {
	*Cluster
	applied map[string]string // name → what was applied
	listed  time.Time         // when those that exist were looked at
	owner   []metav1.OwnerReference
}

func newRouteWriter(c *Cluster) *routeWriter {
	return &routeWriter{Cluster: c, applied: map[string]string{}}
}

func (w *routeWriter) write(ctx context.Context, j *Judgement) bool {
	k := &w.config.Kubernetes
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	at := w.client.Resource(httpRoutes()).Namespace(k.Namespace)
	if time.Since(w.listed) >= writeAll {
		existing, err := at.List(ctx, metav1.ListOptions{LabelSelector: labelManaged + "=" + managedBy + "," + labelPart + "=" + component + ",mcp-authz.dev/lease=" + k.Lease})
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) && k.MetadataRoutes == nil {
			return true // there are no HTTPRoutes here, or none that are ours to make
		}
		if err != nil {
			return w.failed("list", "", err)
		}
		w.applied = map[string]string{}
		for i := range existing.Items {
			w.applied[existing.Items[i].GetName()] = "" // made by us, at some time
		}
		if owner := w.service(ctx); owner != nil {
			w.owner = owner
		}
		w.listed = time.Now()
	}
	good, wanted := true, metadataRoutes(k, j)
	for name := range w.applied {
		if wanted[name] != nil {
			continue
		}
		if err := at.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			good = w.failed("delete", name, err)
			continue
		}
		delete(w.applied, name)
	}
	for name, r := range wanted {
		r.SetOwnerReferences(w.owner)
		text, err := json.Marshal(r.Object)
		if err != nil || w.applied[name] == string(text) {
			continue
		}
		if _, err := at.Apply(ctx, name, r, metav1.ApplyOptions{FieldManager: managedBy, Force: true}); err != nil {
			good = w.failed("apply", name, err)
			continue
		}
		w.applied[name] = string(text)
	}
	return good
}

func (w *routeWriter) failed(verb, name string, err error) bool {
	w.log.Warn("a metadata HTTPRoute cannot be written; discovery goes by the documents that the checks answer", "verb", verb, "object", name, "cause", cause(err))
	return false
}

// service makes the Service own the routes: they go when it is uninstalled.
func (w *routeWriter) service(ctx context.Context) []metav1.OwnerReference {
	if w.config.Kubernetes.MetadataRoutes == nil {
		return nil
	}
	services := schema.GroupVersionResource{Version: "v1", Resource: "services"}
	s, err := w.client.Resource(services).Namespace(w.config.Kubernetes.Namespace).Get(ctx, w.config.Kubernetes.MetadataRoutes.Service, metav1.GetOptions{})
	if err != nil {
		w.log.Warn("the Service of the metadata listener cannot be read; its HTTPRoutes would stay behind an uninstall", "cause", cause(err))
		return nil
	}
	return []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: s.GetName(), UID: s.GetUID()}}
}
