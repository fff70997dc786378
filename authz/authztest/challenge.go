package authztest

import (
	"fmt"
	"strings"
)

// Challenge is one parsed challenge of a WWW-Authenticate field.
type Challenge struct {
	Scheme string
	Params [][2]string // in order, names in lower case
}

// Get returns a parameter's value, "" if it is absent.
func (c Challenge) Get(name string) string {
	for _, p := range c.Params {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

// Has reports whether a parameter is there.
func (c Challenge) Has(name string) bool {
	for _, p := range c.Params {
		if p[0] == name {
			return true
		}
	}
	return false
}

// ParseChallenge reads a field value with exactly one challenge by the grammar of RFC 9110 §11.2 and §5.6: a scheme, one or
// more blanks, parameters separated by commas, values as tokens or quoted strings with backslash escapes. It refuses what the
// grammar does not allow, parameters that stand twice, and empty values. It shares no code with the side that writes them.
func ParseChallenge(field string) (Challenge, error) {
	p := &challengeReader{rest: field}
	c := Challenge{Scheme: p.token()}
	if c.Scheme == "" {
		return c, fmt.Errorf("no scheme in %q", field)
	}
	if p.blanks() == 0 {
		return c, fmt.Errorf("no blank after the scheme in %q", field)
	}
	for {
		name := strings.ToLower(p.token())
		if name == "" || c.Has(name) {
			return c, fmt.Errorf("no parameter name, or one again, at %q", p.rest)
		}
		p.blanks()
		if !p.take('=') {
			return c, fmt.Errorf("no = after %s", name)
		}
		p.blanks()
		value, ok := p.value()
		if !ok || value == "" {
			return c, fmt.Errorf("the value of %s is empty or not well formed", name)
		}
		c.Params = append(c.Params, [2]string{name, value})
		p.blanks()
		if p.rest == "" {
			return c, nil
		}
		if !p.take(',') {
			return c, fmt.Errorf("no comma after %s but %q", name, p.rest)
		}
		p.blanks()
	}
}

type challengeReader struct{ rest string }

func (p *challengeReader) token() string {
	n := 0
	for n < len(p.rest) {
		c := p.rest[n]
		if c <= 0x20 || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}", c) >= 0 {
			break
		}
		n++
	}
	t := p.rest[:n]
	p.rest = p.rest[n:]
	return t
}

func (p *challengeReader) blanks() int {
	trimmed := strings.TrimLeft(p.rest, " \t")
	n := len(p.rest) - len(trimmed)
	p.rest = trimmed
	return n
}

func (p *challengeReader) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *challengeReader) value() (string, bool) {
	if !p.take('"') {
		t := p.token()
		return t, t != ""
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '\t', 0x20 <= c && c <= 0x7e, c >= 0x80:
			b.WriteByte(c)
		default:
			return "", false
		}
	}
	return "", false
}
