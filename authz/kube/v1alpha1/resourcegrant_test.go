package v1alpha1_test

import (
	"fmt"
	"testing"
)

// grant is the least that a ResourceGrant says.
var grant = values{"namespaces": values{"names": []string{"weather"}}, "hosts": []string{"weather.mcp.example.com"}}

// Every limit of a ResourceGrant at its border and one beyond, and every rule.
func TestResourceGrant(t *testing.T) {
	host := func(h string) values { return values{"hosts": []string{h}} }
	prefix := func(p string) values { return values{"pathPrefixes": []string{p}} }
	to := func(n values) values { return values{"namespaces": n} }
	number := func(i int) string { return fmt.Sprintf("n%d", i) }

	checkRows(t, readKinds(t)["ResourceGrant"], grant, []row{
		good("the least", nil),
		good("everything", values{
			"namespaces": values{"names": []string{"a"}, "selector": values{"matchLabels": values{"team": "a"}, "matchExpressions": []values{{"key": "b", "operator": "In", "values": []string{"c"}}}}},
			"hosts":      []string{"a.example", "*.b.example", "[2001:db8::1]"}, "pathPrefixes": []string{"/a/b"},
			"authorizationServers": []string{"corp"}, "audiences": []string{"api://a"}, "forwardToken": true,
		}),
		good("all namespaces", to(values{"selector": values{}})),
		bad("no namespaces", "spec.namespaces", "spec.namespaces", to(values{})),
		late("a selector of no kind", "spec.namespaces.selector", to(values{"selector": values{"matchExpressions": []values{{"key": "a", "operator": "Is"}}}})),

		bad("no host", "spec.hosts", "spec.hosts", values{"hosts": []string{}}),
		good("one label", host("intranet")),
		good("an underscore", host("my_svc.ns")),
		good("a wildcard", host("*.mcp.example.com")),
		bad("any host", "spec.hosts[0]", "spec.hosts[0]", host("*")),
		bad("a wildcard inside", "spec.hosts[0]", "spec.hosts[0]", host("a.*.example.com")),
		bad("a wildcard of a part of a label", "spec.hosts[0]", "spec.hosts[0]", host("a*.example.com")),
		bad("two wildcards", "spec.hosts[0]", "spec.hosts[0]", host("*.*.example.com")),
		bad("a host in upper case", "spec.hosts[0]", "spec.hosts[0]", host("A.example")),
		bad("a host with a port", "spec.hosts[0]", "spec.hosts[0]", host("a.example:8443")),
		bad("a host with a scheme", "spec.hosts[0]", "spec.hosts[0]", host("https://a.example")),
		bad("a host with a path", "spec.hosts[0]", "spec.hosts[0]", host("a.example/b")),
		bad("a host with a dot at the end", "spec.hosts[0]", "spec.hosts[0]", host("a.example.")),
		bad("an empty host", "spec.hosts[0]", "spec.hosts[0]", host("")),
		bad("an IDN in letters", "spec.hosts[0]", "spec.hosts[0]", host("münchen.example")),
		good("a label of 63", host(long(63)+".example")),
		bad("a label of 64", "spec.hosts[0]", "spec.hosts[0]", host(long(64)+".example")),
		late("a wildcard that covers too much", "spec.hosts[0]", host("*.com")),
		late("an address that is none", "spec.hosts[0]", host("[:::]")),

		good("the root", prefix("/")),
		good("all bytes that there may be", prefix("/AZaz09._~!$&'()*+:@-/b")),
		bad("an empty prefix", "spec.pathPrefixes[0]", "spec.pathPrefixes[0]", prefix("")),
		less("no prefix", "spec.pathPrefixes", idle, values{"pathPrefixes": []string{}}),
		bad("a relative prefix", "spec.pathPrefixes[0]", "spec.pathPrefixes[0]", prefix("a")),
		bad("a prefix with a slash at the end", "spec.pathPrefixes[0]", "spec.pathPrefixes[0]", prefix("/a/")),
		bad("a prefix with an empty segment", "spec.pathPrefixes[0]", "spec.pathPrefixes[0]", prefix("/a//b")),
		bad("a prefix with an escape", "spec.pathPrefixes[0]", "spec.pathPrefixes[0]", prefix("/a%2fb")),
		bad("a prefix with a parameter", "spec.pathPrefixes[0]", "spec.pathPrefixes[0]", prefix("/a;b")),
		bad("a prefix with a query", "spec.pathPrefixes[0]", "spec.pathPrefixes[0]", prefix("/a?b")),
		late("a prefix with dot segments", "spec.pathPrefixes[0]", prefix("/a/../b")),
		late("a prefix of metadata", "spec.pathPrefixes[0]", prefix("/.well-known/oauth-protected-resource")),

		less("a namespace without a name", "spec.namespaces.names[0]", idle, to(values{"names": []string{""}})),
		less("a namespace of 64 characters", "spec.namespaces.names[0]", idle, to(values{"names": []string{long(64)}})),
		less("no names", "spec.namespaces.names", idle, to(values{"names": []string{}})),
		bad("no list of names", "spec.namespaces.names", "spec.namespaces.names", to(values{"names": "a"})),
		bad("forwardToken in words", "spec.forwardToken", "spec.forwardToken", values{"forwardToken": "yes"}),
		good("64 of each", values{
			"namespaces": values{"names": list(64, number)}, "hosts": list(64, number), "audiences": list(64, number),
			"pathPrefixes": list(64, func(i int) string { return "/" + number(i) }), "authorizationServers": list(64, number),
		}),
		less("65 names", "spec.namespaces.names", "at most 64", to(values{"names": list(65, number)})),
		less("65 hosts", "spec.hosts", "at most 64", values{"hosts": list(65, number)}),
		less("65 prefixes", "spec.pathPrefixes", "at most 64", values{"pathPrefixes": list(65, func(i int) string { return "/" + number(i) })}),
		less("65 authorization servers", "spec.authorizationServers", "at most 64", values{"authorizationServers": list(65, number)}),
		less("65 audiences", "spec.audiences", "at most 64", values{"audiences": list(65, number)}),
		good("a prefix of 512", prefix("/"+long(511))),
		less("a prefix of 513", "spec.pathPrefixes[0]", "of 512 characters", prefix("/"+long(512))),
		good("an audience of 512", values{"audiences": []string{long(512)}}),
		less("an audience of 513", "spec.audiences[0]", "of 512 characters", values{"audiences": []string{long(513)}}),
		less("a host twice", "spec.hosts[1]", set, values{"hosts": []string{"a", "a"}}),
		less("a prefix twice", "spec.pathPrefixes[1]", set, values{"pathPrefixes": []string{"/a", "/a"}}),
		less("a namespace twice", "spec.namespaces.names[1]", set, to(values{"names": []string{"a", "a"}})),
		less("an authorization server without a name", "spec.authorizationServers[0]", idle, values{"authorizationServers": []string{""}}),
		less("an authorization server of 64 characters", "spec.authorizationServers[0]", idle, values{"authorizationServers": []string{long(64)}}),
		less("an audience without a name", "spec.audiences[0]", idle, values{"audiences": []string{""}}),
	})
}
