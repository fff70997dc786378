package authz

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// Decision is the verdict on one request. The zero value denies, with 503.
type Decision struct {
	Reason   Reason
	ID       string // names this decision in the log and in the refusal's body; 16 hexadecimal digits
	Resource string // name of the protected resource, "" if none was found

	// Of an allowed request, and of one that was refused after its token was found good:
	Claims Claims
	// Of an allowed request:
	Upstream       Upstream
	ResponseHeader []Header // for the upstream's answer; overwrites, but for "vary", which is appended

	answer metadata.Answer // of every other request
}

// Allowed reports whether the request may pass.
func (d Decision) Allowed() bool { return d.Reason == Allowed }

// Answer is what the client gets instead of the upstream's answer. Only a decision that is not an allow has one.
func (d Decision) Answer() metadata.Answer {
	if d.answer.Status == 0 {
		return refusal(d, &Request{}, match{}, "").answer
	}
	return d.answer
}

func decisionID() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	return hex.EncodeToString(b[:])
}

// refuse makes a refusal where no resource is known yet.
func refuse(reason Reason, r *Request) Decision {
	return refusal(Decision{Reason: reason, ID: decisionID()}, r, match{}, "")
}

// refuse makes a refusal of this resource: with its challenge, if the reason has one. ask replaces the required scopes.
func (m match) refuse(reason Reason, r *Request, ask string) Decision {
	return refusal(Decision{Reason: reason, ID: decisionID(), Resource: m.Name}, r, m, ask)
}

func refusal(d Decision, r *Request, m match, ask string) Decision {
	if d.Reason.Status() < http.StatusBadRequest {
		d.Reason = Undecided // these have no answer made here: whoever asks for one made a mistake, and is refused
	}
	row := d.Reason.row()
	d.answer = metadata.Answer{
		Status: row.status,
		Header: append(make([]metadata.Field, 0, 8), metadata.Field{Name: "content-type", Value: "application/json"}, metadata.Field{Name: "cache-control", Value: "no-store"}),
		Body:   body(row, readID(r.Body), d),
	}
	add := func(name, value string) {
		d.answer.Header = append(d.answer.Header, metadata.Field{Name: name, Value: value})
	}
	if m.resource != nil {
		if line := m.challenge(d.Reason, ask); line != "" {
			add("www-authenticate", line)
		}
		if origin := r.Header("origin"); origin != "" {
			for _, h := range m.readable(origin) {
				add(h.Name, h.Value)
			}
		}
	}
	switch row.status {
	case http.StatusServiceUnavailable:
		add("retry-after", "5")
	case http.StatusMethodNotAllowed:
		add("allow", "GET, HEAD, POST, DELETE, OPTIONS")
	}
	return d
}

// body renders the JSON-RPC error. The envelope is left away where it would be a message without an id that makes a client
// wait for ever: any status but 401 and 403, unless the id is known or the message is known to have none.
func body(row row, id messageID, d Decision) []byte {
	b := make([]byte, 0, 256)
	b = append(b, `{"error":{"code":`...)
	b = strconv.AppendInt(b, int64(row.code), 10)
	b = append(b, `,"message":"`...)
	b = append(b, row.message...) // constants without a character that JSON escapes
	b = append(b, '"')
	if d.Reason != NoCredential && d.ID != "" {
		b = append(b, `,"data":{"decision":"`...)
		b = append(b, d.ID...)
		b = append(b, `"}`...)
	}
	b = append(b, '}')
	switch {
	case id.raw != "":
		b = append(b, `,"id":`...)
		b = append(b, id.raw...)
		b = append(b, `,"jsonrpc":"2.0"`...)
	case id.notification, row.status == http.StatusUnauthorized, row.status == http.StatusForbidden:
		b = append(b, `,"id":null,"jsonrpc":"2.0"`...)
	}
	return append(b, '}')
}

// readable are the headers by which a page of a listed origin may read an answer (Fetch §3.2); none for any other.
func (m match) readable(origin string) []Header {
	if _, listed := m.admits(origin); !listed {
		return nil
	}
	return []Header{
		{Name: "access-control-allow-origin", Value: origin},
		{Name: "access-control-expose-headers", Value: "WWW-Authenticate, Mcp-Session-Id, Mcp-Protocol-Version, Retry-After"},
		{Name: "vary", Value: "Origin"},
	}
}

// Limits on the Mcp-Param-* names that one preflight may ask for.
const (
	maxParamNames = 32
	maxParamBytes = 1 << 10
)

// preflight answers a CORS preflight from an admitted origin.
func (m match) preflight(r *Request, origin string) Decision {
	headers := "authorization, content-type, accept, mcp-protocol-version, mcp-session-id, last-event-id, mcp-method, mcp-name, traceparent"
	requested, names := r.Header("access-control-request-headers"), 0
	for name := range strings.SplitSeq(requested, ",") {
		name = strings.ToLower(strings.Trim(name, " \t"))
		if names++; names > maxParamNames || len(requested) > maxParamBytes {
			break
		}
		if strings.HasPrefix(name, "mcp-param-") && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == "" {
			headers += ", " + name
		}
	}
	return Decision{Reason: Preflight, ID: decisionID(), Resource: m.Name, answer: metadata.Answer{
		Status: Preflight.Status(),
		Header: []metadata.Field{
			{Name: "access-control-allow-origin", Value: origin},
			{Name: "access-control-allow-methods", Value: "GET, POST, DELETE"},
			{Name: "access-control-allow-headers", Value: headers},
			{Name: "access-control-max-age", Value: "7200"},
			{Name: "vary", Value: "Origin"},
		},
	}}
}

// document wraps an answer of package metadata.
func document(answer metadata.Answer) Decision {
	return Decision{Reason: Metadata, ID: decisionID(), answer: answer}
}
