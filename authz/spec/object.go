package spec

import (
	"bytes"
	"fmt"
	"reflect"
)

// Limits on the spec of one object of a cluster, as JSON. An API server takes 1.5 MiB, and every instance keeps all objects.
const (
	MaxObjectBytes      = 1 << 20  // the keys of an authorization server are the most of it
	MaxDeclarationBytes = 32 << 10 // a ProtectedResource, which may be one of very many
)

// DecodeObject reads a part of an object that a cluster stores, as strictly as the file: to is a pointer to a struct, with its
// defaults, path the key that the part stands under, and limit the most bytes that it may have. Problems name keys below path and have
// no lines.
func DecodeObject(path string, data []byte, limit int, to any) []Problem {
	p := newProblems()
	d := decoder{p}
	if len(data) > limit {
		p.add(path, plainly(len(data))+" bytes", "at most "+plainly(limit), "")
	} else if root := d.parse(asYAML(data)); root != nil {
		d.value(path, root, reflect.ValueOf(to).Elem())
	}
	list := p.withoutLines()
	for i := range list {
		if list[i].Path == wholeFile {
			list[i].Path = path
		}
	}
	return list
}

// asYAML escapes what JSON may have in its texts as it is and YAML may not, or reads as a line break.
func asYAML(data []byte) []byte {
	for _, odd := range []rune{0x85, 0xfffe, 0xffff} {
		data = bytes.ReplaceAll(data, []byte(string(odd)), fmt.Appendf(nil, `\u%04x`, odd))
	}
	return data
}

// NewAuthorizationServer is what a ClusterAuthorizationServer says before its spec is read: nothing but defaults.
func NewAuthorizationServer(name string) AuthorizationServer {
	s := serverDefaults()
	s.Name, s.Foreign = name, true
	return s
}

// Problems validates a declaration of the cluster by itself. path is the key that it stands under.
func (s *AuthorizationServer) Problems(path string) []Problem {
	p := newProblems()
	s.validate(p, path)
	return p.withoutLines()
}

// Problems validates a declaration of the cluster by itself, without its authorization servers and its neighbours. path is the key
// that it stands under.
func (r *ProtectedResource) Problems(path string) []Problem {
	p := newProblems()
	r.validate(p, path)
	r.validateServers(p, path+".authorizationServers", nil)
	return p.withoutLines()
}

func (p *problems) withoutLines() []Problem {
	list := p.sorted()
	for i := range list {
		list[i].Line = 0
	}
	return list
}
