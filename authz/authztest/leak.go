package authztest

import (
	"strings"
	"sync"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
)

// pieceBytes is how much of a secret must stand somewhere to be found. A run of twice as many is always found, wherever it
// begins; shorter ones, if they are the beginning or the end of a part.
const pieceBytes = 16

// guardedPieces bounds what is kept: of the secrets of a process, the last ones.
const guardedPieces = 1 << 18

// guard holds the pieces of every token and key id that this process made or was told of.
var guard struct { //nolint:gochecknoglobals // whatever a test uses must stay secret in all of them
	sync.RWMutex
	young, old map[string]bool
}

// Guard says that nothing may be said of a token or key id from now on: Leak finds pieces of it. The kit guards what it makes.
func Guard(secret string) {
	guard.Lock()
	defer guard.Unlock()
	if len(guard.young) > guardedPieces || guard.young == nil {
		guard.young, guard.old = map[string]bool{}, guard.young
	}
	for part := range strings.SplitSeq(secret, ".") {
		for at := 0; at+pieceBytes <= len(part); at += pieceBytes {
			guardPiece(part[at : at+pieceBytes])
		}
		if len(part) > pieceBytes {
			guardPiece(part[len(part)-pieceBytes:])
		}
	}
}

func guardPiece(piece string) {
	var seen [256]bool
	different := 0
	for i := range len(piece) {
		if !seen[piece[i]] {
			seen[piece[i]] = true
			different++
		}
	}
	if different > 5 { // else it says nothing: a row of zeros
		guard.young[piece] = true
	}
}

// Leak returns a piece of a guarded secret that stands in what a process said, "" if there is none. It is invariant 4: no
// answer, log line, metric or span contains a token, part of one, or a key id.
func Leak(said string) string {
	guard.RLock()
	defer guard.RUnlock()
	run := 0 // of characters that a token can have
	for i := range len(said) {
		if strings.IndexByte(tokenCharacters, said[i]) < 0 {
			run = 0
			continue
		}
		if run++; run < pieceBytes {
			continue
		}
		if piece := said[i+1-pieceBytes : i+1]; guard.young[piece] || guard.old[piece] {
			return piece
		}
	}
	return ""
}

const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// leaksNothing panics if a response says a secret: no test that reads verdicts can pass by one.
func leaksNothing(r *authv3.CheckResponse) {
	raw, err := proto.Marshal(r)
	if err != nil {
		panic(err)
	}
	if piece := Leak(string(raw)); piece != "" {
		panic("authztest: the response has " + piece + ", a piece of a token or key id: " + r.String())
	}
}
