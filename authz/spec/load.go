package spec

import (
	"reflect"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/metadata"
)

// Load reads a configuration file: decodes it strictly, fills the defaults in and validates it. All problems come at once, in
// the order of the file, up to MaxProblems; the File is nil if one of them is more than a warning.
func Load(data []byte) (*File, []Problem) {
	p := newProblems()
	f := defaults()
	d := decoder{p}
	if root := d.parse(data); root != nil {
		if d.value("", root, reflect.ValueOf(&f).Elem()) {
			if _, there := p.lines["resources"]; !there && !p.full() {
				p.add("resources", "nothing", "a list of protected resources", "declare them, or write resources: [] for none yet")
			}
			f.validate(p)
		}
	}
	if p.bad() {
		return nil, p.sorted()
	}
	return &f, p.sorted()
}

// Snapshot compiles the file. verifier is called once for each resource that can be used, with the names of its authorization
// servers.
func (f *File) Snapshot(verifier func(servers []string) authz.Verifier) (*authz.Snapshot, error) {
	resources := make([]authz.ProtectedResource, 0, len(f.Resources))
	issuers := make(map[string]string, len(f.AuthorizationServers))
	for i := range f.AuthorizationServers {
		issuers[f.AuthorizationServers[i].Name] = f.AuthorizationServers[i].Issuer
	}
	for i := range f.Resources {
		r, err := f.Resources[i].compile(issuers, verifier)
		if err != nil {
			return nil, err
		}
		resources = append(resources, r)
	}
	table, err := authz.NewTable(resources)
	if err != nil {
		return nil, err
	}
	return &authz.Snapshot{Resources: table, Limits: authz.Limits{
		TokenBytes: f.Limits.TokenBytes, ConcurrentChecks: f.Limits.ConcurrentChecks, CheckDeadline: f.Limits.CheckDeadline,
	}}, nil
}

func (r *ProtectedResource) compile(issuers map[string]string, verifier func([]string) authz.Verifier) (authz.ProtectedResource, error) {
	id, err := metadata.ParseIdentifier(r.Resource, r.rules())
	if err != nil {
		return authz.ProtectedResource{}, err
	}
	out := authz.ProtectedResource{Name: r.Name, ID: id, InsecureAnyHost: r.InsecureAnyHost, Unusable: r.Unusable, Routes: r.Routes}
	if r.Unusable {
		return out, nil // nothing else of it may be good
	}
	out.Audiences, out.AllowedOrigins, out.ForwardToken = r.Audiences, r.AllowedOrigins, r.ForwardToken
	out.Policy = authz.NewPolicy(r.Scopes.Required, r.Scopes.Implies)
	out.Verifier = verifier(r.AuthorizationServers)
	out.Document = metadata.Document{ResourceName: r.ResourceName, ResourceDocumentation: r.ResourceDocumentation}
	for _, name := range sortedKeys(r.IdentityHeaders) {
		out.IdentityHeaders = append(out.IdentityHeaders, authz.IdentityHeader{Name: name, Claim: r.IdentityHeaders[name]})
	}
	for _, name := range r.AuthorizationServers {
		if issuer, ok := issuers[name]; ok {
			out.Document.AuthorizationServers = append(out.Document.AuthorizationServers, issuer)
		}
	}
	return out, nil
}

// Identifier is the identifier of a declaration, as far as it is one.
func (r *ProtectedResource) Identifier() (metadata.Identifier, error) {
	return metadata.ParseIdentifier(r.Resource, r.rules())
}

func (r *ProtectedResource) rules() metadata.IdentifierRules {
	return metadata.IdentifierRules{InsecureAllowHTTP: r.InsecureAllowHTTP, AllowWildcard: !r.InsecureAnyHost && !r.Foreign}
}
