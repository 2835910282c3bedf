package main

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Asynchronous invocations are sent while the platform is killed, twice. Every one that it has acknowledged reaches the
// destination of its failure, however far it was when the platform died, and without anybody naming the function again.
func TestKilledWithAsynchronousInvocations(t *testing.T) {
	t.Parallel()
	p := serve(t, "127.0.0.1:0", filepath.Join(reachableDir(t), "data"))
	ctx, name, bucket := t.Context(), aws.String("doomed"), aws.String("told")
	_, err := lambda.NewFromConfig(p.aws).CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: name, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Role: aws.String("arn:aws:iam::000000000000:role/teal"),
		Code: &types.FunctionCode{ZipFile: testFunction(t)}, Environment: &types.Environment{Variables: map[string]string{"FAIL": "grey"}},
	})
	must(t, err)
	objects := func() *s3.Client { return s3.NewFromConfig(p.aws, func(o *s3.Options) { o.UsePathStyle = true }) }
	_, err = objects().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	must(t, err)
	_, err = lambda.NewFromConfig(p.aws).PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: name, MaximumRetryAttempts: aws.Int32(0),
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:s3:::told")}},
	})
	must(t, err)

	accepted := map[string]bool{} // request ids
	for range 2 {
		var mu sync.Mutex
		var senders sync.WaitGroup
		died := make(chan struct{})
		enough := make(chan struct{}, 1000)
		for range 4 {
			senders.Go(func() {
				client := lambda.NewFromConfig(p.aws, func(o *lambda.Options) { o.RetryMaxAttempts = 1 })
				for n := 0; n < 200; n++ {
					out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeEvent, Payload: fmt.Appendf(nil, `{"n":%d}`, n)})
					if err != nil {
						<-died // nothing but the end of the platform may refuse one
						return
					}
					id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
					mu.Lock()
					accepted[id] = true
					mu.Unlock()
					enough <- struct{}{}
				}
			})
		}
		for range 40 {
			<-enough
		}
		p.kill()
		close(died)
		senders.Wait()
		p = p.restart()
	}
	if len(accepted) < 80 || accepted[""] {
		t.Fatalf("%d invocations were accepted", len(accepted))
	}
	until(t, "every invocation that was accepted is told of", func() bool {
		left := len(accepted)
		pages := s3.NewListObjectsV2Paginator(objects(), &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("aws/lambda/async/doomed/")})
		seen := map[string]bool{}
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			must(t, err)
			for _, o := range page.Contents {
				id := (*o.Key)[max(0, len(*o.Key)-len("00000000-0000-0000-0000-000000000000")):]
				if accepted[id] && !seen[id] {
					seen[id] = true
					left--
				}
			}
		}
		return left == 0
	})
}
