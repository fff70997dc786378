package main

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// readiness says whether gateways should send requests here. It never depends on whether an authorization server is up: one
// tenant's must not take everybody's front away.
type readiness struct {
	serving   atomic.Bool // listeners are bound and served
	attempted atomic.Bool // the keys of every authorization server were asked for once
	draining  atomic.Bool
	config    *configuration
	issuers   *issuers
	tls       []*certificates
}

func (r *readiness) ready() bool {
	return r.serving.Load() && r.attempted.Load() && !r.draining.Load() && r.config.authorizer.Configured()
}

// detail is the body of /readyz: the parts of "ready", and then what is for information alone. docs/operations.md lists it;
// a test compares. Names and key paths stand in it, and never a value.
type detail struct {
	Ready         bool `json:"ready"`
	Listening     bool `json:"listening"`
	Configured    bool `json:"configured"`
	KeysAttempted bool `json:"keysAttempted"`
	Draining      bool `json:"draining"`

	ConfigurationApplied        string          `json:"configurationApplied"`
	LastConfigurationRejected   bool            `json:"lastConfigurationRejected"`
	ConfigurationProblems       int             `json:"configurationProblems"`
	ConfigurationProblemKeys    []string        `json:"configurationProblemKeys"`
	FailingAuthorizationServers []failingServer `json:"failingAuthorizationServers"`
	RejectedTLS                 []string        `json:"rejectedTLS"`
}

// failingServer is an authorization server whose last fetch of keys failed.
type failingServer struct {
	Name  string `json:"name"`
	Keys  int    `json:"keys"` // of the last good set, which serve on
	Cause string `json:"cause"`
}

func (r *readiness) detail() detail {
	d := detail{
		Ready: r.ready(), Listening: r.serving.Load(), Configured: r.config.authorizer.Configured(),
		KeysAttempted: r.attempted.Load(), Draining: r.draining.Load(),
		ConfigurationApplied:     time.Unix(r.config.changed.Load(), 0).UTC().Format(time.RFC3339),
		ConfigurationProblemKeys: []string{}, FailingAuthorizationServers: []failingServer{}, RejectedTLS: []string{},
	}
	if no := r.config.rejected.Load(); no != nil {
		d.LastConfigurationRejected, d.ConfigurationProblems = true, no.problems
		d.ConfigurationProblemKeys = append(d.ConfigurationProblemKeys, no.keys...)
	}
	running := r.issuers.all()
	for _, name := range slices.Sorted(maps.Keys(running)) {
		if s := running[name].Status(); s.Failing {
			d.FailingAuthorizationServers = append(d.FailingAuthorizationServers, failingServer{name, s.Keys, s.Cause})
		}
	}
	for _, c := range r.tls {
		if good, _ := c.status(); !good {
			d.RejectedTLS = append(d.RejectedTLS, c.key())
		}
	}
	return d
}

// rejection is what /readyz says of a file that is not in force. The log says it all.
type rejection struct {
	problems int
	keys     []string // of the first of them
}

const (
	maxRejectionKeys = 5        // that /readyz lists
	wholeFile        = "(file)" // stands for a key path where the file as such is wrong
)

func newRejection(problems []spec.Problem) *rejection {
	r := &rejection{}
	for _, p := range problems {
		if p.Warning {
			continue
		}
		if r.problems++; r.problems <= maxRejectionKeys {
			r.keys = append(r.keys, p.Path)
		}
	}
	return r
}
