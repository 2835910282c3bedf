package codedeploy

import (
	"errors"
	"fmt"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// Why: a platform that is deployed to for years must not grow, nor start more slowly, for ever.
func TestOldDeploymentsAreLetGo(t *testing.T) {
	w := newWorld(t)
	w.group("CodeDeployDefault.LambdaCanary10Percent5Minutes", func(*sdk.CreateDeploymentGroupInput) {})
	var ids []string
	for range keptOfGroup + 3 {
		out := must[*sdk.CreateDeploymentOutput](t)(w.svc.CreateDeployment(t.Context(), creation(spec("1", "1")))) // fails at once
		ids = append(ids, *out.DeploymentId)
	}
	for _, where := range []string{"at once", "after a restart"} {
		for i, id := range ids {
			_, err := w.svc.GetDeployment(t.Context(), &sdk.GetDeploymentInput{DeploymentId: &id})
			var unknown *types.DeploymentDoesNotExistException
			if gone := errors.As(err, &unknown); gone != (i < 3) || err != nil && !gone {
				t.Fatalf("%s: deployment %d of %d: %v", where, i+1, len(ids), err)
			}
		}
		w.reopen()
	}
}

// Why: a deployment under way is never let go, and those of groups that are gone do not pile up.
func TestWhatAFurtherDeploymentDisplaces(t *testing.T) {
	r := registry{byID: map[string]*deployment{}}
	add := func(group string, status types.DeploymentStatus) string {
		id := fmt.Sprint(len(r.deployments))
		r.add(newDeployment(&deploymentRecord{ID: id, GroupID: group, Status: status}))
		return id
	}
	running, old := add("a", types.DeploymentStatusInProgress), add("a", types.DeploymentStatusSucceeded)
	for i := range keptInAll - 2 {
		add(fmt.Sprint("deleted ", i), types.DeploymentStatusFailed)
	}
	gone := r.displaced("a")
	if len(gone) != 0 {
		t.Fatalf("%d are displaced by number %d", len(gone), keptInAll+1)
	}
	add("b", types.DeploymentStatusFailed)
	add("b", types.DeploymentStatusFailed)
	if gone = r.displaced("a"); len(gone) != 2 || gone[1].record().ID != old || gone[1].record().ID == running {
		t.Fatalf("displaced: %v", gone)
	}
}
