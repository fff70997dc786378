package metadata

import (
	"net/http"
	"strconv"
	"strings"
)

// Handler is the companion listener: metadata documents and nothing else. find looks a URL up by the request's host and its
// path as received; it must be safe for concurrent use and reads the configuration in force. No header but Host and
// If-None-Match has any influence on the answer.
func Handler(find func(host, path string) Found) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ifNoneMatch := strings.Join(r.Header.Values("If-None-Match"), ",") // several lines are one list (RFC 9110 §5.2)
		answer := find(r.Host, r.RequestURI).Answer(r.Method, ifNoneMatch)
		for _, f := range answer.Header {
			w.Header().Set(f.Name, f.Value)
		}
		if len(answer.Body) > 0 {
			w.Header().Set("Content-Length", strconv.Itoa(len(answer.Body)))
		}
		w.WriteHeader(answer.Status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(answer.Body) // the client is gone: nothing to be done
		}
	})
}
