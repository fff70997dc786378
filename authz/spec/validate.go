package spec

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validate checks what types cannot say. It leaves alone what the decoder has complained about.
func (f *File) validate(p *problems) {
	f.Listen.validate(p)
	f.Limits.validate(p)
	between(p, "drainDelay", f.DrainDelay, 0, 5*time.Minute)
	oneOf(p, "log.level", f.Log.Level, "debug", "info", "warn", "error")
	oneOf(p, "log.decisions", f.Log.Decisions, "all", "denied", "none")

	names, issuers := map[string]string{}, map[string]string{}
	for i := range f.AuthorizationServers {
		if p.full() {
			return
		}
		s, path := &f.AuthorizationServers[i], fmt.Sprintf("authorizationServers[%d]", i)
		unique(p, path+".name", s.Name, names)
		name(p, path+".name", s.Name)
		s.validate(p, path)
		if s.Issuer != "" {
			unique(p, path+".issuer", s.Issuer, issuers)
		}
	}
	f.validateResources(p)
	if f.Kubernetes != nil {
		f.Kubernetes.validate(p)
	}
}

func (l *Listen) validate(p *problems) {
	seen := map[string]string{}
	for _, a := range []struct{ path, addr string }{{"listen.grpc", l.GRPC}, {"listen.metadata", l.Metadata}, {"listen.admin", l.Admin}} {
		if p.has(a.path) {
			continue
		}
		if !validAddress(a.addr) {
			p.add(a.path, strconv.Quote(short(a.addr)), "host:port or unix:/absolute/path", "")
			continue
		}
		if _, port, err := net.SplitHostPort(a.addr); err != nil || port != "0" { // any free port is never the same twice
			unique(p, a.path, a.addr, seen)
		}
	}
	if t := l.GRPCTLS; t != nil {
		required(p, "listen.grpcTLS.certFile", t.CertFile, "the path of a PEM file")
		required(p, "listen.grpcTLS.keyFile", t.KeyFile, "the path of a PEM file")
		if len(t.AllowedClientSANs) > 0 && t.ClientCAFile == "" {
			p.add("listen.grpcTLS.allowedClientSANs", "names without clientCAFile", "authorities to check the certificates against", "set clientCAFile")
		}
		for i, san := range t.AllowedClientSANs {
			required(p, fmt.Sprintf("listen.grpcTLS.allowedClientSANs[%d]", i), san, "a DNS name or URI")
		}
	}
	if t := l.MetadataTLS; t != nil {
		required(p, "listen.metadataTLS.certFile", t.CertFile, "the path of a PEM file")
		required(p, "listen.metadataTLS.keyFile", t.KeyFile, "the path of a PEM file")
	}
}

func validAddress(addr string) bool {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return strings.HasPrefix(path, "/") && len(path) < 104
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || strings.ContainsAny(host, " /") {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

func (l *Limits) validate(p *problems) {
	between(p, "limits.messageBytes", l.MessageBytes, 1<<20, 64<<20)
	between(p, "limits.tokenBytes", l.TokenBytes, 512, 64<<10)
	between(p, "limits.cacheEntries", l.CacheEntries, 1, 10_000_000)
	between(p, "limits.cacheBytes", l.CacheBytes, 64<<10, math.MaxInt32)
	between(p, "limits.concurrentChecks", l.ConcurrentChecks, 1, 1_000_000)
	between(p, "limits.checkDeadline", l.CheckDeadline, 50*time.Millisecond, 10*time.Second)
}

func between[T int | time.Duration | Duration](p *problems, path string, v, low, high T) {
	if (v < low || v > high) && !p.has(path) {
		p.add(path, plainly(v), plainly(low)+" to "+plainly(high), "")
	}
}

// plainly writes a number, and a duration as people do: 5m for 5m0s.
func plainly(v any) string {
	s := fmt.Sprint(v)
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, none) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func oneOf(p *problems, path, v string, words ...string) {
	if !slices.Contains(words, v) && !p.has(path) {
		p.add(path, strconv.Quote(short(v)), strings.Join(words, ", "), suggest(v, words))
	}
}

func required(p *problems, path, v, what string) bool {
	if p.has(path) {
		return false
	}
	if v == "" {
		p.add(path, "nothing", what, "")
		return false
	}
	return true
}

// unique refuses a value that another path has already.
func unique(p *problems, path, v string, seen map[string]string) {
	if p.has(path) || v == "" {
		return
	}
	if first, taken := seen[v]; taken {
		p.add(path, fmt.Sprintf("%q again (first at %s)", short(v), first), "a value of its own", "change or remove one of the two")
		return
	}
	seen[v] = path
}

// name checks what becomes a label in metrics.
func name(p *problems, path, v string) {
	if !required(p, path, v, "a name") {
		return
	}
	if len(v) > 63 || strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
		p.add(path, strconv.Quote(short(v)), "letters, digits, '.', '_' and '-', at most 63", "")
	}
}
