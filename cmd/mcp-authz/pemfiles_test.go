package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What changed counts, even if size and time say that nothing did, as copies and archives that keep times do.
func TestAChangeThatNoTimeTells(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := folder{t, t.TempDir()}
	first := ca.leaf("mcp-authz.internal", nil)
	files.putLeaf(first)
	c, err := newCertificates("grpc", files.path("cert.pem"), files.path("key.pem"), "", slog.New(slog.DiscardHandler))
	must(t, err)
	firstCert, firstKey := pemPair(t, first)
	for { // signatures differ in length
		second := ca.leaf("mcp-authz.internal", nil)
		cert, key := pemPair(t, second)
		if len(cert) != len(firstCert) || len(key) != len(firstKey) {
			continue
		}
		for name, text := range map[string]string{"cert.pem": cert, "key.pem": key} {
			before, err := os.Stat(files.path(name))
			must(t, err)
			must(t, os.WriteFile(files.path(name), []byte(text), 0o600))
			must(t, os.Chtimes(files.path(name), before.ModTime(), before.ModTime()))
			after, err := os.Stat(files.path(name))
			must(t, err)
			if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) || !os.SameFile(before, after) {
				t.Fatal("size, time or file differ")
			}
		}
		if pair, _ := c.current(); !pair.Leaf.Equal(second.Leaf) {
			t.Error("the old certificate is still served")
		}
		return
	}
}

// A file with certificates that somebody is still writing is not a shorter one: no authority is withdrawn and no chain ends
// early because of it, wherever it is cut off, but for a cut exactly between two certificates.
func TestAHalfWrittenBundle(t *testing.T) {
	one, two := newAuthority(t, "one"), newAuthority(t, "two")
	const comment = "# the second one\n"
	whole := one.pem() + comment + two.pem()
	border := len(strings.TrimSuffix(one.pem(), "\n"))
	for n := range len(whole) + 1 {
		certs, err := parseCertificates("file", []byte(whole[:n]))
		switch {
		case n >= len(whole)-1: // the last line may lack its end
			if err != nil || len(certs) != 2 {
				t.Errorf("all %d bytes: %d certificates, %v", n, len(certs), err)
			}
		case n >= border && n < len(one.pem())+len(comment)+len("-----"):
			if err != nil || len(certs) != 1 {
				t.Errorf("%d bytes, the first certificate: %d certificates, %v", n, len(certs), err)
			}
		case err == nil:
			t.Errorf("cut off after %d bytes of %d, taken for %d certificates", n, len(whole), len(certs))
		}
	}
	for what, text := range map[string]string{
		"a certificate that is none":                   one.pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"the first one broken":                         strings.Replace(one.pem(), "\n", "\n!", 1) + two.pem(),
		"a key in the place of certificates":           "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"a certificate, then something without an end": one.pem() + "-----BEGIN PRIVATE KEY-----\nAAAA\n",
	} {
		if certs, err := parseCertificates("file", []byte(text)); err == nil {
			t.Errorf("%s: taken for %d certificates", what, len(certs))
		}
	}
}

// What is wrong with TLS files at the start is told to people, with the key and the file; later it is told by the log in our
// own words.
func TestWhatIsWrongWithTLSFiles(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert, key := pemPair(t, ca.leaf("mcp-authz.internal", nil))
	_, otherKey := pemPair(t, ca.leaf("mcp-authz.internal", nil))
	write := func(name, text string) func(folder) { return func(f folder) { f.put(name, text) } }
	for what, c := range map[string]struct {
		spoil func(folder)
		want  string // of the file, without its path
		more  bool   // words of the library follow
	}{
		"no certificate file":     {func(f folder) { f.remove("cert.pem") }, "certFile cert.pem: the file does not exist", false},
		"no key file":             {func(f folder) { f.remove("key.pem") }, "keyFile key.pem: the file does not exist", false},
		"no authorities":          {func(f folder) { f.remove("ca.pem") }, "clientCAFile ca.pem: the file does not exist", false},
		"a pipe":                  {func(f folder) { f.remove("key.pem"); must(f.t, syscall.Mkfifo(f.path("key.pem"), 0o600)) }, "keyFile key.pem: not a regular file", false},
		"a folder":                {func(f folder) { f.remove("ca.pem"); must(f.t, os.Mkdir(f.path("ca.pem"), 0o700)) }, "clientCAFile ca.pem: not a regular file", false},
		"as large as can be":      {write("ca.pem", ca.pem()+strings.Repeat("\n", maxPEMBytes-len(ca.pem()))), "", false},
		"too large":               {write("ca.pem", ca.pem()+strings.Repeat("\n", maxPEMBytes-len(ca.pem())+1)), "clientCAFile ca.pem: larger than 1 MiB", false},
		"another key":             {write("key.pem", otherKey), "certFile cert.pem and keyFile key.pem: not a certificate chain and its private key", true},
		"an empty certificate":    {write("cert.pem", ""), "certFile cert.pem and keyFile key.pem: no certificate in PEM", false},
		"certificate and key":     {write("cert.pem", cert+key), "", false}, // in one file, as some tools write them
		"authorities that are no": {write("ca.pem", otherKey), "clientCAFile ca.pem: no certificate in PEM", false},
		"a key of elsewhere":      {write("key.pem", ca.pem()), "certFile cert.pem and keyFile key.pem: not a certificate chain and its private key", true},
	} {
		t.Run(what, func(t *testing.T) {
			f := folder{t, t.TempDir()}
			f.put("cert.pem", cert)
			f.put("key.pem", key)
			f.put("ca.pem", ca.pem())
			var log strings.Builder
			open := func() (*certificates, error) {
				return newCertificates("grpc", f.path("cert.pem"), f.path("key.pem"), f.path("ca.pem"), slog.New(slog.NewTextHandler(&log, nil)))
			}
			running, err := open()
			must(t, err)
			c.spoil(f)
			_, err = open()
			switch got, want := strings.ReplaceAll(fmt.Sprint(err), f.dir+"/", ""), "listen.grpcTLS: "+c.want; {
			case c.want == "":
				must(t, err)
			case c.more:
				if !strings.HasPrefix(got, want+": ") {
					t.Errorf("at the start: %v, want %q and the words of the library", got, want)
				}
			case got != want:
				t.Errorf("at the start: %v, want %q", got, want)
			}
			for range 3 {
				if good, _ := running.status(); good != (c.want == "") {
					t.Errorf("good %v while running, want %v", good, c.want == "")
				}
			}
			lines := strings.ReplaceAll(log.String(), f.dir+"/", "")
			if want := fmt.Sprintf("key=listen.grpcTLS problem=%q\n", c.want); c.want != "" && (strings.Count(lines, "\n") != 1 || !strings.HasSuffix(lines, want)) {
				t.Errorf("the log says\n%swant one line that ends in\n%s", lines, want)
			}
			if pair, pool := running.current(); pair == nil || pool == nil {
				t.Error("nothing stays in force")
			}
		})
	}
}

// Nobody need connect: probes and scrapes tell of material that is not good, and when the certificate in force ends.
func TestBadTLSIsTold(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := folder{t, t.TempDir()}
	put := func() tls.Certificate {
		c := ca.leaf("mcp-authz.internal", nil)
		files.putLeaf(c)
		return c
	}
	first := put()
	p := start(t, strings.Replace(anyPorts, "admin:", fmt.Sprintf("grpcTLS: { certFile: %[1]q, keyFile: %[2]q }, metadataTLS: { certFile: %[1]q, keyFile: %[2]q }, admin:",
		files.path("cert.pem"), files.path("key.pem")), 1)+"resources: []\n")
	state := func(when string, good bool, inForce tls.Certificate) {
		t.Helper()
		rejected := []any{}
		if !good {
			rejected = []any{"listen.grpcTLS", "listen.metadataTLS"}
		}
		if _, detail := p.readyz(); cmp.Diff(rejected, detail["rejectedTLS"]) != "" {
			t.Errorf("%s: rejectedTLS is %v, want %v", when, detail["rejectedTLS"], rejected)
		}
		for _, listener := range []string{"grpc", "metadata"} {
			label := `{listener="` + listener + `"}`
			if got, want := p.metric(metricTLSGood+label), map[bool]string{true: "1", false: "0"}[good]; got != want {
				t.Errorf("%s: %s%s is %s, want %s", when, metricTLSGood, label, got, want)
			}
			if got, want := p.metric(metricTLSEnds+label), fmt.Sprint(float64(inForce.Leaf.NotAfter.Unix())); got != want {
				t.Errorf("%s: %s%s is %s, want %s", when, metricTLSEnds, label, got, want)
			}
		}
	}
	state("at the start", true, first)
	_, key := pemPair(t, ca.leaf("mcp-authz.internal", nil))
	files.put("key.pem", key)
	state("with another key", false, first)
	state("a rotation later", true, put())
}

// Looks may end in another order than they began. The later one counts, or material that was withdrawn would come back.
func TestLooksInOrder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	replace(t, name, "first")
	m, err := newMaterial(func(_ string, contents [][]byte) (string, error) { return string(contents[0]), nil }, newPEMFile("key", name))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	replace(t, name, "second")
	earlier := m.look(t.Context())
	replace(t, name, "third")
	m.take(m.look(t.Context()), "key", log)
	m.take(earlier, "key", log)
	if m.good != "third" || m.bad {
		t.Errorf("%q is in force", m.good)
	}
}
