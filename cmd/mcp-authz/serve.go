package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/extauthz"
	"github.com/mcp-authz/mcp-authz/metadata"
)

const (
	firstKeys    = 10 * time.Second // how long readiness waits for the first fetch of keys
	stopDeadline = 15 * time.Second // for calls in flight, after drainDelay
)

func serveCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve decisions to gateways and metadata to clients",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), config, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "the configuration `file`; read again when it changes and on SIGHUP")
	_ = cmd.MarkFlagRequired("config") // the flag exists
	return cmd
}

// errLogged ends the process with 1. What went wrong is in the log, and no text for people may follow it there.
var errLogged = errors.New("see the log")

// serve runs the process until a signal, or until something fails that it cannot do without. From the first listener on it
// writes JSON lines to out and nothing else.
func serve(ctx context.Context, path string, out io.Writer) error {
	if ctx == nil {
		ctx = context.Background()
	}
	hup := make(chan os.Signal, 1) // caught from the start, else an early one would end the process
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	data, err := readFile(path)
	if err != nil {
		return err
	}
	file, problems := loadConfig(data)
	if file == nil {
		for _, p := range problems {
			fmt.Fprintln(out, p)
		}
		return problemCount(problems, path)
	}

	level := new(slog.LevelVar)
	level.Set(logLevel(file.Log.Level))
	registry := prometheus.NewRegistry()
	lines := newLineWriter(out, registry)
	defer lines.end() // before anything else that a way out prints, and after all that it logs
	log := slog.New(slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(log)
	extauthz.LogTo(log)

	secured, err := newTransport(file.Listen, log)
	if err != nil {
		return err
	}
	traces, err := newTracing(os.Getenv, log)
	if err != nil {
		return err
	}
	bound, err := listen(file.Listen)
	if err != nil {
		return err
	}
	defer bound.close()

	life, end := context.WithCancel(context.WithoutCancel(ctx)) // of the issuers: they serve through the drain
	watching := newObserver(log, registry)
	watching.traced = traces != nil
	servers := newIssuers(life, file.Limits, log)
	defer servers.wait()
	var parts sync.WaitGroup
	defer parts.Wait()
	defer end()
	config := &configuration{
		path: path, log: log, level: level, authorizer: &authz.Authorizer{Observer: watching}, issuers: servers, observer: watching,
		started: *file, first: make(chan struct{}), seen: sha256.Sum256(data),
	}
	config.logProblems(problems)
	if file.Kubernetes != nil {
		if config.cluster, err = newCluster(*file.Kubernetes, config.clusterChanged, log); err != nil {
			log.Error("the cluster cannot be watched", "problem", err.Error())
			return errLogged
		}
	}
	if err := config.apply(file); err != nil {
		log.Error("the configuration cannot be applied", "path", path, "problem", err.Error())
		return errLogged
	}
	ready := &readiness{config: config, issuers: servers, tls: secured.files}
	checks := extauthz.NewServer(extauthz.Config{
		Authorizer: config.authorizer, MessageBytes: file.Limits.MessageBytes, TLS: secured.grpc, TracerProvider: traces.tracerProvider(),
	})
	documents := newHTTPServer(metadata.Handler(config.authorizer.Metadata), log, secured.metadata)
	admin := newHTTPServer(newAdmin(ready, registry, log), log, nil)

	stopped, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed := make(chan error, 4)
	run := func(what string, f func() error) {
		parts.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	run("listen.grpc "+file.Listen.GRPC, func() error { return checks.Serve(bound.grpc) })
	run("listen.metadata "+file.Listen.Metadata, func() error { return serveHTTP(documents, bound.metadata) })
	run("listen.admin "+file.Listen.Admin, func() error { return serveHTTP(admin, bound.admin) })
	run("configuration "+path, func() error { return config.watch(life, hup) })
	if config.cluster != nil {
		parts.Go(func() { config.cluster.Run(life) })
	}
	ready.serving.Store(true)
	v, revision, _ := buildVersion()
	log.Info("serving", "version", v, "revision", revision, "grpc", bound.grpc.Addr().String(), "metadata", bound.metadata.Addr().String(),
		"admin", bound.admin.Addr().String(), "resources", len(file.Resources), "authorization_servers", len(file.AuthorizationServers),
		"traces", traces.String(), "kubernetes", config.cluster != nil)
	attempted := make(chan struct{})
	go func() {
		config.configured(life)
		waitForKeys(life, servers)
		close(attempted)
	}()

	for waiting := true; waiting; {
		select {
		case <-attempted:
			attempted = nil
			ready.attempted.Store(true)
			checks.SetServing(true)
			log.Info("ready")
			continue
		case err = <-failed:
		case <-stopped.Done():
			stop() // a second signal ends the process at once
			delay := config.current.Load().DrainDelay
			log.Info("draining", "delay", delay.String())
			ready.draining.Store(true)
			checks.SetServing(false)
			if config.cluster != nil {
				config.cluster.Resign()
			}
			select {
			case <-time.After(delay):
			case err = <-failed:
			}
		}
		waiting = false
	}
	stop()
	if err != nil {
		log.Error("a part of the process failed; ending", "problem", err.Error())
		err = errLogged
	}
	deadline, cancel := context.WithTimeout(life, stopDeadline)
	defer cancel()
	checks.Stop(deadline)
	_ = documents.Shutdown(deadline) // what is left after the deadline is cut by Close
	_ = admin.Close()
	_ = documents.Close()
	traces.stop(deadline) // all spans have ended
	log.Info("stopped")
	return err
}

// waitForKeys returns when the keys of every authorization server were asked for once, or after firstKeys.
func waitForKeys(ctx context.Context, servers *issuers) {
	ctx, cancel := context.WithTimeout(ctx, firstKeys)
	defer cancel()
	for _, issuer := range servers.all() {
		select {
		case <-issuer.Attempted():
		case <-ctx.Done():
			return
		}
	}
}
