package authz_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

// refused are ways to be refused with each status that has a body, whatever the message is.
func refused(t testing.TB) (a *authz.Authorizer, ways map[string]*authz.Request) {
	const two = "Bearer T, Bearer T"
	return deciding(t, declare(t, github, scopes("repo:read")), declare(t, slack), declare(t, solo, unusable)), map[string]*authz.Request{
		"401":              request("POST", github),
		"401 bad token":    request("POST", github, "authorization", "Bearer x"),
		"403 Origin":       request("POST", github, "origin", "https://evil.example"),
		"403 scope":        request("POST", github, "authorization", "Bearer T"),
		"400 path":         request("POST", github+"//"),
		"400 credentials":  request("POST", github, "authorization", two),
		"400 upgrade":      request("POST", slack, "authorization", "Bearer T", "upgrade", "websocket"),
		"404":              request("POST", "https://other.example/"),
		"404 pin":          pinned(request("POST", github), slack),
		"405":              request("PUT", slack, "authorization", "Bearer T"),
		"503":              request("POST", solo+"/"),
		"401 without POST": request("DELETE", github),
	}
}

// nested is a value of this depth.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// TestMessageID says for every body what a refusal echoes of it (E-01 to E-05, T-05): the id as it was written, nothing of a
// message that cannot be read, and null for a notification.
func TestMessageID(t *testing.T) {
	const notification = "notification"
	type row struct{ rule, body, id string }
	echo := func(rule, body, id string) row { return row{rule, body, id} }
	silent := func(rule, body string) row { return row{rule, body, ""} }
	none := func(rule, body string) row { return row{rule, body, notification} }
	call := func(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/list"}` }
	same := func(rule, id string) row { return echo(rule, call(id), id) }
	odd := func(rule, id string) row { return silent(rule, call(id)) }
	padding := strings.Repeat(`"x",`, 1<<14)

	for _, c := range []row{
		same("E-02 a number", `7`),
		same("E-02 a string of digits", `"7"`),
		same("E-02 an empty string", `""`),
		same("E-02 zero", `0`),
		same("E-02 minus zero", `-0`),
		same("E-02 a negative number", `-1`),
		same("E-02 a number that no float64 holds", `9007199254740993`),
		same("E-02 a number that no machine word holds", `-18446744073709551617`),
		same("E-02 escapes as they were written", `"\u00e9\/\n\"\\"`),
		same("letters beyond ASCII", `"é\ud83d\ude00😀"`),
		same("a string of 256 bytes", `"`+strings.Repeat("a", 254)+`"`),
		same("a number of 256 bytes", `-`+strings.Repeat("9", 255)),
		echo("blanks around it", "\r\n{ \"id\" :\t7 }\n", `7`),
		echo("the last member", `{"method":"x","params":{},"id":7}`, `7`),
		echo("nothing but an id", `{"id":7}`, `7`),
		echo("its name escaped", `{"\u0069\u0064":7}`, `7`),
		echo("another name in another case", `{"ID":8,"id":7,"Id":9}`, `7`),
		echo("ids further down", `{"params":{"id":8,"x":[{"id":9,"result":1}]},"id":7}`, `7`),
		echo("another member twice", `{"a":1,"id":7,"a":2}`, `7`),
		echo("a long body", `{"params":[`+padding+`1],"id":7}`, `7`),
		echo("depth 64 before it", `{"params":`+nested(63)+`,"id":7}`, `7`),
		echo("depth 65 behind it", `{"id":7,"params":`+nested(64)+`}`, `7`),
		echo("cut behind it", `{"id":7,`, `7`),
		echo("a number, cut behind a blank", "{\"id\":7\n", `7`),
		echo("a string, cut right behind it", `{"id":"a"`, `"a"`),
		echo("cut in the arguments", `{"id":7,"method":"tools/call","params":{"name":"x`, `7`),
		echo("cut in a member name", `{"id":7,"par`, `7`),
		echo("a syntax error behind it", `{"id":7,"params":tru}`, `7`),
		echo("invalid UTF-8 behind it", "{\"id\":7,\"params\":\"\xff\"}", `7`),
		echo("a comma too many", `{"id":7,}`, `7`),
		echo("something behind the message", `{"id":7}{"id":8}`, `7`),

		silent("E-04 no body", ``),
		silent("E-04 not JSON", `not json`),
		silent("E-04 an empty object", `{}`),
		silent("blanks", " \n"),
		silent("a number", `7`),
		silent("a string", `"id"`),
		silent("null", `null`),
		silent("T-23 a batch", `[`+call("7")+`]`),
		silent("an empty batch", `[]`),
		silent("a list that reads like an object", `["id",7]`),
		silent("values that read like an object", `"x" "id" 7`),
		odd("E-03 null", `null`),
		odd("E-03 an object", `{"id":7}`),
		odd("E-03 an array", `[7]`),
		odd("E-03 true", `true`),
		odd("E-03 false", `false`),
		odd("E-03 a fraction", `1.5`),
		odd("E-03 a whole number written as a fraction", `1.0`),
		odd("E-03 an exponent", `1e3`),
		odd("an exponent in upper case", `1E3`),
		odd("a string of 257 bytes", `"`+strings.Repeat("a", 255)+`"`),
		odd("a number of 257 bytes", strings.Repeat("9", 257)),
		odd("a plus sign", `+7`),
		odd("a leading zero", `07`),
		odd("a word behind it", `7x`),
		odd("no number", `1-2`),
		odd("a sign alone", `-`),
		odd("single quotes", `'7'`),
		odd("a word", `seven`),
		odd("a control byte in it", "\"a\nb\""),
		odd("invalid UTF-8 in it", "\"\xff\""),
		odd("half a surrogate pair in it", `"\ud83d"`),
		odd("nothing", ``),
		odd("too deep", nested(11000)),
		silent("twice, the same", `{"id":7,"id":7}`),
		silent("twice, another", `{"id":7,"method":"x","id":"b"}`),
		silent("twice, once escaped", `{"id":7,"\u0069d":8}`),
		silent("twice, the second unreadable", `{"id":7,"id":null}`),
		silent("twice, cut in the second", `{"id":7,"id"`),
		silent("E-05 a result", `{"jsonrpc":"2.0","id":7,"result":{}}`),
		silent("E-05 an error before the id", `{"error":{"code":1,"message":"x"},"id":7}`),
		silent("E-05 a result of null, escaped", `{"id":7,"\u0072esult":null}`),
		silent("E-05 a result and a method", `{"method":"x","result":1}`),
		silent("E-05 a result, cut", `{"id":7,"result":{"conte`),
		silent("cut in a string", `{"id":"a`),
		silent("cut behind an escape", `{"id":"a\"`),
		silent("a number at the very end: digits may follow", `{"id":7`),
		silent("a negative one", `{"id":-7`),
		silent("zero at the very end: a fraction may follow", `{"id":0`),
		silent("cut before it", `{"id":`),
		silent("cut in its name", `{"jsonrpc":"2.0","i`),
		silent("depth 65 before it", `{"params":`+nested(64)+`,"id":7}`),
		silent("a syntax error before it", `{"params":tru,"id":7}`),
		silent("invalid UTF-8 before it", "{\"params\":\"\xff\",\"id\":7}"),
		silent("a name without a value before it", `{"params","id":7}`),
		silent("no comma before it", `{"params":1"id":7}`),
		silent("a byte order mark", "\ufeff"+`{"id":7}`),
		silent("UTF-16", "{\x00\"\x00i\x00d\x00\"\x00:\x007\x00}\x00"),
		silent("a comment", `/**/{"id":7}`),

		none("E-05 a notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`),
		none("with arguments that have an id", `{"method":"notifications/progress","params":{"id":7,"result":1}}`),
		none("blanks behind it", "{\"method\":\"x\"} \r\n\t"),
		none("a long one", `{"method":"x","params":[`+padding+`1]}`),
		silent("no method either", `{"jsonrpc":"2.0"}`),
		silent("a method that is none", `{"method":7}`),
		silent("a notification, cut", `{"method":"x"`),
		silent("a notification, cut in its method", `{"method":"x`),
		silent("a notification that is too deep", `{"method":"x","params":`+nested(64)+`}`),
		silent("something behind a notification", `{"method":"x"}{}`),
		silent("NUL behind a notification", "{\"method\":\"x\"}\x00"),
		silent("a method and an unreadable id", `{"method":"x","id":null}`),
	} {
		t.Run(c.rule, func(t *testing.T) {
			a, ways := refused(t)
			for way, r := range ways {
				r.Body = []byte(c.body)
				want := map[string]string{"id": c.id, "jsonrpc": `"2.0"`}
				if c.id == notification || c.id == "" && (way[:3] == "401" || way[:3] == "403") {
					want["id"] = "null"
				} else if c.id == "" { // a JSON-RPC message without an id makes a client wait for ever
					want = map[string]string{}
				}
				expectEnvelope(t, way, judge(t, a, r), want)
			}
		})
	}
}

func expectEnvelope(t *testing.T, way string, d authz.Decision, want map[string]string) {
	t.Helper()
	var body map[string]json.RawMessage
	if err := json.Unmarshal(d.Answer().Body, &body); err != nil || len(d.Answer().Body) >= 1<<10 || body["error"] == nil { // E-01
		t.Errorf("%s: %d bytes, %v: %s", way, len(d.Answer().Body), err, d.Answer().Body)
	}
	if http.StatusText(d.Answer().Status) == "" || !strings.HasPrefix(way, string(rune('0'+d.Answer().Status/100))) {
		t.Errorf("%s: status %d", way, d.Answer().Status)
	}
	delete(body, "error")
	for name, value := range body {
		if string(value) != want[name] {
			t.Errorf("%s: %s is %s, want %q", way, name, value, want[name])
		}
	}
	if len(body) != len(want) {
		t.Errorf("%s: %s, want %v", way, d.Answer().Body, want)
	}
}
