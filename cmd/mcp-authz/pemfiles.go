package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mcp-authz/mcp-authz/internal/files"
)

// maxPEMBytes bounds a file with certificates or a key.
const maxPEMBytes = 1 << 20

// How long TLS files may take to be read, should their file system hang. A handshake then goes on with what is in force.
const (
	pemStart     = 10 * time.Second       // the first time
	pemHandshake = time.Second            //
	pemStatus    = 100 * time.Millisecond // where somebody asks how they are
)

// material is what PEM files hold, made anew when their bytes change. What is not good is told once and changes nothing.
type material[T any] struct {
	files []pemFile
	parse func(where string, contents [][]byte) (T, error)

	seen   [][]byte // what was looked at last, good or bad; nil for a file that could not be read
	number uint64   // of that look
	good   T        // in force
	bad    bool     // what was looked at last is not in force
}

// pemFile is a file, and what the configuration calls it.
type pemFile struct {
	key string
	*files.Reader
}

func newPEMFile(key, name string) pemFile {
	return pemFile{key, &files.Reader{Name: name, Limit: maxPEMBytes}}
}

// look is what the files of a material held when somebody looked.
type look struct {
	contents [][]byte
	number   uint64 // grows from look to look
	slow     bool   // one could not be read in time
	err      error
}

// unusable is what is wrong with files: in our words for the log, and with those of others for whoever starts the process.
type unusable struct {
	where, text string
	cause       error // nil for none
}

func (u unusable) plain() string { return u.where + ": " + u.text }

func (u unusable) Error() string {
	if u.cause == nil {
		return u.plain()
	}
	return u.plain() + ": " + u.cause.Error()
}

func newMaterial[T any](parse func(string, [][]byte) (T, error), files ...pemFile) (m *material[T], err error) {
	m = &material[T]{parse: parse, files: files}
	ctx, cancel := context.WithTimeout(context.Background(), pemStart)
	defer cancel()
	first := m.look(ctx)
	if m.seen, m.number, err = first.contents, first.number, first.err; err == nil {
		m.good, err = m.parse(m.where(), m.seen)
	}
	return m, err
}

func (m *material[T]) where() string {
	var all []string
	for _, f := range m.files {
		all = append(all, f.key+" "+f.Name)
	}
	return strings.Join(all, " and ")
}

// take puts what the files held in force, if it is something else than at the last look, and good.
func (m *material[T]) take(l look, key string, log *slog.Logger) {
	if l.number < m.number || slices.EqualFunc(l.contents, m.seen, equal) {
		return
	}
	var made T
	err := l.err
	if err == nil {
		made, err = m.parse(m.where(), l.contents)
	}
	m.seen, m.number, m.bad = l.contents, l.number, err != nil
	if m.bad {
		problem := m.where()
		if u := (unusable{}); errors.As(err, &u) {
			problem = u.plain()
		}
		log.Error("TLS files changed and are not good; the last good ones stay in force", "key", key, "problem", problem)
		return
	}
	m.good = made
	log.Info("TLS files read again", "key", key, "files", m.where())
}

func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// look reads what each file holds, nil for one that cannot be read. It ends with ctx at the latest.
func (m *material[T]) look(ctx context.Context) (l look) {
	for _, f := range m.files {
		data, number, err := f.Read(ctx)
		if err != nil && l.err == nil {
			l.err = unusable{where: f.key + " " + f.Name, text: pemProblem(err)}
		}
		l.slow = l.slow || errors.Is(err, files.ErrSlow)
		l.contents, l.number = append(l.contents, data), l.number+number
	}
	return l
}

func pemProblem(err error) string {
	if errors.Is(err, files.ErrTooLarge) {
		return "larger than 1 MiB"
	}
	return fileProblem(err)
}

func parsePair(where string, contents [][]byte) (*tls.Certificate, error) {
	if _, err := parseCertificates(where, contents[0]); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, unusable{where, "not a certificate chain and its private key", err}
	}
	return &pair, nil
}

func parseAuthorities(where string, contents [][]byte) (*x509.CertPool, error) {
	certs, err := parseCertificates(where, contents[0])
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

// parseCertificates reads every certificate of a file. The parsers of the standard library pass over what they cannot read,
// so that a file in the midst of being written would be a shorter one: authorities would be withdrawn, a chain would end early.
func parseCertificates(where string, data []byte) (certs []*x509.Certificate, err error) {
	begun := bytes.Count(data, []byte("-----BEGIN CERTIFICATE-----"))
	block, rest := pem.Decode(data)
	for ; block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, unusable{where, fmt.Sprintf("certificate %d cannot be read", len(certs)+1), err}
		}
		certs = append(certs, c)
	}
	switch {
	case begun == 0:
		return nil, unusable{where: where, text: "no certificate in PEM"}
	case len(certs) < begun || bytes.Contains(rest, []byte("-----")):
		return nil, unusable{where: where, text: fmt.Sprintf("after certificate %d something begins that has no end, or cannot be read", len(certs))}
	}
	return certs, nil
}
