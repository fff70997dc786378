package authz

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits on what is read of a body for the id of a refusal.
const (
	maxIDBytes = 256 // as written, quotes included
	maxDepth   = 64
)

// messageID is what a refusal can say of the message it refuses.
type messageID struct {
	raw          string // the id as written, "" if it could not be read
	notification bool   // a whole, readable message without an id
}

// readID reads the id of a JSON-RPC message from as much of a body as the gateway sent. It is not a judgement of the
// message: reading goes to the end, the first syntax error or maxDepth, and what was found before counts. A second id, an id
// of another type or a longer one, a batch, and a response (top-level "result" or "error") have no readable id.
func readID(body []byte) messageID {
	if len(body) == 0 {
		return messageID{}
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return messageID{}
	}
	var found messageID
	ids, method := 0, false
	for {
		name, err := dec.ReadToken()
		if err != nil {
			return found
		}
		if name.Kind() == '}' {
			found.notification = ids == 0 && method && atEnd(dec)
			return found
		}
		switch name.String() {
		case "result", "error":
			return messageID{}
		case "id":
			if ids++; ids > 1 {
				return messageID{}
			}
			value, err := dec.ReadValue()
			if err != nil || value.Kind() == '0' && !ended(body[dec.InputOffset():]) {
				return messageID{}
			}
			if found.raw = validID(value); found.raw == "" {
				return messageID{}
			}
		case "method":
			method = dec.PeekKind() == '"'
			fallthrough
		default:
			if !skip(dec) {
				return found
			}
		}
	}
}

// ended reports whether a number is over before rest: neither cut off nor glued to what makes it none, as in 07.
func ended(rest []byte) bool {
	return len(rest) > 0 && strings.IndexByte(" \t\r\n,}", rest[0]) >= 0
}

// validID returns an id that may be echoed, as written: an integer or a string.
func validID(value jsontext.Value) string {
	if len(value) == 0 || len(value) > maxIDBytes {
		return ""
	}
	if value[0] == '"' {
		return string(value)
	}
	digits := strings.TrimPrefix(string(value), "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return string(value)
}

// skip reads over one value that is not too deep.
func skip(dec *jsontext.Decoder) bool {
	base := dec.StackDepth()
	for {
		if _, err := dec.ReadToken(); err != nil || dec.StackDepth() > maxDepth {
			return false
		}
		if dec.StackDepth() <= base {
			return true
		}
	}
}

func atEnd(dec *jsontext.Decoder) bool {
	rest := bytes.TrimLeft(dec.UnreadBuffer(), " \t\r\n")
	return len(rest) == 0
}
