package pool

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// copyCode puts a folder of testdata where functions can read it, as extracted code lies.
func copyCode(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "teal-pool-code-")
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		if err = os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err == nil {
			err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					return os.Chmod(path, 0o755)
				}
				return os.Chmod(path, 0o644)
			})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// language gives functions of an interpreted language, or skips the test where it is not on this machine.
func language(t testing.TB, p *Pool, runtime, folder string) func(handler string) *Function {
	t.Helper()
	var missing *RuntimeMissingError
	if err := p.Check(runtime); errors.As(err, &missing) {
		t.Skip(err)
	}
	dir := copyCode(t, folder)
	return func(handler string) *Function {
		f := goFunction(runtime+handler, nil)
		f.Runtime, f.Handler, f.CodeDir = runtime, handler, dir
		return f
	}
}

type contextAnswer struct {
	ID, ARN, Name, Version, Memory, Stream, Group, Trace, CWD, Exec string
	Custom                                                          map[string]string
	Left                                                            int
}

func checkContext(t *testing.T, p *Pool, f *Function) {
	t.Helper()
	in := call(do("context", ""))
	r, err := p.Invoke(context.Background(), f, in)
	var got contextAnswer
	if err == nil {
		err = json.Unmarshal(r.Payload, &got)
	}
	if err != nil || got.ID != in.RequestID || got.ARN != "arn:invoked" || got.Name != "fun" || got.Version != "7" || got.Memory != "256" ||
		got.Stream == "" || got.Group != "/aws/lambda/fun" || got.Trace != "Root=1-2-3" || got.CWD != p.taskRoot(f) || got.Custom["k"] != "v" ||
		got.Left < 20_000 || got.Left > 30_000 || got.Exec != "AWS_Lambda_"+f.Runtime {
		t.Errorf("context: %s %v", r.Payload, err)
	}
}

// checkOutcomes invokes handlers and compares their answers; want is a pattern of the payload.
func checkOutcomes(t *testing.T, p *Pool, fun func(string) *Function, cases []outcomeCase) {
	t.Helper()
	for _, tc := range cases {
		in := call(tc.payload)
		r, err := p.Invoke(context.Background(), fun(tc.handler), in)
		if err != nil {
			t.Errorf("%s %s: %v", tc.handler, tc.payload, err)
			continue
		}
		want := strings.ReplaceAll(tc.want, "REQUEST", in.RequestID)
		if !regexp.MustCompile(`(?s)^`+want+`$`).Match(r.Payload) || (r.FunctionError != "") != tc.failed {
			t.Errorf("%s %s: error %q, payload %s\nwant %s\nlog:\n%s", tc.handler, tc.payload, r.FunctionError, r.Payload, want, r.LogTail)
		}
		if log := strings.ReplaceAll(tc.log, "REQUEST", in.RequestID); log != "" && !regexp.MustCompile(`(?s)`+log).Match(r.LogTail) {
			t.Errorf("%s %s: the log lacks %q:\n%s", tc.handler, tc.payload, log, r.LogTail)
		}
	}
}

type outcomeCase struct {
	handler, payload, want string
	failed                 bool
	log                    string
}

func TestPython(t *testing.T) {
	p := newPool(t, Config{})
	fun := language(t, p, "python3.11", "python")
	checkContext(t, p, fun("app.handler"))
	checkOutcomes(t, p, fun, []outcomeCase{
		{"app.handler", `{"do":"echo","echo":{"ü":[1,2.5,null,true,"\u00e9"]}}`, `\{"ü": \[1, 2\.5, null, true, "é"\]\}`, false, ""},
		{"app.handler", do("count", ""), `1`, false, ""},
		{"app.handler", do("count", ""), `2`, false, ""},
		{"app.handler", do("error", "no luck"), `\{"errorMessage": "no luck", "errorType": "CustomError", "requestId": "REQUEST", "stackTrace": \["  File \\"/var/task/app\.py\\", line \d+, in handler\\n    raise CustomError\(event\[\\"arg\\"\]\)\\n"\]\}`, true, `\[ERROR\] CustomError: no luck\nTraceback \(most recent call last\):\n  File "/var/task/app.py"`},
		{"app.handler", do("marshal", ""), `\{"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", "errorType": "Runtime\.MarshalError", "requestId": "REQUEST", "stackTrace": \[\]\}`, true, ""},
		{"app.handler", `{`, `\{"errorMessage": "Unable to unmarshal input: .*"errorType": "Runtime\.UnmarshalError".*`, true, ""},
		{"app.handler", do("exit", "9"), `.*"Runtime\.ExitError".*exit status 9.*`, true, ""},
		{"app.handler", do("log", ""), `"logged"`, false, `printed ä\nto stderr\n\[INFO\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\tREQUEST\tlogged here\nEND`},
		{"pkg/nested.handler", `{}`, `"nested"`, false, ""},
		{"pkg.nested.handler", `{}`, `"nested"`, false, ""},
		{"app.missing", `{}`, `\{"errorMessage": "Handler 'missing' missing on module 'app'", "errorType": "Runtime\.HandlerNotFound", "requestId": "", "stackTrace": \[\]\}`, true, ""},
		{"nowhere.handler", `{}`, `\{"errorMessage": "Unable to import module 'nowhere': No module named 'nowhere'", "errorType": "Runtime\.ImportModuleError", "requestId": "", "stackTrace": \[\]\}`, true, ""},
		{"imports.handler", `{}`, `.*"Unable to import module 'imports': No module named 'nothing_of_that_name'", "errorType": "Runtime\.ImportModuleError".*`, true, ""},
		{"syntax.handler", `{}`, `.*"Syntax error in module 'syntax': .*"errorType": "Runtime\.UserCodeSyntaxError", "requestId": "", "stackTrace": \["  File \\"/var/task/syntax\.py\\" Line \d+\\n .*`, true, ""},
		{"raises.handler", `{}`, `\{"errorMessage": "'at import'", "errorType": "KeyError", "requestId": "", "stackTrace": \["  File \\"/var/task/raises\.py\\", line 1, in <module>.*`, true, "INIT_REPORT.*Error Type: KeyError"},
		{"plain", `{}`, `.*"Bad handler 'plain': .*"Runtime\.MalformedHandlerName".*`, true, ""},
	})
	big := strings.Repeat("ü", 3<<20-100)
	if r := invoke(t, p, fun("app.handler"), `{"do":"echo","echo":"`+big+`"}`); string(r.Payload) != `"`+big+`"` {
		t.Errorf("%d bytes came back", len(r.Payload))
	}
	if r := invoke(t, p, fun("app.handler"), `{"do":"echo","echo":"`+big+strings.Repeat("x", 1000)+`"}`); !strings.Contains(string(r.Payload), "ResponseSizeTooLarge") {
		t.Errorf("too large: %d bytes", len(r.Payload))
	}
	if r := invoke(t, p, fun("app.handler"), do("count", "")); r.Cold || r.FunctionError != "" {
		t.Errorf("after a response that was too large: %s", r.Payload)
	}
}

func TestNode(t *testing.T) {
	p := newPool(t, Config{})
	fun := language(t, p, "nodejs20.x", "node")
	checkContext(t, p, fun("index.handler"))
	slow := fun("index.never")
	slow.Timeout = 200 * time.Millisecond
	checkOutcomes(t, p, fun, []outcomeCase{
		{"index.handler", `{"do":"echo","echo":{"ü":[1,2.5,null,true]}}`, `\{"ü":\[1,2\.5,null,true\]\}`, false, ""},
		{"index.handler", do("count", ""), `1`, false, ""},
		{"index.handler", do("count", ""), `2`, false, ""},
		{"index.handler", do("error", "no luck"), `\{"errorType":"CustomError","errorMessage":"no luck","trace":\["CustomError: no luck","    at (Runtime|exports)\.handler .*/var/task/index\.js:\d+:\d+\)".*`, true, `REQUEST\tERROR\tInvoke Error \t\{"errorType":"CustomError","errorMessage":"no luck"`},
		{"index.handler", do("marshal", ""), `.*"Runtime\.MarshalError".*`, true, ""},
		{"index.handler", `{`, `.*"Runtime\.UnmarshalError".*`, true, ""},
		{"index.handler", do("log", ""), `"logged"`, false, `Z\tREQUEST\tINFO\tprinted ä\n[^\n]*\tERROR\tto stderr\nEND`},
		{"index.handler", do("never", ""), `null`, false, ""},
		{"index.handler", do("throw later", ""), `\{"errorType":"Error","errorMessage":"later".*`, true, "Uncaught Exception"},
		{"index.handler", do("reject", ""), `\{"errorType":"Runtime\.UnhandledPromiseRejection","errorMessage":"Error: unheard".*`, true, ""},
		{"index.handler", do("exit", "9"), `.*"Runtime\.ExitError".*exit status 9.*`, true, ""},
		{"index.callback", `{}`, `"called back"`, false, ""},
		{"typed/app.handler", `{}`, `\["app\.js","undefined",36\]`, false, ""},
		{"waits.waits", `{}`, `\{"late":"done"\}`, false, ""},
		{"waits.hurries", `{}`, `"at once"`, false, ""},
		{"index.callback", do("error", "no luck"), `\{"errorType":"CustomError","errorMessage":"no luck".*`, true, ""},
		{"index.nested.deep", `{}`, `null`, false, ""},
		{"index.stream", `{}`, `ab`, false, ""},
		{"sub/esm.handler", `{}`, `"module"`, false, ""},
		{"index.missing", `{}`, `\{"errorType":"Runtime\.HandlerNotFound","errorMessage":"index\.missing is undefined or not exported".*`, true, ""},
		{"index.text", `{}`, `\{"errorType":"Runtime\.HandlerNotFound","errorMessage":"index\.text is not a function".*`, true, ""},
		{"nowhere.handler", `{}`, `\{"errorType":"Runtime\.ImportModuleError","errorMessage":"Error: Cannot find module 'nowhere'.*`, true, ""},
		{"imports.handler", `{}`, `\{"errorType":"Runtime\.ImportModuleError","errorMessage":"Error: Cannot find module 'nothing-of-that-name'.*`, true, "INIT_REPORT"},
		{"syntax.handler", `{}`, `\{"errorType":"Runtime\.UserCodeSyntaxError","errorMessage":"SyntaxError: .*`, true, ""},
		{"plain", `{}`, `.*"Runtime\.MalformedHandlerName".*`, true, ""},
	})
	big := strings.Repeat("ü", 3<<20-100)
	if r := invoke(t, p, fun("index.handler"), `{"do":"echo","echo":"`+big+`"}`); string(r.Payload) != `"`+big+`"` {
		t.Errorf("%d bytes came back: %.200s", len(r.Payload), r.Payload)
	}
}

// TestShell runs a runtime of curl calls: a new connection for every request.
func TestShell(t *testing.T) {
	if _, err := os.Stat("/usr/bin/curl"); err != nil {
		t.Skip("no curl at /usr/bin/curl")
	}
	f := goFunction("sh", nil)
	f.CodeDir = open(t)
	script := `#!/bin/sh
while true; do
  curl -sS -D "/tmp/head" -o "/tmp/event" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" || exit 1
  id=$(tr -d '\r' < "/tmp/head" | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //p')
  curl -sS -o /dev/null -X POST --data-binary "@/tmp/event" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" || exit 1
done
`
	if err := os.WriteFile(filepath.Join(f.CodeDir, "bootstrap"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chmod(filepath.Join(f.CodeDir, "bootstrap"), 0o755)
	p := newPool(t, Config{})
	for _, payload := range []string{`{"a":1}`, `"b"`, `"` + strings.Repeat("x", 3<<20) + `"`, `0`} {
		if r := invoke(t, p, f, payload); string(r.Payload) != payload || r.FunctionError != "" {
			t.Fatalf("%.100s: %.100s %s", payload, r.Payload, r.LogTail)
		}
	}
}
