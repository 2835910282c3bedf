package apigateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/sqlite"
)

// killDatabase and killSeed tell a re-executed test binary to be the process that is killed.
const (
	killDatabase = "TEAL_TEST_APIGATEWAY_KILL_DB"
	killSeed     = "TEAL_TEST_APIGATEWAY_KILL_SEED"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(killDatabase); path != "" {
		seed, _ := strconv.ParseUint(os.Getenv(killSeed), 10, 64)
		db, err := sqlite.Open(path)
		end(err)
		s, err := New(Config{Store: db})
		end(err)
		for worker := range uint64(3) {
			go work(s, rand.New(rand.NewPCG(seed, worker)))
		}
		select {}
	}
	os.Exit(m.Run())
}

func end(err error) {
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
}

// step is what one operation makes of an API. Each has a number, which is in all that it writes.
type step struct {
	op string
	n  int
}

// made is what an API is after its steps: the numbers of what was written last, 0 for nothing.
type made struct{ document, base, canary int }

func (m made) after(s step) made {
	switch s.op {
	case "create":
		m = made{}
	case "import":
		m.document = s.n
	case "deploy":
		m.base = s.n
	case "canary":
		m.canary = s.n
	case "promote":
		m.base, m.canary = m.canary, 0
	}
	return m
}

// work changes an API of its own, and then another one, and says what it is about to do and what was acknowledged.
func work(s *Service, rnd *rand.Rand) {
	ctx := context.Background()
	for {
		api, err := s.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("new")})
		end(err)
		fmt.Println("done", *api.Id, "create", 0)
		state, stage := made{}, aws.String("prod")
		for n := 1; ; n++ {
			next := step{"import", n}
			if n%2 == 0 { // what was imported is deployed
				switch pick := rnd.IntN(6); {
				case state.canary != 0:
					next.op = "promote"
				case state.base == 0 || pick < 3:
					next.op = "deploy"
				case pick < 5:
					next.op = "canary"
				default:
					next.op = "delete"
				}
			}
			fmt.Println("about", *api.Id, next.op, n)
			variables := map[string]string{"n": strconv.Itoa(n)}
			switch next.op {
			case "import":
				_, err = s.PutRestApi(ctx, &apigateway.PutRestApiInput{RestApiId: api.Id, Mode: types.PutModeOverwrite, Body: openAPI(n)})
			case "deploy":
				_, err = s.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: stage, Description: aws.String(strconv.Itoa(n)), Variables: variables})
			case "canary":
				_, err = s.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{
					RestApiId: api.Id, StageName: stage, Description: aws.String(strconv.Itoa(n)),
					CanarySettings: &types.DeploymentCanarySettings{PercentTraffic: 50, StageVariableOverrides: variables},
				})
			case "promote":
				_, err = s.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api.Id, StageName: stage, PatchOperations: []types.PatchOperation{
					{Op: types.OpCopy, From: aws.String("/canarySettings/deploymentId"), Path: aws.String("/deploymentId")},
					{Op: types.OpCopy, From: aws.String("/canarySettings/stageVariableOverrides"), Path: aws.String("/variables")},
					{Op: types.OpRemove, Path: aws.String("/canarySettings")},
				}})
			case "delete":
				_, err = s.DeleteRestApi(ctx, &apigateway.DeleteRestApiInput{RestApiId: api.Id})
			}
			end(err)
			fmt.Println("done", *api.Id, next.op, n)
			if next.op == "delete" {
				break
			}
			state = state.after(next)
		}
	}
}

// openAPI describes an API with one path, whose answer tells the document's number and the stage's.
func openAPI(n int) []byte {
	return fmt.Appendf(nil, `{"swagger": "2.0", "info": {"title": "v%[1]d"}, "paths": {"/p": {"get": {
		"responses": {"200": {"description": "ok"}},
		"x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"},
			"responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "%[1]d $stageVariables.n"}}}}}}}}`, n)
}

// What was acknowledged is there after a SIGKILL, and serves; what was not is there as a whole or not at all.
func TestKilledAPIs(t *testing.T) {
	path, seed := filepath.Join(t.TempDir(), "db"), rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 99))
	acknowledged, about, states := map[string]step{}, map[string]step{}, map[string]made{}
	for life := range uint64(6) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), killDatabase+"="+path, killSeed+"="+strconv.FormatUint(seed+life, 10))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := 10 + rnd.IntN(150)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			word := strings.Fields(scan.Text())
			if word[0] == "failed" {
				t.Fatal(scan.Text())
			}
			s := step{op: word[2]}
			s.n, err = strconv.Atoi(word[3])
			must(t, err)
			if id := word[1]; word[0] == "about" {
				about[id] = s
			} else {
				acknowledged[id], states[id] = s, states[id].after(s)
				delete(about, id)
			}
			if lines--; lines == 0 {
				must(t, cmd.Process.Kill())
			}
		}
		_ = cmd.Wait() // it was killed
		checkKilled(t, path, acknowledged, about, states)
	}
	if len(states) < 3 {
		t.Errorf("only %d APIs were made", len(states))
	}
}

// checkKilled opens what a killed process left. What had not been acknowledged is settled afterwards.
func checkKilled(t *testing.T, path string, acknowledged, about map[string]step, states map[string]made) {
	t.Helper()
	db, err := sqlite.Open(path)
	must(t, err)
	defer db.Close()
	s, err := New(Config{Store: db, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	for id, last := range acknowledged {
		next, open := about[id]
		a := s.lookup(id)
		switch {
		case a == nil:
			if last.op != "delete" && (!open || next.op != "delete") {
				t.Errorf("API %s with %+v is lost", id, states[id])
			}
			delete(acknowledged, id)
			delete(about, id)
			continue
		case last.op == "delete":
			t.Errorf("API %s is back after it was deleted", id)
			continue
		}
		is, want := found(t, s, a, id), states[id]
		if is != want && (!open || is != want.after(next)) {
			t.Errorf("API %s is %+v, not %+v; about to %+v", id, is, want, next)
		}
		if open && is != want {
			states[id] = want.after(next)
		}
		delete(about, id)
	}
	for e, err := range db.Scan(t.Context(), bucketDeployments, store.Range{}) {
		must(t, err)
		if id, _, _ := strings.Cut(e.Key, "/"); s.lookup(id) == nil {
			t.Errorf("deployment %s outlived its API", e.Key)
		}
	}
}

// found reads what an API is, in all the places where it says so, and calls it.
func found(t *testing.T, s *Service, a *api, id string) (is made) {
	t.Helper()
	if name := *a.API.Name; name != "new" {
		_, err := fmt.Sscanf(name, "v%d", &is.document)
		must(t, err)
	}
	if paths := len(a.Resources); paths != 1+min(is.document, 1) {
		t.Errorf("API %s of document %d has %d resources", id, is.document, paths)
	}
	st, ok := a.Stages["prod"]
	if !ok {
		return is
	}
	numberOf := func(deployment *string, variables map[string]string) int {
		d := a.deployments[*deployment]
		if *d.Deployment.Description != variables["n"] {
			t.Errorf("API %s serves deployment %s with the variables of %s", id, *d.Deployment.Description, variables["n"])
		}
		n, err := strconv.Atoi(variables["n"])
		must(t, err)
		return n
	}
	is.base = numberOf(st.DeploymentId, st.Variables)
	want := map[string]bool{fmt.Sprintf("%d %d", is.base-1, is.base): true} // what was deployed had been imported just before
	if st.CanarySettings != nil {
		is.canary = numberOf(st.CanarySettings.DeploymentId, st.CanarySettings.StageVariableOverrides)
		want[fmt.Sprintf("%d %d", is.canary-1, is.canary)] = true
	}
	for range 4 {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/_aws/execute-api/"+id+"/prod/p", nil)
		s.ServeHTTP(w, r)
		if body, _ := io.ReadAll(w.Body); !want[string(body)] {
			t.Errorf("API %s answers %d %s, not one of %v", id, w.Code, body, want)
		}
	}
	return is
}
