package bench

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// BenchmarkSplit is a stage of a REST API that gives a tenth of its requests to a canary, with an HTTP server of this machine
// behind either side, against reverse proxies that split 90 to 10 between the same two servers: the least that does so, the
// one of net/http/httputil, and HAProxy and nginx where they are installed.
func BenchmarkSplit(b *testing.B) {
	blue, green := serveText(b, "blue"), serveText(b, "green")
	teal := servePlatform(b)
	path := createSplit(b, teal, blue, green)
	proxies := []struct{ name, addr string }{
		{"bare", newSplitter(b, blue, green)},
		{"httputil", serveReverseProxy(b, blue, green)},
		{"haproxy", startHAProxy(b, blue, green)},
		{"nginx", startNginx(b, blue, green)},
	}
	for _, workers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("at-once=%d", workers), func(b *testing.B) {
			others := []contender{}
			for _, p := range proxies {
				if p.addr == "" {
					continue
				}
				others = append(others, contender{p.name, func(b *testing.B) sample {
					s := splitCallers(b, workers, p.addr, "/")
					if p.name == "haproxy" || p.name == "nginx" {
						s.cpu = 0 // it is spent in a process of their own
					}
					return s
				}})
			}
			compare(b, contender{"teal", func(b *testing.B) sample { return splitCallers(b, workers, teal, path) }}, others...)
		})
	}
}

// BenchmarkGateway is a call of an HTTP API whose function is behind an alias that splits 90 to 10, against the invocation of
// the same alias, and against the bare two-hop cycle with the event that the function gets.
func BenchmarkGateway(b *testing.B) {
	golang := languages(b)[0]
	for _, workers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("at-once=%d", workers), func(b *testing.B) {
			teal := servePlatform(b)
			createFunction(b, teal, golang)
			floor := newBare(b, golang, workers)
			host := createHTTPAPI(b, teal)
			call := fmt.Appendf(nil, "POST /orders HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nUser-Agent: bench\r\nContent-Length: %d\r\n\r\n%s", host, len(event), event)
			invoke := invokeRequest(teal)
			bareEvent := gatewayEvent(b, teal, call)
			bareCall := fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(bareEvent), bareEvent)
			compare(b,
				contender{"gateway", func(b *testing.B) sample { return callersOf(b, workers, teal, call, "") }},
				contender{"invoke", func(b *testing.B) sample { return callersOf(b, workers, teal, invoke, event) }},
				contender{"bare", func(b *testing.B) sample {
					return callersOf(b, workers, floor.listener.Addr().String(), bareCall, bareEvent)
				}})
		})
	}
}

// gatewayEvent is the event that the function, which returns what it gets, is called with.
func gatewayEvent(b *testing.B, addr string, call []byte) string {
	b.Helper()
	c, err := dial(addr, call, "")
	if err != nil {
		b.Fatal(err)
	}
	defer c.conn.Close()
	if _, err := c.conn.Write(call); err != nil {
		b.Fatal(err)
	}
	first, body, err := readMessage(c.r)
	if err != nil || first != "HTTP/1.1 200 OK" || !bytes.Contains(body, []byte(`"routeKey":"POST /orders"`)) {
		b.Fatalf("%s %s %v", first, body, err)
	}
	return string(body)
}

// callersOf is callers with an answer of the caller's choice; "" takes any that is 200.
func callersOf(b *testing.B, workers int, addr string, request []byte, want string) sample {
	var open []*client
	defer func() {
		for _, c := range open {
			c.conn.Close()
		}
	}()
	return load(b, workers, func() func() error {
		c, err := dial(addr, request, want)
		if err != nil {
			b.Fatal(err)
		}
		open = append(open, c)
		if want != "" {
			return c.do
		}
		return func() error {
			body, err := c.ask()
			if err == nil && len(body) == 0 {
				err = fmt.Errorf("an empty answer")
			}
			return err
		}
	})
}

// splitCallers loads a splitter with GET requests, and checks that both sides were seen in the right proportion.
func splitCallers(b *testing.B, workers int, addr, path string) sample {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", path, addr)
	counts := make([][2]int, 0, workers)
	var open []*client
	defer func() {
		for _, c := range open {
			c.conn.Close()
		}
	}()
	s := load(b, workers, func() func() error {
		c, err := dial(addr, request, "")
		if err != nil {
			b.Fatal(err)
		}
		open, counts = append(open, c), append(counts, [2]int{})
		i := len(counts) - 1
		return func() error {
			body, err := c.ask()
			switch {
			case err != nil:
				return err
			case string(body) == "blue":
				counts[i][0]++
			case string(body) == "green":
				counts[i][1]++
			default:
				return fmt.Errorf("neither side answered: %q", body)
			}
			return nil
		}
	})
	blue, green := 0, 0
	for _, c := range counts {
		blue, green = blue+c[0], green+c[1]
	}
	if share := float64(green) / float64(blue+green); blue+green > 2000 && (share < 0.05 || share > 0.15) {
		b.Errorf("%s gave %.3f to green, not a tenth", addr, share)
	}
	return s
}

// createHTTPAPI makes an HTTP API over the alias and gives its host name.
func createHTTPAPI(b *testing.B, addr string) (host string) {
	b.Helper()
	ctx, key := b.Context(), credentials.NewStaticCredentialsProvider("x", "x", "")
	url := aws.String("http://" + addr)
	functions := lambda.New(lambda.Options{Region: "us-east-1", BaseEndpoint: url, Credentials: key})
	apis := apigatewayv2.New(apigatewayv2.Options{Region: "us-east-1", BaseEndpoint: url, Credentials: key})
	alias := aws.String("arn:aws:lambda:us-east-1:000000000000:function:bench:live")
	api, err := apis.CreateApi(ctx, &apigatewayv2.CreateApiInput{
		Name: aws.String("bench"), ProtocolType: gatewaytypes.ProtocolTypeHttp, Target: alias, RouteKey: aws.String("POST /orders"),
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := functions.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: alias, StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
	}); err != nil {
		b.Fatal(err)
	}
	return strings.TrimPrefix(*api.ApiEndpoint, "http://")
}

// createSplit makes a REST API whose stage has a canary of a tenth, and gives the path at which it answers.
func createSplit(b *testing.B, addr, blue, green string) (path string) {
	b.Helper()
	ctx := b.Context()
	c := apigateway.New(apigateway.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + addr), Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
	})
	api, err := c.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("split")})
	if err != nil {
		b.Fatal(err)
	}
	get, stage := aws.String("GET"), aws.String("live")
	must(b, func() error {
		_, err := c.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: get, AuthorizationType: aws.String("NONE")})
		return err
	}, func() error {
		_, err := c.PutIntegration(ctx, &apigateway.PutIntegrationInput{
			RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: get, Type: types.IntegrationTypeHttpProxy,
			IntegrationHttpMethod: get, Uri: aws.String("http://${stageVariables.side}/"),
		})
		return err
	}, func() error {
		_, err := c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: stage, Variables: map[string]string{"side": blue}})
		return err
	}, func() error {
		_, err := c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{
			RestApiId: api.Id, StageName: stage,
			CanarySettings: &types.DeploymentCanarySettings{PercentTraffic: 10, StageVariableOverrides: map[string]string{"side": green}},
		})
		return err
	})
	return "/_aws/execute-api/" + *api.Id + "/live/"
}

// serveText is a backend: it answers every request with the same word, and as little as can be else.
func serveText(b *testing.B, word string) (addr string) {
	b.Helper()
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(word), word)
	return serveConns(b, func(conn net.Conn) {
		r := newReader(conn)
		for {
			if _, _, err := readMessage(r); err != nil {
				return
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	})
}

// serveConns serves each connection of a new listener in a goroutine, until the benchmark ends.
func serveConns(b *testing.B, serve func(net.Conn)) (addr string) {
	b.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// writeFile writes a proxy's configuration where its own user can read it.
func writeFile(b *testing.B, path, text string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}
