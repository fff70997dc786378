package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browser is as much of one as a login takes: it follows redirects, keeps cookies, and fills the forms that it is shown.
type browser struct{ cookies map[string]string }

var (
	formOf  = regexp.MustCompile(`(?s)<form[^>]*\saction="([^"]*)".*?</form>`)
	inputOf = regexp.MustCompile(`<input[^>]*>`)
	nameOf  = regexp.MustCompile(`\sname="([^"]*)"`)
	valueOf = regexp.MustCompile(`\svalue="([^"]*)"`)
)

// visit asks for a URL, and goes on until it is sent to the callback, whose query it returns.
func (b *browser) visit(t testing.TB, to, callback string, fields map[string]string) url.Values {
	t.Helper()
	r, err := http.NewRequest("GET", to, nil)
	for range 20 {
		if err != nil {
			t.Fatal(err)
		}
		got := b.do(t, r)
		if location := got.header.Get("Location"); location != "" {
			next, err := r.URL.Parse(location)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(next.String(), callback+"?") {
				return next.Query()
			}
			r, err = http.NewRequest("GET", next.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		form := formOf.FindStringSubmatch(got.body)
		if got.status != http.StatusOK || form == nil {
			t.Fatalf("%s: %d, and no form: %s", r.URL.Path, got.status, got.body)
		}
		next, bad := r.URL.Parse(html.UnescapeString(form[1]))
		if bad != nil {
			t.Fatal(bad)
		}
		r, err = http.NewRequest("POST", next.String(), strings.NewReader(filled(form[0], fields).Encode()))
		if err == nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	t.Fatalf("the login at %s does not end", to)
	return nil
}

func (b *browser) do(t testing.TB, r *http.Request) answer {
	t.Helper()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if b.cookies == nil {
		b.cookies = map[string]string{}
	}
	for _, c := range resp.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	return readAnswer(t, resp)
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
	got := (&browser{}).visit(t, endpoint+"?"+query.Encode(), callback, fields)
	if code = got.Get("code"); code == "" {
		t.Fatalf("the login ends with %v", got)
	}
	return code, verifier
}
