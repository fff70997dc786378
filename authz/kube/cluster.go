package kube

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// Config is what a Cluster is made of.
type Config struct {
	Kubernetes spec.Kubernetes
	REST       *rest.Config                          // nil: the ServiceAccount of the pod, else what KUBECONFIG names
	Check      func(*spec.AuthorizationServer) error // what only the verifier knows of a good declaration; may be nil
	Changed    func()                                // Judge may say something new; never called twice at once
	Log        *slog.Logger
	UserAgent  string
}

// Cluster is the view of the objects of one Kubernetes cluster.
type Cluster struct {
	config  Config
	rest    *rest.Config
	client  dynamic.Interface
	log     *slog.Logger
	changed chan struct{} // declarations did
	status  chan struct{} // or what stands in their status

	mu       sync.Mutex
	watched  []*watched // all that are not late must have synced before anything is judged
	complete bool       // the list of them is

	inForce atomic.Pointer[Judgement]
	resign  context.CancelFunc // gives the leadership up, for good
	stay    context.Context    //nolint:containedctx // until then
	writing sync.Mutex
	leading atomic.Bool
	errors  atomic.Int64 // of watches
}

// New makes a Cluster. It does not ask the API server for anything yet.
func New(c Config) (*Cluster, error) {
	quiet()
	config := c.REST
	if config == nil {
		var err error
		if config, err = connect(); err != nil {
			return nil, err
		}
	}
	config = rest.CopyConfig(config)
	config.UserAgent, config.QPS, config.Burst, config.WarningHandler = c.UserAgent, 50, 100, rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, errors.New("the access to the Kubernetes API server is not configured well; check KUBECONFIG")
	}
	stay, resign := context.WithCancel(context.Background())
	return &Cluster{
		config: c, rest: config, client: client, log: c.Log, changed: make(chan struct{}, 1), status: make(chan struct{}, 1),
		stay: stay, resign: resign,
	}, nil
}

func connect() (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if err == nil {
		return config, nil
	}
	config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, errors.New("no access to a Kubernetes API server; run in a pod with a ServiceAccount token, or set KUBECONFIG")
	}
	return config, nil
}

// Run watches until ctx ends. Whatever fails is tried again.
func (c *Cluster) Run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts.Go(func() { c.watchAll(ctx, &parts) })
	parts.Go(func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(c.stay, cancel)()
		c.lead(ctx)
	})
	c.follow(ctx)
}

// follow calls Changed after changes: at once for one that comes alone, and for many not so often that judging takes more than
// about a quarter of a core.
func (c *Cluster) follow(ctx context.Context) {
	const settle = 20 * time.Millisecond // objects that are applied together come together
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
		if !pause(ctx, settle) {
			return
		}
		select { // what came meanwhile is judged with the rest
		case <-c.changed:
		default:
		}
		if !c.Synced() {
			continue
		}
		began := time.Now()
		c.config.Changed()
		if !rested(ctx, began) {
			return
		}
	}
}

// signal raises a flag that is a channel.
func signal(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}

// Synced says that all there was at one moment has been read. It stays so if the API server goes away.
func (c *Cluster) Synced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.complete && !slices.ContainsFunc(c.watched, func(w *watched) bool { return !w.late && !w.informer.HasSynced() })
}

// Resign leaves the writing to another instance, and goes on watching: for one that drains, and may know an older configuration.
func (c *Cluster) Resign() { c.resign() }

// Leading says that this instance writes status and routes.
func (c *Cluster) Leading() bool { return c.leading.Load() }

// WatchErrors counts failures of watches so far.
func (c *Cluster) WatchErrors() int64 { return c.errors.Load() }

// Judge judges what is known now beside a file. It is nil until everything has been read once.
func (c *Cluster) Judge(file *spec.File) *Judgement {
	if !c.Synced() {
		return nil
	}
	return c.world().judge(&c.config.Kubernetes, file)
}

// InForce tells that a judgement was put in force: the leader writes it down.
func (c *Cluster) InForce(j *Judgement) {
	c.inForce.Store(j)
	signal(c.status)
}

// Counts are the ProtectedResources of a judgement: in force, kept but answered 503, and refused.
func (j *Judgement) Counts() (inForce, unusable, refused int) {
	for _, v := range j.resources {
		switch {
		case v.usable():
			inForce++
		case v.placed:
			unusable++
		default:
			refused++
		}
	}
	return inForce, unusable, refused
}

// each calls f for every object that is kept.
func (c *Cluster) each(f func(any)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, in := range c.watched {
		if !in.informer.HasSynced() {
			continue // a part of the routes would prove a URL for the one namespace and not yet for the other
		}
		for _, o := range in.informer.GetStore().List() {
			f(o)
		}
	}
}

// world is what the stores hold.
func (c *Cluster) world() *world {
	w := newWorld()
	c.each(func(o any) {
		switch o := o.(type) {
		case *resource:
			w.resources = append(w.resources, o)
		case *server:
			w.servers = append(w.servers, o)
		case *grant:
			w.grants = append(w.grants, o)
		case *route:
			w.addRoute(o)
		case *policy:
			w.policies[o.Namespace] = append(w.policies[o.Namespace], o)
		case *namespace:
			w.namespaces[o.Name] = o
		}
	})
	w.sort()
	return w
}

func newWorld() *world {
	return &world{
		routes: map[string]*route{}, namespaces: map[string]*namespace{}, routesOf: map[string][]*route{}, policies: map[string][]*policy{},
	}
}

func (w *world) addRoute(rt *route) {
	w.routes[rt.key()] = rt
	w.routesOf[rt.Namespace] = append(w.routesOf[rt.Namespace], rt)
}

// sort puts everything in an order that does not depend on how it came.
func (w *world) sort() {
	for _, of := range w.routesOf {
		slices.SortFunc(of, func(a, b *route) int { return strings.Compare(a.Name, b.Name) })
	}
	for _, of := range w.policies {
		slices.SortFunc(of, func(a, b *policy) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(w.resources, func(a, b *resource) int { return a.before(&b.object) })
	slices.SortFunc(w.servers, func(a, b *server) int { return a.before(&b.object) })
	slices.SortFunc(w.grants, func(a, b *grant) int { return a.before(&b.object) })
}
