package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/kube"
	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/internal/files"
)

// configuration is the file in force, and how it comes to be replaced. A file that is not good changes nothing.
type configuration struct {
	path       string
	log        *slog.Logger
	level      *slog.LevelVar
	authorizer *authz.Authorizer
	issuers    *issuers
	observer   *observer
	cluster    *kube.Cluster // nil without one
	started    spec.File     // what the process began with: some of it needs a restart

	current  atomic.Pointer[spec.File] // as it was read
	inForce  atomic.Pointer[spec.File] // with what a cluster adds
	counts   atomic.Pointer[clusterCounts]
	first    chan struct{} // closed once something is in force
	mu       sync.Mutex
	file     *files.Reader
	seen     [sha256.Size]byte         // of the last content looked at, good or bad
	rejected atomic.Pointer[rejection] // of the last content; nil if that is in force
	changed  atomic.Int64              // Unix time of the last good one
}

// apply puts a good file in force: keys and cache of unchanged authorization servers stay, requests in flight finish on what
// they began with. Beside a cluster nothing is in force until all that it declares is known.
func (c *configuration) apply(f *spec.File) error {
	if err := c.put(f); err != nil {
		return err
	}
	c.level.Set(logLevel(f.Log.Level))
	c.observer.setLines(f.Log.Decisions)
	c.current.Store(f)
	c.changed.Store(time.Now().Unix())
	c.rejected.Store(nil)
	for i := range f.Resources {
		if f.Resources[i].InsecureAnyHost {
			c.log.Warn("a resource takes any host; this is for development only", "resource", f.Resources[i].Name)
		}
	}
	return nil
}

// put puts a file in force, with what the cluster adds to it.
func (c *configuration) put(f *spec.File) error {
	var judged *kube.Judgement
	if c.cluster != nil {
		if judged = c.cluster.Judge(f); judged == nil {
			return nil
		}
		f = judged.File
	}
	verifier, commit, err := c.issuers.prepare(f)
	if err != nil {
		return err
	}
	snapshot, err := f.Snapshot(verifier)
	if err != nil {
		return err
	}
	c.authorizer.Use(snapshot)
	commit()
	before := c.inForce.Swap(f)
	if before == nil {
		close(c.first)
	}
	if judged != nil {
		c.forget(before, f)
		c.count(judged)
		c.cluster.InForce(judged)
	}
	return nil
}

// clusterChanged puts in force what the cluster declares now, beside the file that is in force.
func (c *configuration) clusterChanged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.put(c.current.Load()); err != nil {
		c.log.Error("what the cluster declares cannot be applied; the last good declarations stay in force", "problem", err.Error())
	}
}

// clusterCounts are the ProtectedResources of a cluster.
type clusterCounts struct{ inForce, unusable, refused int }

func (c *configuration) count(j *kube.Judgement) {
	var n clusterCounts
	n.inForce, n.unusable, n.refused = j.Counts()
	if before := c.counts.Swap(&n); before == nil || *before != n {
		c.log.Info("declarations of the cluster applied", "in_force", n.inForce, "unusable", n.unusable, "refused", n.refused)
	}
}

// reload looks at the file and applies it if its content is new. Every problem of a bad one is logged, once.
func (c *configuration) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		c.file = &files.Reader{Name: c.path, Limit: spec.MaxFileBytes}
	}
	ctx, cancel := context.WithTimeout(context.Background(), reloadRead)
	defer cancel()
	data, _, err := c.file.Read(ctx)
	if err != nil {
		if unread := [sha256.Size]byte{}; c.seen != unread {
			c.seen = unread
			c.log.Error("the configuration cannot be read; the last good one stays in force", "path", c.path, "problem", fileProblem(err))
		}
		c.rejected.Store(&rejection{problems: 1, keys: []string{wholeFile}})
		return
	}
	sum := sha256.Sum256(data)
	if sum == c.seen {
		return
	}
	c.seen = sum
	f, problems := loadConfig(data)
	c.logProblems(problems)
	if f == nil {
		no := newRejection(problems)
		c.rejected.Store(no)
		c.log.Error("the configuration is not good; the last good one stays in force", "path", c.path, "problems", no.problems)
		return
	}
	if err := c.apply(f); err != nil {
		c.rejected.Store(&rejection{problems: 1, keys: []string{wholeFile}})
		c.log.Error("the configuration cannot be applied; the last good one stays in force", "path", c.path, "problem", err.Error())
		return
	}
	c.log.Info("configuration applied", "path", c.path, "resources", len(f.Resources), "authorization_servers", len(f.AuthorizationServers))
	if needsRestart(&c.started, f) {
		c.log.Warn("listen, kubernetes, limits.messageBytes, limits.cacheEntries or limits.cacheBytes changed; restart to apply them, everything else is in force", "path", c.path)
	}
}

func needsRestart(started, f *spec.File) bool {
	return !reflect.DeepEqual(f.Listen, started.Listen) || !reflect.DeepEqual(f.Kubernetes, started.Kubernetes) ||
		f.Limits.MessageBytes != started.Limits.MessageBytes || f.Limits.CacheEntries != started.Limits.CacheEntries || f.Limits.CacheBytes != started.Limits.CacheBytes
}

func (c *configuration) logProblems(problems []spec.Problem) {
	for _, p := range problems {
		level := slog.LevelError
		if p.Warning {
			level = slog.LevelWarn
		}
		c.log.Log(context.Background(), level, "configuration problem", "key", p.Path, "line", p.Line, "found", p.Found, "expected", p.Expected, "next", p.Next)
	}
}

func fileProblem(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "the file does not exist"
	case errors.Is(err, os.ErrPermission):
		return "no permission to read the file"
	case errors.Is(err, files.ErrTooLarge):
		return "the configuration is larger than 16 MiB"
	}
	return err.Error()
}

// How long a file must be left alone before it is read: while somebody writes in place, it may say less than it should and
// still be good. One that was put in its place whole needs little. What never rests is read all the same, in the end.
const (
	settle           = 100 * time.Millisecond
	maxSettle        = time.Second
	inPlaceSettle    = 2 * time.Second
	maxInPlaceSettle = 10 * time.Second
)

// reloadRead bounds the reading of the file, should its file system hang.
const reloadRead = 5 * time.Second

var errWatchEnded = errors.New("the watch of the configuration ended")

// watch reloads when the file changes, by whatever way: written, renamed over, or swapped by a symbolic link, as Kubernetes
// does with mounted ConfigMaps; and on SIGHUP, at once. It returns when ctx ends.
func (c *configuration) watch(ctx context.Context, hup <-chan os.Signal) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(c.path)); err != nil {
		return err
	}
	return c.follow(ctx, hup, watcher.Events, watcher.Errors)
}

func (c *configuration) follow(ctx context.Context, hup <-chan os.Signal, events <-chan fsnotify.Event, lost <-chan error) error {
	since, inPlace := time.Now(), true // for what changed before the watch began: nobody knows how
	look := time.NewTimer(inPlaceSettle)
	defer look.Stop()
	for {
		var ok bool
		var event fsnotify.Event
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			c.reload()
			continue
		case <-look.C:
			c.reload()
			since, inPlace = time.Time{}, false
			continue
		case event, ok = <-events:
		case _, ok = <-lost: // events, perhaps, of whatever kind
			event = fsnotify.Event{Name: c.path, Op: fsnotify.Write}
		}
		if !ok {
			return errWatchEnded
		}
		if since.IsZero() {
			since = time.Now()
		}
		quiet, limit := settle, maxSettle
		switch {
		case c.written(event):
			inPlace, quiet, limit = true, inPlaceSettle, maxInPlaceSettle
		case inPlace && !c.replaced(event):
			continue // a file beside it; the wait goes on
		case inPlace:
			since, inPlace = time.Now(), false // what was half written is gone
		}
		look.Reset(max(0, min(quiet, time.Until(since.Add(limit)))))
	}
}

// written tells of a change within the file, by its own name or by that of what it links to.
func (c *configuration) written(e fsnotify.Event) bool {
	if !e.Has(fsnotify.Write) {
		return false
	}
	of, err := os.Stat(e.Name)
	if err != nil {
		return false // gone: if the file is another now, there is an event for that
	}
	file, err := os.Stat(c.path)
	return err == nil && os.SameFile(of, file)
}

// replaced tells of another file in its place: renamed over, made anew, or behind the link that Kubernetes swaps.
func (c *configuration) replaced(e fsnotify.Event) bool {
	name := filepath.Base(e.Name)
	return e.Has(fsnotify.Create) && (name == filepath.Base(c.path) || name == "..data")
}

func logLevel(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}
