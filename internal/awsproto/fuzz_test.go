package awsproto

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/fxamacker/cbor/v2"
)

// fuzzPlan is of an input with every kind of member.
func fuzzPlan(tb testing.TB, t reflect.Type) *plan {
	c, err := (&Service{Unions: cloudwatchUnions, Protocols: []Protocol{AWSQuery}}).newCodec()
	if err != nil {
		tb.Fatal(err)
	}
	p, err := c.plan(t)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

var fuzzTypes = []reflect.Type{
	reflect.TypeFor[lambda.CreateFunctionInput](),
	reflect.TypeFor[lambda.CreateEventSourceMappingInput](),
	reflect.TypeFor[cloudwatch.PutMetricAlarmInput](),
	reflect.TypeFor[cloudwatch.PutMetricDataInput](),
}

// Whatever the text, reading neither panics nor accepts what is not JSON, and what it accepts survives writing and
// reading again.
func FuzzJSON(f *testing.F) {
	plans := make([]*plan, len(fuzzTypes))
	for i, t := range fuzzTypes {
		plans[i] = fuzzPlan(f, t)
		full := reflect.New(t)
		fl := &filler{unions: cloudwatchUnions}
		fl.fill(&testing.T{}, full.Elem(), 0)
		b, err := appendJSON(nil, plans[i], full.Elem(), 0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), b)
	}
	for _, s := range []string{`{}`, ` null `, `{"a":[1,-0.5e+3,true,false,null,"\ud83d\ude00\ud83d"]}`, `{"Period":1e2}`, `[`, `{"Timeout":"1"}`, `{"a":01}`, "{\"a\":\"\x00\"}", `{"Threshold":"NaN"}`} {
		f.Add(byte(2), []byte(s))
	}
	f.Add(byte(0), []byte(`{"Code":{"ZipFile":"YvYiAxNSD/"}}`)) // base64 of a length that no padding completes
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		p := plans[int(which)%len(plans)]
		v := reflect.New(p.typ).Elem()
		err := decodeJSON(p, data, v)
		if valid := json.Valid(data) || len(bytes.TrimLeft(data, " \t\r\n")) == 0; err == nil && !valid {
			t.Fatalf("accepted %q, which is not JSON", data)
		}
		if err != nil {
			return
		}
		once, err := appendJSON(nil, p, v, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(once) {
			t.Fatalf("wrote %q, which is not JSON", once)
		}
		again := reflect.New(p.typ).Elem()
		if err := decodeJSON(p, once, again); err != nil {
			t.Fatalf("cannot read %q again: %v", once, err)
		}
		if twice, err := appendJSON(nil, p, again, 0); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q (%v)", once, twice, err)
		}
	})
}

func FuzzCBOR(f *testing.F) {
	plans := make([]*plan, len(fuzzTypes))
	for i, t := range fuzzTypes {
		plans[i] = fuzzPlan(f, t)
		full := reflect.New(t)
		fl := &filler{unions: cloudwatchUnions}
		fl.fill(&testing.T{}, full.Elem(), 0)
		b, err := appendCBOR(nil, plans[i], full.Elem(), 0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), b)
	}
	for _, s := range []string{"\xa0", "\xbf\xff", "\xc1\xfb\x00\x00\x00\x00\x00\x00\x00\x00", "\xa1\x69Threshold\xf9\x7e\x00", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "\xf6", "\xa1\x01\x02"} {
		f.Add(byte(2), []byte(s))
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		p := plans[int(which)%len(plans)]
		v := reflect.New(p.typ).Elem()
		if err := decodeCBOR(p, data, v); err != nil {
			return
		}
		once, err := appendCBOR(nil, p, v, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := cbor.Wellformed(once); err != nil {
			t.Fatalf("wrote %x: %v", once, err)
		}
		again := reflect.New(p.typ).Elem()
		if err := decodeCBOR(p, once, again); err != nil {
			t.Fatalf("cannot read %x again: %v", once, err)
		}
		if twice, err := appendCBOR(nil, p, again, 0); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x became %x (%v)", once, twice, err)
		}
	})
}

func FuzzForm(f *testing.F) {
	p := fuzzPlan(f, reflect.TypeFor[cloudwatch.PutMetricAlarmInput]())
	for _, s := range []string{
		"AlarmName=a&Dimensions.member.1.Name=x&Dimensions.member.1.Value=y&Threshold=NaN&ActionsEnabled=true&Period=60",
		"Metrics.member.2.MetricStat.Metric.Dimensions.member.1.Name=x&Tags.member.10.Key=k", "EvaluationCriteria.PromQLCriteria.Query=q",
		"AlarmActions=&AlarmActions.member=x", "a..b=1&.=2&=3", strings.Repeat("a.", 300) + "=1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		if root, err := decodeForm(p, form, reflect.New(p.typ).Elem()); err == nil {
			if _, err := json.Marshal(root.document(p)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Whatever the request, a mux answers, and not with an internal failure.
func FuzzRequest(f *testing.F) {
	mux, err := NewMux(Config{Logger: slog.New(slog.DiscardHandler)}, toyLambda(), toyStates(), toyMetrics(), toySTS())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("POST", "/2015-03-31/functions/f/aliases", "application/json", "", scoped("lambda"), `{"Name":"live"}`)
	f.Add("GET", "/2015-03-31/functions/%zz?MaxItems=1&MaxItems=2", "", "", "", "")
	f.Add("POST", "/", "application/x-www-form-urlencoded", "", scoped("sts"), "Action=GetCallerIdentity&Version=2011-06-15")
	f.Add("POST", "/", "application/x-amz-json-1.0", "AWSStepFunctions.GetExecutionHistory", scoped("states"), `{"maxResults":1}`)
	f.Add("POST", "/service/GraniteServiceVersion20100801/operation/GetDashboard", "application/cbor", "", "AWS4-HMAC-SHA256 Credential=////", "\xa0")
	f.Add("PUT", "//..//?X-Amz-Credential=a/b/c/d/aws4_request", "", ".", "", "")
	f.Fuzz(func(t *testing.T, method, target, contentType, amzTarget, auth, body string) {
		u, err := url.Parse(target)
		if err != nil || strings.Contains(body, "secret") || strings.Contains(target, "secret") || strings.Contains(body, "panic") || strings.Contains(target, "panic") ||
			strings.Contains(target, "server-fault") || strings.Contains(body, "server-fault") || strings.Contains(target, "half") {
			return
		}
		r := &http.Request{Method: method, URL: u, Host: "localhost", Header: http.Header{}, Body: restored([]byte(body)), ContentLength: int64(len(body))}
		for k, v := range map[string]string{"Content-Type": contentType, "X-Amz-Target": amzTarget, "Authorization": auth} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		if contentType == "application/cbor" {
			r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %q answered %d: %s", method, target, w.Code, w.Body)
		}
	})
}
