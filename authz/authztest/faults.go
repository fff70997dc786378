package authztest

import (
	"bytes"
	"net/http"
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

// The faults.
const (
	None             FaultKind = iota
	Hang                       // no answer until Release, or until the client gives up
	Refuse                     // the connection is closed without an answer
	Status500                  //
	NotFound                   //
	Garbage                    // 200, but not JSON
	SlowDrip                   // one byte every 100 ms
	Huge                       // 16 MiB of blanks before the document
	Redirect                   // 302 to Location
	WrongContentType           // text/html
	Empty                      // {}
)

// Fail makes a document go wrong from now on; the zero Fault restores it.
func (i *Issuer) Fail(name string, f Fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults[name] = f
}

// FailAll makes all documents go wrong.
func (i *Issuer) FailAll(f Fault) {
	for _, name := range []string{OAuthMetadata, OpenIDMetadata, JWKS} {
		i.Fail(name, f)
	}
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
		select {
		case <-released:
		case <-r.Context().Done():
			return
		}
	case Refuse:
		panic(http.ErrAbortHandler)
	case Status500:
		http.Error(w, "the key is kept elsewhere", http.StatusInternalServerError)
		return
	case NotFound:
		http.NotFound(w, r)
		return
	case Garbage:
		document = []byte("<html>key-1</html>")
	case SlowDrip:
		for _, b := range document {
			w.Write([]byte{b})
			http.NewResponseController(w).Flush()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		return
	case Huge:
		blanks := bytes.Repeat([]byte(strings.Repeat(" ", 1<<10)), 1<<10)
		for range 16 {
			w.Write(blanks)
		}
	case Redirect:
		http.Redirect(w, r, f.Location, http.StatusFound)
		return
	case WrongContentType:
		w.Header().Set("Content-Type", "text/html")
	case Empty:
		document = []byte("{}")
	case None:
	}
	w.Write(document) // the client may be gone
}
