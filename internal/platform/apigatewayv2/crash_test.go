package apigatewayv2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"github.com/tealdeploy/teal/internal/store"
	"github.com/tealdeploy/teal/internal/store/memory"
)

// dyingStore stops at the n-th commit: before it is written, or after, when nobody hears of it any more.
type dyingStore struct {
	store.Store
	left    int
	written bool // the last commit is written all the same
}

var errDied = errors.New("the machine stopped")

func (d *dyingStore) Commit(ctx context.Context, b *store.Batch) error {
	if d.left--; d.left > 0 {
		return d.Store.Commit(ctx, b)
	}
	if d.left == 0 && d.written {
		if err := d.Store.Commit(ctx, b); err != nil {
			return err
		}
	}
	return errDied
}

// What was acknowledged is there after a stop at any write, and serves; a change that was not acknowledged is there as a whole or
// not at all.
func TestCrashes(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { crash(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func crash(t *testing.T, rnd *rand.Rand) {
	ctx, disk := t.Context(), memory.New()
	g := newGateway(t, Config{Store: disk, Invoker: answers(`"ok"`)})
	to := g.lambda(functionHello, "2.0", nil)
	dying := &dyingStore{Store: disk, left: 1 + rnd.IntN(20), written: rnd.IntN(2) == 0}
	cfg := g.cfg
	cfg.Store = dying
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := shape(t, s)
	for n := 0; ; n++ {
		var err error
		switch rnd.IntN(4) {
		case 0:
			_, err = s.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: &g.id, RouteKey: aws.String(fmt.Sprintf("GET /r%d", n)), Target: aws.String("integrations/" + to)})
		case 1:
			_, err = s.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: &g.id, StageName: aws.String(fmt.Sprintf("s%d", n)), AutoDeploy: aws.Bool(rnd.IntN(2) == 0)})
		case 2:
			_, err = s.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String(fmt.Sprint(n)), ProtocolType: types.ProtocolTypeHttp, Target: aws.String(functionHello)})
		case 3:
			_, err = s.ReimportApi(ctx, &apigatewayv2.ReimportApiInput{ApiId: &g.id, Body: aws.String(fmt.Sprintf(
				`{"openapi":"3.0.0","info":{"title":"t%d"},"paths":{"/n%d":{"get":{"x-amazon-apigateway-integration":{"type":"aws_proxy","uri":%q,"payloadFormatVersion":"2.0"}}}}}`, n, n, functionHello))})
			if err == nil {
				for id := range s.lookup(g.id).Integrations {
					to = id
				}
			}
		}
		if errors.Is(err, errDied) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		acknowledged = shape(t, s)
	}
	if now := shape(t, s); now != acknowledged {
		t.Errorf("what was not acknowledged is served:\n%s\nnot\n%s", now, acknowledged)
	}
	after := shape(t, g.reopen().Service)
	if !dying.written && after != acknowledged {
		t.Errorf("after the restart there is\n%s\nnot\n%s", after, acknowledged)
	}
	if dying.written && after == acknowledged {
		t.Errorf("what was written is lost")
	}
}

// shape is all that a service has, as text.
func shape(t *testing.T, s *Service) string {
	t.Helper()
	out := map[string]any{}
	for id, a := range *s.state.Load() {
		for name, st := range a.Stages {
			if aws.ToBool(st.AutoDeploy) && len(a.Routes) > 0 && a.stage(name).router.size() != len(a.Routes) {
				t.Errorf("stage %s of %s serves %d routes of %d", name, id, a.stage(name).router.size(), len(a.Routes))
			}
		}
		out[id] = []any{a.document, a.deployments}
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// size counts the routes of a router.
func (r *router) size() int {
	n := r.any.size()
	for _, m := range r.methods {
		n += m.size()
	}
	if r.fallback != nil {
		n++
	}
	return n
}

func (n *node) size() int {
	if n == nil {
		return 0
	}
	count := n.variable.size()
	for _, next := range n.literals {
		count += next.size()
	}
	if n.route != nil {
		count++
	}
	if n.greedy != nil {
		count++
	}
	return count
}
