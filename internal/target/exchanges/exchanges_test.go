package exchanges

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const one = `> PUT /2015-03-31/functions/shop/aliases/live
> Content-Type: application/json
{
 "FunctionVersion": "2",
 "RevisionId": "r1"
}
< 412
< Content-Type: application/json
< X-Amzn-Errortype: PreconditionFailedException
{
 "Type": "User",
 "message": "no"
}
> GET /2015-03-31/functions/shop/versions?MaxItems=1
< lost read: connection reset by peer
> POST /
> Content-Type: application/x-www-form-urlencoded
Action=GetCallerIdentity&Version=2011-06-15
< 200
< Content-Type: text/xml
<Account>1</Account>
`

func ask(t *testing.T, p *Player, method, address, body string, header ...string) (int, string, error) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, "http://endpoint.test"+address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "AWS4-HMAC-SHA256 not compared")
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	a, err := p.RoundTrip(q)
	if err != nil {
		return 0, "", err
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	return a.StatusCode, string(data), err
}

func TestWhatWasRecordedIsAnswered(t *testing.T) {
	all, err := parse([]byte(one))
	if err != nil {
		t.Fatal(err)
	}
	if got := format(all); !bytes.Equal(got, []byte(one)) {
		t.Fatalf("written again it is\n%s", got)
	}
	p := Play(all)
	// Another subject may come first, a form in another order, and the members of JSON too.
	if status, body, err := ask(t, p, "POST", "/", "Version=2011-06-15&Action=GetCallerIdentity", "Content-Type", "application/x-www-form-urlencoded"); status != 200 || body != "<Account>1</Account>" {
		t.Errorf("%d %s %v", status, body, err)
	}
	if status, body, err := ask(t, p, "PUT", "/2015-03-31/functions/shop/aliases/live", `{"RevisionId":"r1",  "FunctionVersion":"2"}`, "Content-Type", "application/json"); status != 412 || body != `{"Type":"User","message":"no"}` {
		t.Errorf("%d %s %v", status, body, err)
	}
	if _, _, err := ask(t, p, "GET", "/2015-03-31/functions/shop/versions?MaxItems=1", ""); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the lost answer is %v", err)
	}
	if err := p.Err(); err != nil {
		t.Error(err)
	}
}

func TestWhatDiffersIsTold(t *testing.T) {
	const alias, kind = "/2015-03-31/functions/shop/aliases/live", "application/json"
	for _, c := range []struct {
		name, method, address, body, kind, tells string
	}{
		{"another value", "PUT", alias, `{"RevisionId":"r2","FunctionVersion":"2"}`, kind, "the body is"},
		{"a member more", "PUT", alias, `{"RevisionId":"r1","FunctionVersion":"2","Description":""}`, kind, "the body is"},
		{"no body", "PUT", alias, ``, kind, "the body is"},
		{"another type", "PUT", alias, `{"RevisionId":"r1","FunctionVersion":"2"}`, "text/plain", "the headers are"},
		{"another query", "PUT", alias + "?x=1", `{"RevisionId":"r1","FunctionVersion":"2"}`, kind, "the query is"},
		{"the order", "GET", "/2015-03-31/functions/shop/versions?MaxItems=1", ``, "", "another operation"},
		{"another function", "PUT", "/2015-03-31/functions/other/aliases/live", `{"RevisionId":"r1","FunctionVersion":"2"}`, kind, "which was not recorded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := parse([]byte(one))
			if err != nil {
				t.Fatal(err)
			}
			p := Play(all)
			header := []string{"Content-Type", c.kind}
			if c.kind == "" {
				header = nil
			}
			_, _, err = ask(t, p, c.method, c.address, c.body, header...)
			var final interface{ RetryableError() bool }
			if !errors.As(err, &final) || final.RetryableError() || !strings.Contains(err.Error(), c.tells) {
				t.Errorf("answered with %v, want an error that says %q and is not tried again", err, c.tells)
			}
			if err := p.Err(); err == nil || !strings.Contains(err.Error(), c.tells) || !strings.Contains(err.Error(), "did not send") {
				t.Errorf("in the end: %v", err)
			}
		})
	}
	all, _ := parse([]byte(one))
	p := Play(all)
	p.AnyOrder = true
	if _, _, err := ask(t, p, "GET", "/2015-03-31/functions/shop/versions?MaxItems=1", ""); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("in any order: %v", err)
	}
}

func TestWhatIsRecordedBelongsToNoMoment(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Requestid", "2a2a")
		if r.Method == http.MethodGet {
			io.WriteString(w, `{"RevisionId":"5d5d-77","LastModified":"2026-11-21T10:11:12.123+0000","n":3,"date":"no <time>"}`)
			return
		}
		data, _ := io.ReadAll(r.Body)
		if string(data) != `{"RevisionId":"5d5d-77"}` {
			t.Errorf("the endpoint got %s", data)
		}
		w.WriteHeader(409)
		io.WriteString(w, `{"message":"5d5d-77 is old","at":"http://`+r.Host+`/x","creationDate":1.7e9}`)
	}))
	defer s.Close()
	r := Record(http.DefaultTransport)
	c := &http.Client{Transport: r}
	for _, body := range []string{"", `{"RevisionId":"5d5d-77"}`} {
		method := http.MethodPut
		if body == "" {
			method = http.MethodGet
		}
		q, _ := http.NewRequestWithContext(t.Context(), method, s.URL+"/2015-03-31/functions/shop/5d5d-77", strings.NewReader(body))
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("User-Agent", "any")
		a, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		if data, _ := io.ReadAll(a.Body); !strings.Contains(string(data), "5d5d-77") {
			t.Errorf("the caller got %s", data)
		}
		a.Body.Close()
	}
	file := filepath.Join(t.TempDir(), "some", "file.http")
	if err := Save(file, s.URL, r.Exchanges()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `> GET /2015-03-31/functions/shop/00000000-0000-4000-8000-000000000001
> Content-Type: application/json
< 200
< Content-Type: application/json
{
 "LastModified": "2026-01-01T00:00:00.000+0000",
 "RevisionId": "00000000-0000-4000-8000-000000000001",
 "date": "no <time>",
 "n": 3
}
> PUT /2015-03-31/functions/shop/00000000-0000-4000-8000-000000000001
> Content-Type: application/json
{
 "RevisionId": "00000000-0000-4000-8000-000000000001"
}
< 409
< Content-Type: application/json
{
 "at": "https://endpoint.test/x",
 "creationDate": 1767225600,
 "message": "00000000-0000-4000-8000-000000000001 is old"
}
`
	if string(got) != want {
		t.Errorf("the file is\n%s", got)
	}
	if all, err := Load(file); err != nil || len(all) != 2 {
		t.Errorf("%d exchanges are read again, %v", len(all), err)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for text, tells := range map[string]string{
		"{}\n":                         "a body before any request",
		"< 200\n":                      "an answer before any request",
		"> GET\n":                      "no method and address",
		"> GET /\n< two\n":             "is no status",
		"> GET /\n< 200\n< 201\n":      "a second answer",
		"> GET /\n> GET /\n< 200\n":    "has no answer",
		"> GET /\n< 200\n> POST /x\n{": "has no answer",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), tells) {
			t.Errorf("%q: %v, want %q", text, err, tells)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "CONTRIBUTING") {
		t.Errorf("%v", err)
	}
}
