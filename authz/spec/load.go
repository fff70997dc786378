package spec

import (
	"reflect"
	"slices"

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

// Snapshot compiles the file. verifier is called once for each resource with the names of its authorization servers.
func (f *File) Snapshot(verifier func(servers []string) authz.Verifier) (*authz.Snapshot, error) {
	resources := make([]authz.ProtectedResource, 0, len(f.Resources))
	for i := range f.Resources {
		r, err := f.Resources[i].compile(f.AuthorizationServers, verifier)
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

func (r *ProtectedResource) compile(servers []AuthorizationServer, verifier func([]string) authz.Verifier) (authz.ProtectedResource, error) {
	id, err := metadata.ParseIdentifier(r.Resource, r.rules())
	if err != nil {
		return authz.ProtectedResource{}, err
	}
	out := authz.ProtectedResource{
		Name: r.Name, ID: id, InsecureAnyHost: r.InsecureAnyHost,
		Audiences: r.Audiences, AllowedOrigins: r.AllowedOrigins,
		Policy:       authz.NewPolicy(r.Scopes.Required, r.Scopes.Implies),
		Verifier:     verifier(r.AuthorizationServers),
		ForwardToken: r.ForwardToken,
		Document:     metadata.Document{ResourceName: r.ResourceName, ResourceDocumentation: r.ResourceDocumentation},
	}
	for _, name := range sortedKeys(r.IdentityHeaders) {
		out.IdentityHeaders = append(out.IdentityHeaders, authz.IdentityHeader{Name: name, Claim: r.IdentityHeaders[name]})
	}
	for _, name := range r.AuthorizationServers {
		if i := slices.IndexFunc(servers, func(s AuthorizationServer) bool { return s.Name == name }); i >= 0 {
			out.Document.AuthorizationServers = append(out.Document.AuthorizationServers, servers[i].Issuer)
		}
	}
	return out, nil
}

func (r *ProtectedResource) rules() metadata.IdentifierRules {
	return metadata.IdentifierRules{InsecureAllowHTTP: r.InsecureAllowHTTP, AllowWildcard: !r.InsecureAnyHost}
}
