package bench

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/front"
	"github.com/tealdeploy/teal/internal/platform"
)

// event is written alike by the encoders of all languages.
const event = `"order 12345: one pound of tea"`

// language is a way of writing the function that answers with its event.
type language struct {
	name    string
	runtime types.Runtime
	handler string
	code    string // folder with the deployment package, unpacked; functions' users can reach it
	warming int    // rounds until its processes are as fast as they get
}

// languages are the function in Go, unmodified aws-lambda-go, and in those languages whose interpreters this machine has.
func languages(b *testing.B) []*language {
	all := []*language{{name: "Go", runtime: types.RuntimeProvidedal2023, handler: "bootstrap", code: buildFunction(b), warming: 1}}
	for _, l := range []struct {
		language
		interpreter, file, text string
	}{
		// V8 compiles what has run often, and the platform's calls are spread over more processes: those of two versions
		{language{name: "Node", runtime: types.RuntimeNodejs20x, handler: "index.handler", warming: 12}, "node", "index.js", "exports.handler = async (event) => event;\n"},
		{language{name: "Python", runtime: types.RuntimePython312, handler: "index.handler", warming: 2}, "python3", "index.py", "def handler(event, context):\n    return event\n"},
	} {
		if _, err := exec.LookPath(l.interpreter); err != nil {
			b.Logf("without %s: %v", l.name, err)
			continue
		}
		l.code = reachableDir(b)
		if err := os.Chmod(l.code, 0o755); err != nil { // Python lists it
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(l.code, l.file), []byte(l.text), 0o644); err != nil {
			b.Fatal(err)
		}
		all = append(all, &l.language)
	}
	return all
}

// BenchmarkInvoke is a warm invocation through the platform's endpoint, over an alias that splits 90 to 10 between two
// versions, with metrics, logs and deadlines, against the bare two-hop cycle with the same function in the same language; Go's
// against that cycle without the platform's sandbox and variables too, and with -peers Node's against serverless-offline.
func BenchmarkInvoke(b *testing.B) {
	for _, l := range languages(b) {
		b.Run(l.name, func(b *testing.B) {
			var peer string
			if l.name == "Node" && *withPeers {
				peer = serverlessOffline(b, l)
			}
			for _, workers := range []int{1, 8, 64} {
				b.Run(fmt.Sprintf("at-once=%d", workers), func(b *testing.B) {
					teal := servePlatform(b)
					createFunction(b, teal, l)
					floor := newBare(b, l, workers)
					request := invokeRequest(teal)
					others := []contender{{"bare", func(b *testing.B) sample { return callers(b, workers, floor.listener.Addr().String(), request) }}}
					if l.handler == "bootstrap" {
						prototype := newPrototype(b, l, workers)
						others = append(others, contender{"prototype", func(b *testing.B) sample {
							return callers(b, workers, prototype.listener.Addr().String(), request)
						}})
					}
					if l.handler == "bootstrap" && workers == 1 && *withPeers {
						if addr, request := interfaceEmulator(b, l); addr != "" {
							others = append(others, outside("rie", workers, addr, request))
						}
					}
					if peer != "" {
						others = append(others, outside("serverless-offline", workers, peer, invokeRequest(peer)))
					}
					compareWarm(b, l.warming, contender{"platform", func(b *testing.B) sample { return callers(b, workers, teal, request) }}, others...)
				})
			}
		})
	}
}

// outside is a contender in a process of its own: the processor time that is measured is only the load's, and left out.
func outside(name string, workers int, addr string, request []byte) contender {
	return contender{name, func(b *testing.B) sample {
		s := callers(b, workers, addr, request)
		s.cpu = 0
		return s
	}}
}

// callers loads addr with workers keep-alive connections.
func callers(b *testing.B, workers int, addr string, request []byte) sample {
	var open []*client
	defer func() {
		for _, c := range open {
			c.conn.Close()
		}
	}()
	return load(b, workers, func() func() error {
		c, err := dial(addr, request, event)
		if err != nil {
			b.Fatal(err)
		}
		open = append(open, c)
		return c.do
	})
}

// invokeRequest is Invoke as the SDK sends it. Any signature is taken on loopback.
func invokeRequest(addr string) []byte {
	return fmt.Appendf(nil, "POST /2015-03-31/functions/bench/invocations?Qualifier=live HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n"+
		"X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/lambda/aws4_request, "+
		"SignedHeaders=host;x-amz-date, Signature=%064x\r\nContent-Length: %d\r\n\r\n%s", addr, 0, len(event), event)
}

// buildFunction builds testdata/echo into a folder that functions' users can reach.
func buildFunction(b *testing.B) string {
	b.Helper()
	dir := reachableDir(b)
	build(b, filepath.Join(dir, "bootstrap"), "./testdata/echo")
	return dir
}

func build(b *testing.B, out, pkg string) {
	b.Helper()
	c := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
}

// reachableDir is a temporary folder that other users can enter, as functions have users of their own where this runs as root.
func reachableDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "teal-bench-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// servePlatform serves a whole platform, with its store on disk, and gives its address.
func servePlatform(b *testing.B) (addr string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p, err := platform.New(platform.Config{DataDir: reachableDir(b), Address: l.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	server := &front.Server{Handler: p, Hot: p.Hot}
	go server.Serve(l)
	b.Cleanup(func() {
		server.Close()
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	})
	return l.Addr().String()
}

// createFunction makes the function bench with two versions, and the alias live over both.
func createFunction(b *testing.B, addr string, l *language) *lambda.Client {
	b.Helper()
	ctx, name := b.Context(), aws.String("bench")
	api := lambda.New(lambda.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + addr),
		Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
	})
	if _, err := api.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: name, Runtime: l.runtime,
		Role: aws.String("arn:aws:iam::000000000000:role/bench"), Handler: &l.handler,
		Code: &types.FunctionCode{ZipFile: zipFolder(b, l.code)}, Publish: true,
	}); err != nil {
		b.Fatal(err)
	}
	if _, err := api.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Description: aws.String("the second")}); err != nil {
		b.Fatal(err)
	}
	if _, err := api.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: name}); err != nil {
		b.Fatal(err)
	}
	if _, err := api.CreateAlias(ctx, &lambda.CreateAliasInput{
		FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1"),
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": 0.1}},
	}); err != nil {
		b.Fatal(err)
	}
	return api
}

// zipOf is a deployment package with one executable.
func zipOf(b *testing.B, name string, content []byte) []byte {
	b.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: name, Method: zip.Store}
	h.SetMode(0o755)
	f, err := z.CreateHeader(h)
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// zipFolder is a deployment package with the one file of a folder.
func zipFolder(b *testing.B, dir string) []byte {
	b.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		b.Fatalf("%s holds %v: %v", dir, entries, err)
	}
	content, err := os.ReadFile(filepath.Join(dir, entries[0].Name()))
	if err != nil {
		b.Fatal(err)
	}
	return zipOf(b, entries[0].Name(), content)
}
