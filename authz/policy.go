package authz

import (
	"slices"
	"strings"
)

// Policy is what a token must grant for a resource. The zero value asks for no scope.
type Policy struct {
	required []string            // sorted
	known    map[string]struct{} // required, or on either side of implies
	grants   map[string][]string // a scope → all scopes that satisfy a need for it, itself included
}

// NewPolicy makes a policy. implies says which narrower scopes a broader one stands for, and is followed transitively.
func NewPolicy(required []string, implies map[string][]string) Policy {
	p := Policy{required: slices.Compact(slices.Sorted(slices.Values(required))), known: map[string]struct{}{}, grants: map[string][]string{}}
	for _, s := range required {
		p.known[s] = struct{}{}
	}
	for broad, narrow := range implies {
		p.known[broad] = struct{}{}
		for _, s := range narrow {
			p.known[s] = struct{}{}
		}
	}
	for s := range p.known {
		p.grants[s] = []string{s}
	}
	for broad := range implies {
		reached := map[string]struct{}{}
		expand(broad, implies, reached)
		for narrow := range reached {
			if narrow != broad {
				p.grants[narrow] = append(p.grants[narrow], broad)
			}
		}
	}
	return p
}

func expand(scope string, implies map[string][]string, reached map[string]struct{}) {
	for _, s := range implies[scope] {
		if _, seen := reached[s]; !seen {
			reached[s] = struct{}{}
			expand(s, implies, reached)
		}
	}
}

// Required are the scopes that every request needs, sorted. The slice is not to be changed.
func (p Policy) Required() []string { return p.required }

// Permit reports whether the claims satisfy every need. If not, ask is the scope list of the challenge: everything needed,
// and of what was granted what this resource knows, sorted (clients replace their scopes by the list).
func (p Policy) Permit(c Claims) (ok bool, ask string) {
	for _, need := range p.required {
		if !p.satisfied(need, c.Scopes) {
			return false, p.ask(c)
		}
	}
	return true, ""
}

func (p Policy) satisfied(need string, granted []string) bool {
	for _, by := range p.grants[need] {
		if slices.Contains(granted, by) {
			return true
		}
	}
	return false
}

func (p Policy) ask(c Claims) string {
	ask := slices.Clone(p.required)
	for _, s := range c.Scopes {
		if _, known := p.known[s]; known {
			ask = append(ask, s)
		}
	}
	slices.Sort(ask)
	return strings.Join(slices.Compact(ask), " ")
}
