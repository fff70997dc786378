package metadata

import (
	"net/netip"
	"strings"
)

// MaxPathBytes bounds a request path (without its query) that is looked at, in bytes.
const MaxPathBytes = 8 << 10

// CanonicalPath returns the canonical form of a request path: cut at the first "?", with upper-case percent escapes. It
// reports false for every spelling that a gateway and a server could read in two ways: a path that does not begin with "/",
// bytes outside 0x21–0x7E, "#", "\", "//", ";", dot segments, a broken percent escape, an escape of "/", "\", "%", ";", "?",
// "#", NUL, of a byte above 0x7E or of an unreserved character (RFC 3986 §2.3), and more than MaxPathBytes.
func CanonicalPath(raw string) (path string, ok bool) {
	if strings.IndexByte(raw, '#') >= 0 {
		return "", false // in a query too: no client sends one
	}
	path, _, _ = strings.Cut(raw, "?")
	if path == "" || path[0] != '/' || len(path) > MaxPathBytes {
		return "", false
	}
	segment, lower := 0, false // where the current segment begins; whether an escape has a lower-case digit
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c < 0x21 || c > 0x7e || c == '\\' || c == ';':
			return "", false
		case c == '/':
			if i > 0 && (i == segment || isDots(path[segment:i])) {
				return "", false
			}
			segment = i + 1
		case c == '%':
			if i+2 >= len(path) {
				return "", false
			}
			hi, okHi := unhex(path[i+1])
			lo, okLo := unhex(path[i+2])
			if !okHi || !okLo || !escapable(hi<<4|lo) {
				return "", false
			}
			lower = lower || path[i+1] >= 'a' || path[i+2] >= 'a'
			i += 2
		}
	}
	if isDots(path[segment:]) {
		return "", false
	}
	if lower {
		path = upperEscapes(path)
	}
	return path, true
}

func isDots(segment string) bool { return segment == "." || segment == ".." }

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// escapable reports whether a byte may stand percent-encoded in a canonical path.
func escapable(b byte) bool {
	switch {
	case b == 0 || b > 0x7e, strings.IndexByte(`/\%;?#`, b) >= 0:
		return false
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("-._~", b) >= 0:
		return false
	}
	return true
}

func upperEscapes(path string) string {
	b := []byte(path)
	for i := 0; i < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToUpper(path[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// CanonicalHost splits the authority of a request ("Host" of RFC 9110 §7.2) into its lower-cased name and its port (empty
// when there is none). It reports false for an empty host, user information, a trailing dot, an empty or oversized label, a
// port that is not a plain number from 1 to 65535, and every byte that no host name holds. An IPv6 address keeps its brackets.
func CanonicalHost(raw string) (name, port string, ok bool) {
	if strings.HasPrefix(raw, "[") {
		end := strings.IndexByte(raw, ']')
		if end < 0 {
			return "", "", false
		}
		var rest string
		name, rest = raw[:end+1], raw[end+1:]
		if addr, err := netip.ParseAddr(raw[1:end]); err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", "", false
		}
		if rest != "" && rest[0] != ':' {
			return "", "", false
		}
		port = strings.TrimPrefix(rest, ":")
		if rest != "" && port == "" {
			return "", "", false
		}
	} else {
		var hasPort bool
		if name, port, hasPort = strings.Cut(raw, ":"); hasPort && port == "" {
			return "", "", false
		}
		if !validName(name) {
			return "", "", false
		}
	}
	if port != "" && !validPort(port) {
		return "", "", false
	}
	return strings.ToLower(name), port, true
}

func validPort(port string) bool {
	if len(port) > 5 || port[0] == '0' {
		return false
	}
	n := 0
	for i := 0; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		n = n*10 + int(port[i]-'0')
	}
	return n <= 65535
}

// validName reports whether name is a sequence of host name labels. An underscore is taken: names inside clusters have it.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	label := 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			if label++; label > 63 {
				return false
			}
		default:
			return false
		}
	}
	return label > 0
}

// IsLoopback reports whether a canonical host name is "localhost", a name below it, or a loopback address.
func IsLoopback(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && addr.IsLoopback()
}

// WithoutPort is a canonical host without the port that it may have.
func WithoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}
