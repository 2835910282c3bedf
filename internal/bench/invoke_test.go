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

const event = `{"order":12345,"items":["tea"]}`

// BenchmarkInvoke is a warm invocation of an unmodified aws-lambda-go function through the platform's endpoint, over an alias
// that splits 90 to 10 between two versions, with metrics and deadlines, against the bare two-hop cycle.
func BenchmarkInvoke(b *testing.B) {
	code := buildFunction(b)
	for _, workers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("at-once=%d", workers), func(b *testing.B) {
			teal := servePlatform(b)
			createFunction(b, teal, code)
			floor := newBare(b, code, workers)
			request := invokeRequest(teal)
			compare(b,
				contender{"platform", func(b *testing.B) sample { return callers(b, workers, teal, request) }},
				contender{"bare", func(b *testing.B) sample { return callers(b, workers, floor.listener.Addr().String(), request) }})
		})
	}
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
func createFunction(b *testing.B, addr, code string) {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(code, "bootstrap"))
	if err != nil {
		b.Fatal(err)
	}
	ctx, name := b.Context(), aws.String("bench")
	api := lambda.New(lambda.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + addr),
		Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
	})
	if _, err := api.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: name, Runtime: types.RuntimeProvidedal2023,
		Role: aws.String("arn:aws:iam::000000000000:role/bench"), Handler: aws.String("bootstrap"),
		Code: &types.FunctionCode{ZipFile: zipOf(b, "bootstrap", text)}, Publish: true,
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
