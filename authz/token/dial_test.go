package token

import (
	"errors"
	"net/http"
	"testing"
)

// D-12: services with credentials of the machine live at link-local addresses; none is dialled, however it is written.
func TestLinkLocalIsNotDialled(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254:80": false, "[::ffff:169.254.169.254]:80": false, "[fe80::1]:443": false, "[fe80::1%eth0]:443": false, "": false,
		"127.0.0.1:80": true, "10.0.0.1:443": true, "[::1]:80": true, "[fd00::1]:443": true, "192.0.2.1:443": true,
	} {
		if got := refuseLinkLocal("tcp", address, nil) == nil; got != want {
			t.Errorf("%s: dialled %v", address, got)
		}
	}
	client := newClient(Config{})
	client.Transport.(*http.Transport).Proxy = nil // a proxy would be what is dialled
	resp, err := client.Get("http://169.254.169.254/latest/meta-data")
	if err == nil {
		resp.Body.Close()
	}
	var refused fault
	if !errors.As(err, &refused) {
		t.Errorf("%v, want the refusal to dial", err)
	}
}
