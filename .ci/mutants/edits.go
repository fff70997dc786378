package main

import (
	"bytes"
	"cmp"
	"slices"
)

// edits are texts to put into a source, which stays as it is otherwise. They are made from the outside in.
type edits []edit

type edit struct {
	at, until int // what lies between is replaced
	closes    bool
	text      string
}

// wrap puts one text before and one after a stretch of the source, inside of all wrapped before.
func (e *edits) wrap(from, to int, before, after string) {
	*e = append(*e, edit{from, from, false, before}, edit{to, to, true, after})
}

func (e *edits) insert(at int, text string) { *e = append(*e, edit{at, at, false, text}) }

func (e *edits) replace(from, to int, text string) { *e = append(*e, edit{from, to, false, text}) }

// apply makes the edits. At one place what closes comes first, the innermost first; then what opens, the outermost first.
func (e edits) apply(source []byte) []byte {
	var closing, opening []edit
	for _, one := range e {
		if one.closes {
			closing = append(closing, one)
		} else {
			opening = append(opening, one)
		}
	}
	slices.Reverse(closing)
	all := append(closing, opening...)
	slices.SortStableFunc(all, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	var out bytes.Buffer
	done := 0
	for _, one := range all {
		out.Write(source[done:one.at])
		out.WriteString(one.text)
		done = one.until
	}
	out.Write(source[done:])
	return out.Bytes()
}
