package v1alpha1_test

import (
	"fmt"
	"testing"
)

// resource is the least that a ProtectedResource says.
var resource = values{"resource": "https://mcp.example.com/github", "authorizationServers": []string{"corp"}}

// Every limit of a ProtectedResource at its border and one beyond, and every rule.
func TestProtectedResource(t *testing.T) {
	scopes := func(s values) values { return values{"scopes": s} }
	number := func(i int) string { return fmt.Sprintf("s%d", i) }
	headers := func(n int) values {
		all := values{}
		for i := range n {
			all[fmt.Sprintf("x-a%d", i)] = "claim"
		}
		return values{"identityHeaders": all}
	}
	header := func(name, claim string) values { return values{"identityHeaders": values{name: claim}} }
	origin := func(o string) values { return values{"allowedOrigins": []string{o}} }
	refs := func(r ...values) values { return values{"targetRefs": r} }

	checkRows(t, readKinds(t)["ProtectedResource"], resource, []row{
		good("the least", nil),
		good("everything", values{
			"scopes": values{"required": []string{"mcp:use"}, "implies": values{"admin": []string{"mcp:use", "mcp:read"}}}, "audiences": []string{"api://github"},
			"allowedOrigins": []string{"https://inspector.example.com"}, "resourceName": "GitHub", "resourceDocumentation": "https://docs.example.com",
			"forwardToken": true, "identityHeaders": values{"x-email": "email"}, "metadataRoutes": "None",
			"targetRefs": []values{{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "a", "sectionName": "b"}},
		}),
		good("nothing, in all its ways", values{
			"scopes": values{}, "audiences": []string{}, "allowedOrigins": []string{}, "resourceName": "", "resourceDocumentation": "",
			"forwardToken": false, "identityHeaders": values{}, "targetRefs": []values{},
		}),

		bad("no resource", "spec.resource", "spec.resource", values{"resource": ""}),
		bad("a resource that is a number", "spec.resource", "spec.resource", values{"resource": 1}),
		less("a resource of 513 bytes", "spec.resource", "in the cluster 512 bytes", values{"resource": "https://a/" + long(503)}),
		bad("no authorization server", "spec.authorizationServers", "spec.authorizationServers", values{"authorizationServers": []string{}}),
		good("8 authorization servers", values{"authorizationServers": list(8, number)}),
		less("9 authorization servers", "spec.authorizationServers", "in the cluster at most 8", values{"authorizationServers": list(9, number)}),
		bad("an authorization server twice", "spec.authorizationServers", "spec.authorizationServers[1]", values{"authorizationServers": []string{"a", "a"}}),
		good("a name of 63", values{"authorizationServers": []string{long(63)}}),
		less("a name of 64", "spec.authorizationServers[0]", idle, values{"authorizationServers": []string{long(64)}}),
		less("no name", "spec.authorizationServers[0]", idle, values{"authorizationServers": []string{""}}),

		good("scopes of all bytes that there may be", scopes(values{"required": []string{`!#$%&'()*+-./09:;<>?@AZ[]^_` + "`az{|}~"}})),
		bad("a scope with a quote", "spec.scopes.required[0]", "spec.scopes.required[0]", scopes(values{"required": []string{`a"`}})),
		bad("a scope with a backslash", "spec.scopes.required[0]", "spec.scopes.required[0]", scopes(values{"required": []string{`a\`}})),
		bad("a scope with a comma", "spec.scopes.required[0]", "spec.scopes.required[0]", scopes(values{"required": []string{"a,b"}})),
		bad("a scope with =", "spec.scopes.required[0]", "spec.scopes.required[0]", scopes(values{"required": []string{"a=b"}})),
		bad("two scopes in one", "spec.scopes.required[0]", "spec.scopes.required[0]", scopes(values{"required": []string{"a b"}})),
		bad("a scope beyond ASCII", "spec.scopes.required[0]", "spec.scopes.required[0]", scopes(values{"required": []string{"é"}})),
		bad("a scope with DEL", "spec.scopes.required[0]", "spec.scopes.required[0]", scopes(values{"required": []string{"a\x7f"}})),
		bad("an empty scope", "spec.scopes.required[0]", "spec.scopes.required[0]", scopes(values{"required": []string{""}})),
		bad("a scope twice", "spec.scopes.required[1]", "spec.scopes.required[1]", scopes(values{"required": []string{"a", "a"}})),
		late("offline_access", "spec.scopes.required[0]", scopes(values{"required": []string{"offline_access"}})),
		late("offline_access implied", "spec.scopes.implies.admin[0]", scopes(values{"implies": values{"admin": []string{"offline_access"}}})),
		late("a scope that implies itself", "spec.scopes.implies.a[0]", scopes(values{"implies": values{"a": []string{"a"}}})),
		late("an odd scope implied", "spec.scopes.implies.a[0]", scopes(values{"implies": values{"a": []string{`"`}}})),
		late("an odd scope that implies", `spec.scopes.implies["a b"]`, scopes(values{"implies": values{"a b": []string{"a"}}})),
		bad("a scope that implies a string", "spec.scopes.implies.a", "spec.scopes.implies.a", scopes(values{"implies": values{"a": "b"}})),
		good("1 KiB of scopes in one", scopes(values{"required": []string{long(1023)}})),
		bad("1 KiB of scopes in one and 1", "spec.scopes.required[0]", "spec.scopes", scopes(values{"required": []string{long(1024)}})),
		good("1 KiB of scopes in many", scopes(values{"required": list(204, func(i int) string { return fmt.Sprintf("s%03d", i) })})),
		late("1 KiB of scopes in many and 1", "spec.scopes", scopes(values{"required": list(205, func(i int) string { return fmt.Sprintf("s%03d", i) })})),
		bad("more scopes than 1 KiB holds", "spec.scopes.required", "spec.scopes", scopes(values{"required": list(513, number)})),

		good("8 audiences of 512", values{"audiences": list(8, func(i int) string { return fmt.Sprint(i) + long(511) })}),
		less("9 audiences", "spec.audiences", "in the cluster 8", values{"audiences": list(9, number)}),
		less("an audience of 513", "spec.audiences[0]", "of 512 characters", values{"audiences": []string{long(513)}}),
		less("an audience twice", "spec.audiences[1]", set, values{"audiences": []string{"a", "a"}}),
		bad("an empty audience", "spec.audiences[0]", "spec.audiences[0]", values{"audiences": []string{""}}),

		good("16 origins", values{"allowedOrigins": list(16, func(i int) string { return fmt.Sprintf("https://o%d.example.com:8443", i) })}),
		less("17 origins", "spec.allowedOrigins", "in the cluster 16", values{"allowedOrigins": list(17, func(i int) string { return fmt.Sprintf("https://o%d.example.com", i) })}),
		less("an origin twice", "spec.allowedOrigins[1]", set, values{"allowedOrigins": []string{"https://a.example", "https://a.example"}}),
		good("a plain origin", origin("http://my_intranet")),
		good("an IPv6 origin", origin("http://[::1]:6274")),
		bad("any origin", "spec.allowedOrigins[0]", "spec.allowedOrigins[0]", origin("*")),
		bad("no origin", "spec.allowedOrigins[0]", "spec.allowedOrigins[0]", origin("null")),
		bad("an empty origin", "spec.allowedOrigins[0]", "spec.allowedOrigins[0]", origin("")),
		bad("an origin with a path", "spec.allowedOrigins[0]", "spec.allowedOrigins[0]", origin("https://a.example/")),
		bad("a wildcard origin", "spec.allowedOrigins[0]", "spec.allowedOrigins[0]", origin("https://*.example.com")),
		bad("an origin in upper case", "spec.allowedOrigins[0]", "spec.allowedOrigins[0]", origin("https://A.example")),
		bad("an origin of an extension", "spec.allowedOrigins[0]", "spec.allowedOrigins[0]", origin("chrome-extension://abc")),
		late("an origin with the default port", "spec.allowedOrigins[0]", origin("https://a.example:443")),

		good("a resourceName of 1024", values{"resourceName": long(1024)}),
		bad("a resourceName of 1025", "spec.resourceName", "spec.resourceName", values{"resourceName": long(1025)}),
		late("a resourceName of more bytes than characters", "spec.resourceName", values{"resourceName": "é" + long(1023)}),
		good("a resourceName of any characters", values{"resourceName": "\U0001F300 \u2028 \x00 \" \n \\ é"}),
		good("a resourceDocumentation of 1024", values{"resourceDocumentation": "https://a/" + long(1014)}),
		bad("a resourceDocumentation of 1025", "spec.resourceDocumentation", "spec.resourceDocumentation", values{"resourceDocumentation": "https://a/" + long(1015)}),
		late("a resourceDocumentation that is no URL", "spec.resourceDocumentation", values{"resourceDocumentation": "see the wiki"}),
		late("a resourceDocumentation that runs", "spec.resourceDocumentation", values{"resourceDocumentation": "javascript:alert(1)"}),
		bad("forwardToken in words", "spec.forwardToken", "spec.forwardToken", values{"forwardToken": "true"}),

		good("32 headers", headers(32)),
		bad("33 headers", "spec.identityHeaders", "spec.identityHeaders", headers(33)),
		bad("a claim that is a number", "spec.identityHeaders.x-a", "spec.identityHeaders.x-a", values{"identityHeaders": values{"x-a": 1}}),
		late("a claim of 257 bytes", "spec.identityHeaders.x-a", header("x-a", long(257))),
		late("a header without a claim", "spec.identityHeaders.x-a", header("x-a", "")),
		late("a header of its own kind", "spec.identityHeaders.authorization", header("authorization", "sub")),
		late("a header in upper case", "spec.identityHeaders.X-Email", header("X-Email", "email")),
		late("a header of ours", "spec.identityHeaders.x-mcp-subject", header("x-mcp-subject", "email")),
		late("a header of the gateway", "spec.identityHeaders.x-forwarded-for", header("x-forwarded-for", "email")),
		late("a header of Envoy", "spec.identityHeaders.x-envoy-original-path", header("x-envoy-original-path", "email")),
		late("a header that rewrites", "spec.identityHeaders.x-original-url", header("x-original-url", "email")),

		good("a rule of a route", refs(values{"name": "a", "sectionName": "b"})),
		good("16 routes", refs(routes(16)...)),
		good("a route's longest name", refs(values{"name": long(253), "sectionName": long(253)})),
		bad("a route that is no HTTPRoute", "spec.targetRefs[0].kind", "spec.targetRefs[0].kind", refs(values{"kind": "GRPCRoute", "name": "a"})),
		bad("a route of another group", "spec.targetRefs[0].group", "spec.targetRefs[0].group", refs(values{"group": "example.com", "name": "a"})),
		bad("a route without a name", "spec.targetRefs[0].name", "spec.targetRefs[0].name", refs(values{"sectionName": "a"})),
		bad("a route with an empty name", "spec.targetRefs[0].name", "spec.targetRefs[0].name", refs(values{"name": ""})),
		less("a route of 254 characters", "spec.targetRefs[0].name", idle, refs(values{"name": long(254)})),
		less("a rule of 254 characters", "spec.targetRefs[0].sectionName", idle, refs(values{"name": "a", "sectionName": long(254)})),
		bad("17 routes", "spec.targetRefs", "spec.targetRefs", refs(routes(17)...)),
		bad("metadataRoutes of another kind", "spec.metadataRoutes", "spec.metadataRoutes", values{"metadataRoutes": "auto"}),
	})
}

func routes(n int) (refs []values) {
	for i := range n {
		refs = append(refs, values{"name": fmt.Sprint("r", i)})
	}
	return refs
}
