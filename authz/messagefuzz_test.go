package authz_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mcp-authz/mcp-authz/authz"
)

// outline is what encoding/json, which shares no code with the reader of ids, finds at the top level of an object.
type outline struct {
	ids      []string // as written
	response bool     // "result" or "error" stands there
	method   bool     // the last "method" is a string
	depth    int
}

// A surrogate pair (or an escaped backslash, before which "u" is a letter), and half of one: that is no Unicode text, yet
// encoding/json takes it.
var (
	pair = regexp.MustCompile(`\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
	half = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// outlineOf reports false for a body that is not exactly one object of strict JSON.
func outlineOf(body []byte) (o outline, ok bool) {
	if !json.Valid(body) || !utf8.Valid(body) || half.Match(pair.ReplaceAll(body, []byte(" "))) {
		return o, false
	}
	deep, depth := json.NewDecoder(bytes.NewReader(body)), 0
	for {
		token, err := deep.Token()
		if err != nil { // the end
			break
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			o.depth = max(o.depth, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	flat := json.NewDecoder(bytes.NewReader(body))
	if first, _ := flat.Token(); first != json.Delim('{') {
		return o, false
	}
	for flat.More() {
		var value json.RawMessage
		name, _ := flat.Token()
		if err := flat.Decode(&value); err != nil {
			return o, false
		}
		switch name {
		case "id":
			o.ids = append(o.ids, string(value))
		case "result", "error":
			o.response = true
		case "method":
			o.method = value[0] == '"'
		}
	}
	return o, true
}

var integerOrString = regexp.MustCompile(`^(-?[0-9]+|".*")$`)

// FuzzMessageID: of every body, and of every part of it that a gateway may send instead, the refusal is a JSON object under
// 1 KiB. Its id is the one that encoding/json finds where there is exactly one good one, never a piece of it, and null or
// absent where there is none.
func FuzzMessageID(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, `{"id":"a\"\u00e9\ud83d\ude00é","params":{"id":[{}]}}`, `{"id":-12345678901234567890}`,
		`{"\u0069d":1,"ID":2}`, `{"id":1,"id":1}`, `{"id":1.5}`, `{"id":1,"result":{}}`, `{"method":"x"}`, `[{"id":1}]`, "{\"x\":\"\xff\",\"id\":1}",
		`{"id":"` + strings.Repeat("a", 254) + `"}`, `{"params":` + nested(63) + `,"id":1}`, `{"params":` + nested(64) + `,"id":1}`, ``, `{`,
	} {
		f.Add([]byte(seed), uint16(0))
		f.Add([]byte(seed), uint16(9))
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		a, ways := refused(t)
		echo := func(way string, body []byte) (id string, enveloped bool) {
			r := ways[way]
			r.Body = bytes.Clone(body)
			d := judge(t, a, r)
			if !bytes.Equal(r.Body, body) {
				t.Errorf("%q became %q", body, r.Body)
			}
			return echoed(t, d)
		}
		whole, _ := echo("401", body)
		if o, strict := outlineOf(body); strict {
			good := len(o.ids) == 1 && integerOrString.MatchString(o.ids[0]) && len(o.ids[0]) <= 256 && !o.response
			switch {
			case good && o.depth <= 64 && whole != o.ids[0]:
				t.Errorf("%q: id %s, encoding/json reads %s", body, whole, o.ids[0])
			case good && whole != o.ids[0] && whole != "null", !good && o.depth <= 64 && whole != "null":
				t.Errorf("%q: id %s, encoding/json reads %q", body, whole, o.ids)
			}
			_, enveloped := echo("404", body)
			if want := good || len(o.ids) == 0 && o.method && !o.response; o.depth <= 64 && enveloped != want {
				t.Errorf("%q: envelope %v, want %v", body, enveloped, want)
			}
		} else if whole != "null" && !bytes.Contains(body, []byte(whole)) {
			t.Errorf("%q: id %s", body, whole)
		}
		if !json.Valid(body) {
			return
		}
		part, _ := echo("401", body[:int(cut)%(len(body)+1)])
		switch o, _ := outlineOf(body); {
		case part == "null" || part == whole:
		case len(o.ids) > 0 && part == o.ids[0]: // what makes it unreadable was cut off
		case whole == "null" && bytes.Contains(body, []byte(part)) && o.ids == nil: // the same, but not even strict JSON
		default:
			t.Errorf("%q: cut, its id is %s; whole, it is %s", body, part, whole)
		}
	})
}

// echoed is the id of a refusal, "null" for null and for none.
func echoed(t *testing.T, d authz.Decision) (id string, enveloped bool) {
	t.Helper()
	answer := d.Answer()
	var body map[string]json.RawMessage
	if err := json.Unmarshal(answer.Body, &body); err != nil || len(answer.Body) >= 1<<10 || body["error"] == nil || !utf8.Valid(answer.Body) {
		t.Errorf("%d bytes, %v: %q", len(answer.Body), err, answer.Body)
	}
	_, enveloped = body["jsonrpc"]
	if id = string(body["id"]); enveloped != (id != "") {
		t.Errorf("half an envelope: %s", answer.Body)
	}
	if id == "" {
		id = "null"
	}
	return id, enveloped
}
