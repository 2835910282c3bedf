package awsproto

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// loopback answers a client of any host name with handler.
func loopback(t *testing.T, handler http.Handler) aws.Config {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	addr := srv.Listener.Addr().String()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region:                      "us-east-1",
		Credentials:                 credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		BaseEndpoint:                aws.String("http://" + addr),
		HTTPClient:                  &http.Client{Transport: unhurried{transport}},
		RetryMaxAttempts:            1,
		RequestMinCompressSizeBytes: 0,
	}
}

// unhurried lets only Read be seen of a request's body. The SDK closes the body once the answer has begun, and a closed
// body's WriteTo gives io.EOF as an error (smithy-go 1.28, transport/http/internal/io): a server that answers before
// net/http has looked for more of the body then loses the connection in the middle of a long answer. The SDK's retries
// hide it; here there are none.
type unhurried struct{ http.RoundTripper }

func (u unhurried) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r = r.Clone(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return u.RoundTripper.RoundTrip(r)
}

func newMux(t *testing.T, cfg Config, services ...*Service) *Mux {
	t.Helper()
	m, err := NewMux(cfg, services...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// filler makes values in which every member is set and no two strings are alike.
type filler struct {
	n      int
	unions []any
}

func (f *filler) fill(t *testing.T, v reflect.Value, depth int) {
	f.n++
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.UnixMilli(1_700_000_000_000 + int64(f.n)*60_000).UTC()))
		return
	case v.Type() == readerType:
		v.Set(reflect.ValueOf(strings.NewReader(fmt.Sprint("stream ", f.n))))
		return
	case v.Type() == closerType:
		v.Set(reflect.ValueOf(io.NopCloser(strings.NewReader(fmt.Sprint("stream ", f.n)))))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem(), depth)
	case reflect.String:
		v.SetString(fmt.Sprintf("s-%d é\"<&>", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.n % 100))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(f.n) + 0.25)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(fmt.Appendf(nil, "blob %d \xff", f.n))
			return
		}
		if depth > 8 {
			return
		}
		n := 2
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(t, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.n++
			k.SetString(fmt.Sprint("Key", f.n))
			f.fill(t, e, depth+1)
			v.SetMapIndex(k, e)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			sf := v.Type().Field(i)
			if sf.IsExported() && !sf.Anonymous && sf.Type != metadataType && depth <= 8 {
				f.fill(t, v.Field(i), depth+1)
			}
		}
	case reflect.Interface:
		for _, u := range f.unions {
			if reflect.TypeOf(u).Implements(v.Type()) {
				n := reflect.New(reflect.TypeOf(u).Elem())
				f.fill(t, n.Elem(), depth+1)
				v.Set(n)
				return
			}
		}
		t.Errorf("no variant for %s", v.Type())
	default:
		t.Errorf("cannot fill a %s", v.Type())
	}
}

// echo is an operation that keeps its input and answers with a prepared output.
type echo struct {
	in  any
	out any
}

func (e *echo) operation(op clientOp, opts ...Option) Operation {
	o := &operation{
		name: op.name, in: op.in, out: op.out,
		newIn: func() any { return reflect.New(op.in).Interface() },
		call: func(_ context.Context, in any) (any, error) {
			e.in = in
			return e.out, nil
		},
	}
	for _, opt := range opts {
		opt.apply(o)
	}
	return Operation{o}
}

// exchange sends every listed operation through the client and compares both directions.
func exchange(t *testing.T, svc *Service, newClient func(aws.Config) any, bindings map[string]Option, tweak func(op string, in reflect.Value)) {
	echoes := map[string]*echo{}
	ops := clientOps(newClient(aws.Config{}))
	var served []clientOp
	for _, op := range ops {
		binding, ok := bindings[op.name]
		if bindings != nil && !ok {
			continue
		}
		e := &echo{}
		echoes[op.name] = e
		var opts []Option
		if binding != nil {
			opts = append(opts, binding)
		}
		svc.Operations = append(svc.Operations, e.operation(op, opts...))
		served = append(served, op)
	}
	if bindings != nil && len(served) != len(bindings) {
		t.Errorf("%d operations bound, %d found on the client", len(bindings), len(served))
	}
	client := reflect.ValueOf(newClient(loopback(t, newMux(t, Config{}, svc))))
	for _, op := range served {
		t.Run(op.name, func(t *testing.T) {
			f := &filler{unions: svc.Unions}
			in, out := reflect.New(op.in), reflect.New(op.out)
			f.fill(t, in.Elem(), 0)
			f.fill(t, out.Elem(), 0)
			if tweak != nil {
				tweak(op.name, in.Elem())
			}
			if s := out.Elem().FieldByName("StatusCode"); s.IsValid() && s.Kind() == reflect.Int32 {
				s.SetInt(202)
			} else if op.name == "InvokeAsync" {
				out.Elem().FieldByName("Status").SetInt(202)
			}
			e := echoes[op.name]
			e.out = out.Interface()
			r := client.MethodByName(op.name).Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
			if err, _ := r[1].Interface().(error); err != nil {
				t.Fatal(err)
			}
			if got := e.in; !sameValue(got, in.Interface()) {
				t.Errorf("input arrived as\n%s\nwant\n%s", dump(got), dump(in.Interface()))
			}
			got := r[0]
			got.Elem().FieldByName("ResultMetadata").SetZero()
			if !sameValue(got.Interface(), out.Interface()) {
				t.Errorf("output arrived as\n%s\nwant\n%s", dump(got.Interface()), dump(out.Interface()))
			}
		})
	}
}

func dump(v any) string {
	c := &codec{unions: []reflect.Type{}}
	for _, u := range cloudwatchUnions {
		c.unions = append(c.unions, reflect.TypeOf(u).Elem())
	}
	p, err := c.plan(reflect.TypeOf(v))
	if err != nil {
		return fmt.Sprintf("%+v (%v)", v, err)
	}
	b, err := appendJSON(nil, p, reflect.ValueOf(v), 0)
	if err != nil {
		return fmt.Sprintf("%+v (%v)", v, err)
	}
	return string(b)
}

// sameValue compares inputs or outputs member by member; not streams, which are read by then, nor the zone in which a
// client puts a time.
func sameValue(a, b any) bool {
	blank := func(v any) any {
		n := reflect.New(reflect.TypeOf(v).Elem())
		n.Elem().Set(reflect.ValueOf(v).Elem())
		for i := range n.Elem().NumField() {
			if ft := n.Elem().Type().Field(i).Type; ft == readerType || ft == closerType {
				n.Elem().Field(i).SetZero()
			}
		}
		return n.Interface()
	}
	return dump(blank(a)) == dump(blank(b))
}

func TestStepFunctionsThroughItsClient(t *testing.T) {
	exchange(t, &Service{Name: "states", Target: "AWSStepFunctions", Protocols: []Protocol{AWSJSON10}, Naming: LowerCamel},
		func(c aws.Config) any { return sfn.NewFromConfig(c) }, nil, nil)
}

func TestCloudWatchThroughItsClient(t *testing.T) {
	exchange(t, &Service{Name: "monitoring", Target: "GraniteServiceVersion20100801", Protocols: []Protocol{RPCV2CBOR}, Unions: cloudwatchUnions},
		func(c aws.Config) any { return cloudwatch.NewFromConfig(c) }, nil, nil)
}

func TestSTSThroughItsClient(t *testing.T) {
	exchange(t, &Service{
		Name: "sts", APIVersion: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", Protocols: []Protocol{AWSQuery},
		Names: map[string]string{"PolicyDescriptorType.Arn": "arn"},
	}, func(c aws.Config) any { return sts.NewFromConfig(c) }, nil, nil)
}

func TestLambdaThroughItsClient(t *testing.T) {
	bindings := map[string]Option{}
	for _, s := range lambdaSchemas {
		bindings[s.ID().Name] = Schema(s)
	}
	exchange(t, &Service{Name: "lambda", Protocols: []Protocol{RESTJSON}},
		func(c aws.Config) any { return lambda.NewFromConfig(c) }, bindings, nil)
}

// Bindings as a module without schemas needs them.
var apigatewayBindings = map[string]Option{
	"CreateApi":         HTTP("POST", "/v2/apis", 201),
	"GetApi":            HTTP("GET", "/v2/apis/{ApiId}", 200),
	"GetApis":           HTTP("GET", "/v2/apis", 200, InQuery("MaxResults", "maxResults"), InQuery("NextToken", "nextToken")),
	"UpdateApi":         HTTP("PATCH", "/v2/apis/{ApiId}", 200),
	"DeleteApi":         HTTP("DELETE", "/v2/apis/{ApiId}", 204),
	"CreateRoute":       HTTP("POST", "/v2/apis/{ApiId}/routes", 201),
	"GetRoute":          HTTP("GET", "/v2/apis/{ApiId}/routes/{RouteId}", 200),
	"CreateIntegration": HTTP("POST", "/v2/apis/{ApiId}/integrations", 201),
	"CreateStage":       HTTP("POST", "/v2/apis/{ApiId}/stages", 201),
	"TagResource":       HTTP("POST", "/v2/tags/{ResourceArn}", 201),
	"UntagResource":     HTTP("DELETE", "/v2/tags/{ResourceArn}", 204, InQuery("TagKeys", "tagKeys")),
	"ExportApi": HTTP("GET", "/v2/apis/{ApiId}/exports/{Specification}", 200, InPayload("Body"), InQuery("ExportVersion", "exportVersion"),
		InQuery("IncludeExtensions", "includeExtensions"), InQuery("OutputType", "outputType"), InQuery("StageName", "stageName")),
}

func TestAPIGatewayThroughItsClient(t *testing.T) {
	exchange(t, &Service{Name: "apigateway", Protocols: []Protocol{RESTJSON}, Naming: LowerCamel, BodyTime: DateTime},
		func(c aws.Config) any { return apigatewayv2.NewFromConfig(c) }, apigatewayBindings, nil)
}

// Requests that the SDK compresses are read as the others are.
func TestGzipRequest(t *testing.T) {
	var e echo
	op := clientOp{"PutMetricData", reflect.TypeFor[cloudwatch.PutMetricDataInput](), reflect.TypeFor[cloudwatch.PutMetricDataOutput]()}
	e.out = &cloudwatch.PutMetricDataOutput{}
	svc := &Service{
		Name: "monitoring", Target: "GraniteServiceVersion20100801", Protocols: []Protocol{RPCV2CBOR}, Unions: cloudwatchUnions,
		Operations: []Operation{e.operation(op)},
	}
	var encoding string
	mux := newMux(t, Config{}, svc)
	c := cloudwatch.NewFromConfig(loopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		encoding = r.Header.Get("Content-Encoding")
		mux.ServeHTTP(w, r)
	})))
	in := &cloudwatch.PutMetricDataInput{}
	(&filler{}).fill(t, reflect.ValueOf(in).Elem(), 0)
	for range 200 {
		in.MetricData = append(in.MetricData, in.MetricData[0])
	}
	if _, err := c.PutMetricData(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if encoding != "gzip" {
		t.Fatalf("the SDK sent Content-Encoding %q; this test needs gzip", encoding)
	}
	if !reflect.DeepEqual(e.in, in) {
		t.Errorf("arrived as %s", dump(e.in))
	}
}

// The SDK's stream payloads arrive whole.
func TestStreamPayload(t *testing.T) {
	var got []byte
	svc := &Service{Name: "lambda", Protocols: []Protocol{RESTJSON}, Operations: []Operation{
		Op(func(_ context.Context, in *lambda.InvokeAsyncInput) (*lambda.InvokeAsyncOutput, error) {
			var err error
			got, err = io.ReadAll(in.InvokeArgs)
			return &lambda.InvokeAsyncOutput{Status: 202}, err
		}, Schema(lambdaSchema("InvokeAsync"))),
	}}
	c := lambda.NewFromConfig(loopback(t, newMux(t, Config{}, svc)))
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	//nolint:staticcheck // deprecated, but the one operation here whose payload is a stream
	out, err := c.InvokeAsync(t.Context(), &lambda.InvokeAsyncInput{FunctionName: aws.String("f"), InvokeArgs: bytes.NewReader(body)})
	if err != nil || out.Status != 202 || !bytes.Equal(got, body) {
		t.Errorf("got %d bytes, answer %+v, error %v", len(got), out, err)
	}
}

func lambdaSchema(name string) *smithy.Schema {
	for _, s := range lambdaSchemas {
		if s.ID().Name == name {
			return s
		}
	}
	return nil
}
