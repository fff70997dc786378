package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browser is as much of one as a login takes: it follows redirects, keeps cookies, and fills the forms that it is shown.
type browser struct {
	fields  map[string]string // what its user writes into them, and the buttons that the user presses
	header  http.Header       // that every request has
	cookies map[string]string
}

var (
	formOf  = regexp.MustCompile(`(?s)<form[^>]*\saction="([^"]*)".*?</form>`)
	inputOf = regexp.MustCompile(`<input[^>]*>`)
	nameOf  = regexp.MustCompile(`\sname="([^"]*)"`)
	valueOf = regexp.MustCompile(`\svalue="([^"]*)"`)

	// unseenOf is what a page has that its reader does not see.
	unseenOf = regexp.MustCompile(`(?s)<head.*?</head>|<script.*?</script>|<[^>]*>`)
)

// visit asks for a URL, and goes on until it is sent to where the login ends. That it returns, and does not ask for.
func (b *browser) visit(ctx context.Context, to string, ends func(*url.URL) bool) (*url.URL, error) {
	at, err := url.Parse(to)
	var form url.Values // to be sent
	for range 20 {
		if err != nil {
			return nil, err
		}
		got, failed := b.do(ctx, at, form)
		if failed != nil {
			return nil, failed
		}
		if location := got.header.Get("Location"); location != "" {
			if at, err = at.Parse(location); err == nil && ends(at) {
				return at, nil
			}
			form = nil
			continue
		}
		shown := formOf.FindStringSubmatch(got.body)
		if got.status != http.StatusOK || shown == nil {
			seen := strings.Join(strings.Fields(html.UnescapeString(unseenOf.ReplaceAllString(got.body, " "))), " ")
			return nil, fmt.Errorf("%s: %d, and no form: %.300s", at.Path, got.status, seen)
		}
		form = filled(shown[0], b.fields)
		at, err = at.Parse(html.UnescapeString(shown[1]))
	}
	return nil, fmt.Errorf("the login does not end; its last page was %s", at.Path)
}

// do asks for a URL, or sends a form there.
func (b *browser) do(ctx context.Context, to *url.URL, form url.Values) (answer, error) {
	method := "GET"
	if form != nil {
		method = "POST"
	}
	r, err := http.NewRequestWithContext(ctx, method, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(r.Header, b.header)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if b.cookies == nil {
		b.cookies = map[string]string{}
	}
	for _, c := range resp.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}

// filled is what a form sends: its inputs as they are, but for those that somebody fills, or buttons that somebody presses.
func filled(form string, fields map[string]string) url.Values {
	values := url.Values{}
	for _, input := range inputOf.FindAllString(form, -1) {
		name := nameOf.FindStringSubmatch(input)
		if name == nil {
			continue
		}
		value, press := "", strings.Contains(input, `type="submit"`)
		if found := valueOf.FindStringSubmatch(input); found != nil {
			value = html.UnescapeString(found[1])
		}
		if given, is := fields[name[1]]; is {
			value, press = given, false
		}
		if !press {
			values.Set(name[1], value)
		}
	}
	return values
}

// logIn takes the authorization code grant with PKCE, as a client that has a browser does, and returns the code and its verifier.
func logIn(t testing.TB, endpoint, client, callback, scope string, fields map[string]string) (code, verifier string) {
	t.Helper()
	verifier = rand.Text() + rand.Text()
	digest := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {callback}, "scope": {scope}, "state": {"x"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"},
		"resource": {"https://mcp.example.com/mcp"},
	}
	back, err := (&browser{fields: fields}).visit(t.Context(), endpoint+"?"+query.Encode(), func(next *url.URL) bool {
		return strings.HasPrefix(next.String(), callback+"?")
	})
	if err != nil {
		t.Fatal(err)
	}
	if code = back.Query().Get("code"); code == "" {
		t.Fatalf("the login ends with %v", back)
	}
	return code, verifier
}

// startBrowser is the browser of a user, for programs that cannot open one. GET ?visit=URL visits an authorization URL as a person
// does who fills the forms so and presses these buttons, with no cookies from before. The answer is the first URL of another origin
// that this leads to, the client's callback, which nobody has asked for yet; or 502, and why the login did not get there. The record
// has one line for each visit.
func startBrowser(t testing.TB, r *record, form map[string]string) (at string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		to, err := url.Parse(in.URL.Query().Get("visit"))
		if err != nil || to.Host == "" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "ask for ?visit= and a URL, percent-encoded")
			return
		}
		r.note("user logs in")
		back, err := (&browser{fields: form, header: unrecorded()}).visit(in.Context(), to.String(), func(next *url.URL) bool {
			return next.Scheme != to.Scheme || next.Host != to.Host
		})
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprintf(w, "the login failed: %v", err)
			return
		}
		fmt.Fprint(w, back)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/"
}
