package lambda

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/executeapi"
	"github.com/tealdeploy/teal/internal/pool"
)

// A gateway that gives up gets its error at once, and the invocation goes on; where the function cannot outlast the gateway's
// patience, nothing is set up to be able to leave it.
func TestInvocationOutlastsItsDeadline(t *testing.T) {
	x := start(t)
	x.create("fn")
	request := &executeapi.Request{R: httptest.NewRequest("GET", "/", nil)}
	invoke := func(patience time.Duration) (*sdk.InvokeOutput, error) {
		ctx, free := request.Deadline(patience)
		defer free()
		return x.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("fn")})
	}
	ended, release := make(chan struct{}), make(chan struct{})
	x.exec.do = func(ctx context.Context, _ *pool.Function, in pool.Invocation) (pool.Result, error) {
		<-release
		if ctx.Done() != nil {
			t.Error("the invocation ends with its caller's patience")
		}
		close(ended)
		return pool.Result{Payload: in.Payload}, nil
	}
	if _, err := invoke(0); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(release)
	<-ended
	x.exec.do = nil
	if out, err := invoke(time.Hour); err != nil || string(out.Payload) != "{}" {
		t.Error(out, err)
	}
}
