package istio

import (
	"strings"
	"testing"

	policy "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// request is as much of one as routes and rules look at.
type request struct{ host, path string }

// checked says whether the gateway would put it to mcp-authz.
func (s sent) checked(t *testing.T, r request) bool {
	t.Helper()
	if s.authz == nil {
		return false
	}
	if s.authz.FilterEnabledMetadata == nil {
		return true
	}
	return s.shadow != nil && matches(t, s.shadow.ShadowRules, r)
}

// refused says whether the gateway would refuse it by itself.
func (s sent) refused(t *testing.T, r request) bool {
	t.Helper()
	return s.denies != nil && s.denies.Rules.Action == policy.RBAC_DENY && matches(t, s.denies.Rules, r)
}

// host finds the virtual host that answers, as Envoy does: the exact name, else the longest wildcard, else "*".
func (s sent) host(r request) (found *route.VirtualHost) {
	name := strings.ToLower(r.host)
	if s.routes.IgnorePortInHostMatching {
		if host, port, ok := strings.Cut(name, ":"); ok && strings.Trim(port, "0123456789") == "" {
			name = host
		}
	}
	longest := -1
	for _, h := range s.routes.VirtualHosts {
		for _, domain := range h.Domains {
			suffix, wild := strings.CutPrefix(domain, "*")
			switch {
			case domain == name:
				return h
			case wild && strings.HasSuffix(name, suffix) && len(suffix) > longest:
				found, longest = h, len(suffix)
			}
		}
	}
	return found
}

// upstream is the cluster that would get it, "" if no route matches.
func (s sent) upstream(t *testing.T, r request) string {
	t.Helper()
	host := s.host(r)
	if host == nil {
		return ""
	}
	for _, to := range host.Routes {
		if len(to.Match.Headers)+len(to.Match.QueryParameters) > 0 {
			t.Fatalf("a route that this test cannot follow: %v", to.Match)
		}
		var hit bool
		switch m := to.Match.PathSpecifier.(type) {
		case *route.RouteMatch_Prefix:
			hit = strings.HasPrefix(r.path, m.Prefix)
		case *route.RouteMatch_PathSeparatedPrefix:
			hit = r.path == m.PathSeparatedPrefix || strings.HasPrefix(r.path, m.PathSeparatedPrefix+"/")
		case *route.RouteMatch_Path:
			hit = r.path == m.Path
		default:
			t.Fatalf("a path that this test cannot follow: %v", to.Match)
		}
		if hit {
			return to.GetRoute().GetCluster()
		}
	}
	return ""
}

// matches says whether any policy of the rules is about the request; principals are taken to be anybody.
func matches(t *testing.T, rules *policy.RBAC, r request) bool {
	t.Helper()
	for _, p := range rules.Policies {
		for _, permission := range p.Permissions {
			if permits(t, permission, r) {
				return true
			}
		}
	}
	return false
}

func permits(t *testing.T, p *policy.Permission, r request) bool {
	t.Helper()
	switch rule := p.Rule.(type) {
	case *policy.Permission_Any:
		return rule.Any
	case *policy.Permission_AndRules:
		for _, inner := range rule.AndRules.Rules {
			if !permits(t, inner, r) {
				return false
			}
		}
		return true
	case *policy.Permission_OrRules:
		for _, inner := range rule.OrRules.Rules {
			if permits(t, inner, r) {
				return true
			}
		}
		return false
	case *policy.Permission_NotRule:
		return !permits(t, rule.NotRule, r)
	case *policy.Permission_UrlPath:
		path, _, _ := strings.Cut(r.path, "?")
		return says(t, rule.UrlPath.GetPath(), path)
	case *policy.Permission_Header:
		if rule.Header.Name == ":authority" {
			if m := rule.Header.GetStringMatch(); m != nil {
				return says(t, m, r.host)
			}
		}
	}
	t.Fatalf("a rule that this test cannot follow: %v", p)
	return false
}

func says(t *testing.T, m *matcher.StringMatcher, value string) bool {
	t.Helper()
	if m.IgnoreCase {
		value = strings.ToLower(value)
	}
	switch p := m.MatchPattern.(type) {
	case *matcher.StringMatcher_Exact:
		return value == p.Exact
	case *matcher.StringMatcher_Prefix:
		return strings.HasPrefix(value, p.Prefix)
	case *matcher.StringMatcher_Suffix:
		return strings.HasSuffix(value, p.Suffix)
	}
	t.Fatalf("a matcher that this test cannot follow: %v", m)
	return false
}
