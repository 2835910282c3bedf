package executeapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Invoker runs Lambda functions. ctx bounds the wait for the answer; it is never cancelled because a client went away.
type Invoker interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error)
}

// Permissions answers from the resource policies of functions. MayInvoke tells whether principal, a service such as
// apigateway.amazonaws.com, may invoke function (an ARN; its policy is that of the exact qualifier) on behalf of source,
// an ARN. It is called for every request, from many goroutines.
type Permissions interface {
	MayInvoke(principal, source, function string) bool
}

// Principal is the service that invokes functions on behalf of an API.
const Principal = "apigateway.amazonaws.com"

// ErrForbidden says that the function's resource policy does not let the API invoke it.
var ErrForbidden = errors.New("the resource policy of the function does not let API Gateway invoke it")

// Function is a function, a version or an alias that an API invokes.
type Function struct {
	Invoker     Invoker
	Permissions Permissions // nil checks nothing
	ARN         string      // qualified or not
	// Role tells that the integration has credentials: AWS then asks the role's policies, which the platform takes as
	// granted, and not the function's.
	Role    bool
	Timeout time.Duration
	Event   bool // invoke asynchronously
}

// Invoke runs the function for a request and notes how long that took. source is the ARN of the route or method on whose
// behalf it runs. The error is ErrForbidden, wrapped with the names, or what the Invoker gives.
func (f *Function) Invoke(x *Request, source string, payload []byte) (out *lambda.InvokeOutput, late bool, err error) {
	if f.Permissions != nil && !f.Role && !f.Permissions.MayInvoke(Principal, source, f.ARN) {
		return nil, false, fmt.Errorf("%w: add a permission for %s with the source %s to %s", ErrForbidden, Principal, source, f.ARN)
	}
	in := &lambda.InvokeInput{FunctionName: &f.ARN, InvocationType: types.InvocationTypeRequestResponse, Payload: payload}
	if f.Event {
		in.InvocationType = types.InvocationTypeEvent
	}
	ctx, cancel := x.Deadline(f.Timeout)
	defer cancel()
	begin := time.Now()
	out, err = f.Invoker.Invoke(ctx, in)
	x.Waited += time.Since(begin)
	switch {
	case err != nil:
		return nil, ctx.Left() <= 0 || Expired(ctx, err), err
	case ctx.Left() <= 0:
		return nil, true, context.DeadlineExceeded
	}
	if v := aws.ToString(out.ExecutedVersion); v != "" {
		x.W.Header()[VersionHeader] = []string{v}
	}
	return out, false, nil
}

// SourceARN names a method of a stage as the policies of functions do:
// arn:aws:execute-api:region:account:api/stage/METHOD/path.
func SourceARN(region, account, api, rest string) string {
	return "arn:aws:execute-api:" + region + ":" + account + ":" + api + "/" + rest
}
