package extauthz_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

var update = flag.Bool("update", false, "write what the server answers into the cases")

// TestAnswers plays testdata/answers: prose, then requests and what becomes of them, in both encodings that Envoy has. A
// request may name a token in braces and, in a line "fault: …", a way in which deciding fails.
func TestAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/answers/*.txtar")
	if err != nil || len(files) < 16 {
		t.Fatalf("%d files with cases, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Comment) == 0 {
				t.Error("no prose says what the cases are for")
			}
			changed := playAll(t, archive)
			if *update && changed {
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func playAll(t *testing.T, archive *txtar.Archive) (changed bool) {
	for i := 0; i < len(archive.Files); i++ {
		in := archive.Files[i]
		if strings.HasSuffix(in.Name, ".want") {
			continue
		}
		var want []byte
		if i+1 < len(archive.Files) && archive.Files[i+1].Name == in.Name+".want" {
			want = archive.Files[i+1].Data
		} else if *update {
			archive.Files = append(archive.Files[:i+1], append([]txtar.File{{Name: in.Name + ".want"}}, archive.Files[i+1:]...)...)
		}
		t.Run(in.Name, func(t *testing.T) {
			for _, encoding := range authztest.Encodings() {
				got := play(t, string(in.Data), encoding)
				if *update {
					archive.Files[i+1].Data = []byte(got)
					changed = true
					continue
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s form (-want +got):\n%s", encoding, diff)
				}
			}
		})
	}
	return changed
}

var decisionID = regexp.MustCompile(`"decision":"[0-9a-f]{16}"`)

// play sends one request. Beside the comparison, what holds for every answer is checked here.
func play(t *testing.T, text string, encoding authztest.Encoding) string {
	t.Helper()
	r, err := authztest.ParseHTTP(text)
	if err != nil {
		t.Fatal(err)
	}
	fault := ""
	kept := r.Header[:0]
	for _, h := range r.Header {
		if h[0] == "fault" {
			fault = h[1]
			continue
		}
		kept = append(kept, h)
	}
	r.Header = kept
	w := newWorld(t, fault)
	cast().Fill(&r)
	ctx := t.Context()
	if fault == "canceled" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	out, err := w.server.Check(ctx, r.CheckRequest(encoding))
	if err != nil {
		t.Fatalf("an RPC error lets failure_mode_allow decide: %v", err)
	}
	v := authztest.ReadVerdict(out)
	wellFormed(t, v, w.tokens)
	again, _ := w.server.Check(ctx, r.CheckRequest(encoding))
	if a, b := v.Get("www-authenticate"), authztest.ReadVerdict(again).Get("www-authenticate"); a != b {
		t.Errorf("the challenge changed when repeated: %q, %q", a, b)
	}
	return decisionID.ReplaceAllString(v.String(), `"decision":"{decision}"`)
}

// wellFormed holds for every verdict, E-33, I-01, I-02, I-03, I-23.
func wellFormed(t *testing.T, v authztest.Verdict, secrets map[string]string) {
	t.Helper()
	for name, secret := range secrets { // invariant 4
		if strings.Contains(v.String(), secret) {
			t.Errorf("the verdict holds the token %s", name)
		}
	}
	for _, list := range [][][2]string{v.Header, v.Set, v.Response} {
		for _, h := range list {
			for _, b := range []byte(h[0] + h[1]) {
				if b < 0x20 || b > 0x7e {
					t.Errorf("header %q holds the byte %#x", h[0], b)
				}
			}
		}
	}
	if v.Allowed {
		return
	}
	challenge := v.Get("www-authenticate")
	if (v.Status == 401) != (challenge != "") && v.Status != 403 && v.Status != 400 {
		t.Errorf("status %d with challenge %q", v.Status, challenge)
	}
	if challenge != "" {
		c, err := authztest.ParseChallenge(challenge)
		if err != nil || c.Scheme != "Bearer" || c.Params[0][0] != "resource_metadata" {
			t.Errorf("challenge %q: %v", challenge, err)
		}
	}
	if len(v.Body) > 1<<10 || len(challenge) > 4<<10 {
		t.Errorf("%d bytes of body, %d of challenge", len(v.Body), len(challenge))
	}
	if v.Status >= 400 {
		if v.Get("cache-control") != "no-store" || v.Get("content-type") != "application/json" || !json.Valid([]byte(v.Body)) {
			t.Errorf("a refusal without no-store or JSON: %v", v)
		}
	}
}
