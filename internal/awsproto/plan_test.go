package awsproto

import (
	"context"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// clientOp is one operation as a generated client has it.
type clientOp struct {
	name    string
	in, out reflect.Type // struct types
}

// clientOps lists the operations of an SDK client by its methods.
func clientOps(client any) []clientOp {
	var ops []clientOp
	t := reflect.TypeOf(client)
	for i := range t.NumMethod() {
		m := t.Method(i)
		mt := m.Type
		if mt.NumIn() != 4 || !mt.IsVariadic() || mt.NumOut() != 2 ||
			mt.In(1) != reflect.TypeFor[context.Context]() || mt.In(2).Kind() != reflect.Pointer {
			continue
		}
		ops = append(ops, clientOp{name: m.Name, in: mt.In(2).Elem(), out: mt.Out(0).Elem()})
	}
	return ops
}

var cloudwatchUnions = []any{
	&cwtypes.EvaluationCriteriaMemberPromQLCriteria{},
	&cwtypes.EvaluationWindowMemberSlidingWindow{},
	&cwtypes.EvaluationWindowMemberWallClockWindow{},
}

// Every type that the served services can mention has a plan, but for those named here.
func TestEveryOperationHasPlans(t *testing.T) {
	refused := map[string]bool{
		"InvokeWithResponseStream": true, // an event stream
	}
	for _, svc := range []struct {
		s       *Service
		client  any
		atLeast int
	}{
		{&Service{Name: "lambda"}, &lambda.Client{}, 60},
		{&Service{Name: "states", Naming: LowerCamel}, &sfn.Client{}, 30},
		{&Service{Name: "sts"}, &sts.Client{}, 5},
		{&Service{Name: "monitoring", Unions: cloudwatchUnions}, &cloudwatch.Client{}, 30},
		{&Service{Name: "apigateway", Naming: LowerCamel, BodyTime: DateTime}, &apigatewayv2.Client{}, 60},
	} {
		ops := clientOps(svc.client)
		if len(ops) < svc.atLeast {
			t.Errorf("%s: only %d operations found on its client", svc.s.Name, len(ops))
		}
		c, err := svc.s.newCodec()
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range ops {
			_, err := c.plan(op.in)
			if err == nil {
				_, err = c.plan(op.out)
			}
			if (err != nil) != refused[op.name] {
				t.Errorf("%s %s: %v", svc.s.Name, op.name, err)
			}
		}
	}
}
