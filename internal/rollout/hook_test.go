package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/tealdeploy/teal/internal/alias"
	"github.com/tealdeploy/teal/internal/release"
)

func hooked(h Hook, s Settings) Plan {
	s.Before = []Hook{h}
	return Plan{
		ID: "ro-1", App: "shop", Kind: Deploy, Release: "re-1", Settings: s,
		Functions: []Function{{Key: "f", Name: "shop-f", Alias: "live"}, {Key: "h", Name: "shop-h", Alias: "live"}},
	}
}

func TestFaultsOfHooksThatCodeDeployCalls(t *testing.T) {
	good := Hook{Function: "h", CodeDeploy: &CodeDeploy{Tests: "f", Application: "shop", Group: "hooks"}}
	if _, err := New(hooked(good, Settings{})); err != nil {
		t.Fatal(err)
	}
	for want, bad := range map[string]Hook{
		"which it is to test":                          {Function: "h", CodeDeploy: &CodeDeploy{Tests: "x", Application: "shop", Group: "hooks"}},
		"needs an application and a deployment group":  {Function: "h", CodeDeploy: &CodeDeploy{Tests: "f", Application: "shop"}},
		"only a function is called by CodeDeploy":      {Command: "true", CodeDeploy: good.CodeDeploy},
		"beyond the 1h0m0s that CodeDeploy waits":      {Function: "h", CodeDeploy: good.CodeDeploy, Timeout: 2 * time.Hour},
		"no function of the release has the key \"g\"": {Function: "g", CodeDeploy: good.CodeDeploy},
	} {
		if _, err := New(hooked(bad, Settings{})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", bad, err, want)
		}
	}
}

// driveToHook answers reads with version 1 and publications with the versions given, until a hook is asked for.
func driveToHook(t *testing.T, p Plan, versions map[string]string) (State, *RunHook) {
	t.Helper()
	s, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	events := []Event{{Kind: EventStart, At: at}}
	for len(events) > 0 {
		ev := events[0]
		events = events[1:]
		next, effects, err := Step(s, ev)
		if err != nil {
			t.Fatal(err)
		}
		s = next
		for _, e := range effects {
			answer := Event{Kind: EventResult, Effect: e.ID, At: at}
			switch {
			case e.RunHook != nil:
				return s, e.RunHook
			case e.ReadRouting != nil:
				answer.Routing = &release.AliasRouting{Ref: e.ReadRouting.Ref, Routing: alias.Routing{Primary: "1"}, Revision: "r"}
			case e.PublishFunction != nil:
				key := e.PublishFunction.Key
				answer.Function = &release.FunctionVersion{Key: key, Name: "shop-" + key, Version: versions[key], ARN: "arn:" + key + ":" + versions[key]}
			default:
				continue
			}
			events = append(events, answer)
		}
	}
	return s, nil
}

// Why: CodeDeploy must be told from which version it shifts, and finds a run's deployment by when it began.
func TestAHookOfCodeDeployIsToldBlue(t *testing.T) {
	p := hooked(Hook{Function: "h", CodeDeploy: &CodeDeploy{Tests: "f", Application: "shop", Group: "hooks"}}, Settings{})
	_, run := driveToHook(t, p, map[string]string{"f": "2", "h": "3"})
	if run == nil || run.Blue != "1" || run.Functions["f"].Version != "2" || run.FunctionARN != "arn:h:3" || run.Began.IsZero() {
		t.Errorf("it is run with %+v", run)
	}
}

// Why: a deployment of CodeDeploy's calls its hooks, also where nothing moves; a release of Teal's ends there.
func TestUnmovedGoesThroughEveryPhase(t *testing.T) {
	same := map[string]string{"f": "1", "h": "1"}
	if s, run := driveToHook(t, hooked(Hook{Function: "h"}, Settings{}), same); run != nil || s.Phase != Promoted {
		t.Errorf("a release in which nothing moves: %s, %+v", s.Phase, run)
	}
	if s, run := driveToHook(t, hooked(Hook{Function: "h"}, Settings{Unmoved: true}), same); run == nil || s.Phase != Testing {
		t.Errorf("with Unmoved: %s, %+v", s.Phase, run)
	}
}
