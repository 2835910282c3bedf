package platform

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// Over 100 switches of a stage from one side to the other no request fails, and once a switch has been answered every request that
// begins afterwards is answered by the new side.
func TestGatewaySwitches(t *testing.T) {
	r := start(t, Config{})
	ctx, c := t.Context(), apigateway.NewFromConfig(r.aws)
	side := func(word string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, word) }))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	sides := []string{side("0"), side("1")}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	api, err := c.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("switched")})
	check(err)
	get, prod := aws.String("GET"), aws.String("prod")
	_, err = c.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: get, AuthorizationType: aws.String("NONE")})
	check(err)
	_, err = c.PutIntegration(ctx, &apigateway.PutIntegrationInput{
		RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: get, Type: types.IntegrationTypeHttpProxy, IntegrationHttpMethod: get, Uri: aws.String("http://${stageVariables.side}/"),
	})
	check(err)
	_, err = c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: prod, Variables: map[string]string{"side": sides[0]}})
	check(err)

	// settled is the number of the last switch that was answered, begun that of the last one that was asked for.
	var settled, begun, asked atomic.Int64
	done := make(chan struct{})
	failures := make(chan error, 8)
	var callers sync.WaitGroup
	for range cap(failures) {
		callers.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				default:
				}
				least := settled.Load()
				body, err := fetch(client, r.url+"/_aws/execute-api/"+*api.Id+"/prod/")
				most := begun.Load()
				asked.Add(1)
				if err == nil && least == most && body != fmt.Sprint(least%2) {
					err = fmt.Errorf("after switch %d the other side answered", least)
				}
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	for n := int64(1); n <= 100; n++ {
		begun.Store(n)
		_, err := c.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api.Id, StageName: prod, PatchOperations: []types.PatchOperation{
			{Op: types.OpReplace, Path: aws.String("/variables/side"), Value: &sides[n%2]},
		}})
		if err != nil {
			t.Error(err)
			break
		}
		settled.Store(n)
		if body, err := fetch(http.DefaultClient, r.url+"/_aws/execute-api/"+*api.Id+"/prod/"); err != nil || body != fmt.Sprint(n%2) {
			t.Errorf("right after switch %d: %q %v", n, body, err)
		}
	}
	close(done)
	callers.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if asked.Load() < 100 {
		t.Errorf("only %d requests were made meanwhile", asked.Load())
	}
}

// fetch gives the body of an answer that is 200.
func fetch(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}
