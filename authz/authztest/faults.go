package authztest

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is a way in which a document of an issuer goes wrong. The zero value is "not at all".
type Fault struct {
	Kind     FaultKind
	Location string // of Redirect
}

// FaultKind names a fault.
type FaultKind int

// The faults of a server: no answer, not in time, or not the document. A client that judges the answer as RFC 8414 §3.2 says
// gets nothing from any of them.
const (
	None             FaultKind = iota
	Hang                       // no answer until Release, or until the client gives up
	Refuse                     // the connection is closed without an answer
	Status500                  //
	NotFound                   //
	Garbage                    // 200, but not JSON
	SlowDrip                   // one byte of the document every 100 ms
	Huge                       // 16 MiB of blanks before the document
	Redirect                   // 302 to Location
	WrongContentType           // text/html
	Empty                      // {}
	SlowHeader                 // one byte of the header every 100 ms; on HTTP/2 a Hang
	HugeHeader                 // 2 MiB of header fields before the document
	RedirectLoop               // 302 to itself, for ever
	Truncated                  // the first half of the document, as if it were all
	CutOff                     // the first half of the document, then the end of the connection

	// The faults of a document, served well. One that does not concern a document leaves it as it is.

	Changing     // another member at each fetch: other bytes, the same meaning
	WrongIssuer  // metadata of another issuer, whose keys are in the same place
	NoKeys       // a key set without keys
	TooManyKeys  // a key set with 10,000 more keys, in 350 KiB
	DuplicateKID // before each key one of the same kind and id that nobody has
	OddKeys      // before the keys those that no verifier may use: OddJWKs of the one that signs
)

// Fail makes a document go wrong from now on; the zero Fault restores it.
func (i *Issuer) Fail(name string, f Fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults[name] = f
}

// FailMetadata makes the metadata documents go wrong, wherever they are.
func (i *Issuer) FailMetadata(f Fault) {
	i.Fail(OAuthMetadata, f)
	i.Fail(OpenIDMetadata, f)
}

// FailAll makes all documents go wrong.
func (i *Issuer) FailAll(f Fault) {
	i.FailMetadata(f)
	i.Fail(JWKS, f)
}

// Release lets every request that hangs go on.
func (i *Issuer) Release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	close(i.released)
	i.released = make(chan struct{})
}

func (f Fault) serve(w http.ResponseWriter, r *http.Request, document []byte, released <-chan struct{}) {
	w.Header().Set("Content-Type", "application/json")
	switch f.Kind {
	case Hang:
		if !hang(r, released) {
			return
		}
	case Refuse:
		panic(http.ErrAbortHandler)
	case Status500:
		http.Error(w, "the key is kept elsewhere, see "+keyID(1), http.StatusInternalServerError)
		return
	case NotFound:
		http.NotFound(w, r)
		return
	case Garbage:
		document = []byte("<html>" + keyID(1) + "</html>")
	case SlowDrip:
		drip(w, document, http.NewResponseController(w).Flush, r.Context().Done())
		return
	case Huge:
		blanks := bytes.Repeat([]byte(strings.Repeat(" ", 1<<10)), 1<<10)
		for range 16 {
			if _, err := w.Write(blanks); err != nil {
				return
			}
		}
	case Redirect:
		http.Redirect(w, r, f.Location, http.StatusFound)
		return
	case WrongContentType:
		w.Header().Set("Content-Type", "text/html")
	case Empty:
		document = []byte("{}")
	case SlowHeader:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			hang(r, released)
			return
		}
		defer conn.Close()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, conn)
		}()
		text := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Filler: " + strings.Repeat("x", 1<<10)
		drip(conn, []byte(text), func() error { return nil }, gone)
		return
	case HugeHeader:
		for n := range 64 {
			w.Header().Set("X-Filler-"+strconv.Itoa(n), strings.Repeat("x", 32<<10))
		}
	case RedirectLoop:
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
		return
	case Truncated:
		document = document[:len(document)/2]
	case CutOff:
		w.Header().Set("Content-Length", strconv.Itoa(len(document)))
		w.Write(document[:len(document)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default: // None, and what was done to the document
	}
	w.Write(document) // the client may be gone
}

// hang waits until it may go on, or the client gives up.
func hang(r *http.Request, released <-chan struct{}) bool {
	select {
	case <-released:
		return true
	case <-r.Context().Done():
		return false
	}
}

// drip writes byte by byte until the client is gone.
func drip(w io.Writer, text []byte, flush func() error, gone <-chan struct{}) {
	for _, b := range text {
		if _, err := w.Write([]byte{b}); err != nil {
			return
		}
		_ = flush()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-gone:
			return
		}
	}
}
