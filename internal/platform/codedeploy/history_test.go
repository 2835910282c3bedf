package codedeploy

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

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

// Why: every AppSpec file names versions of its own, so each deployment is of another revision.
func TestOldRevisionsAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that each has a time of its own
		w := newWorld(t)
		w.group("CodeDeployDefault.LambdaAllAtOnce", func(*sdk.CreateDeploymentGroupInput) {})
		numbered := func(i int) *types.RevisionLocation { return revision(spec("1", fmt.Sprint(i))) }
		for i := range keptRevisions {
			must[*sdk.RegisterApplicationRevisionOutput](t)(w.svc.RegisterApplicationRevision(t.Context(), &sdk.RegisterApplicationRevisionInput{ApplicationName: aws.String("shop"), Revision: numbered(i)}))
			wait(time.Second)
		}
		must[*sdk.CreateDeploymentOutput](t)(w.svc.CreateDeployment(t.Context(), creation(spec("1", "0")))) // it fails, and has been used
		wait(time.Second)
		for i := range 3 {
			must[*sdk.RegisterApplicationRevisionOutput](t)(w.svc.RegisterApplicationRevision(t.Context(), &sdk.RegisterApplicationRevisionInput{ApplicationName: aws.String("shop"), Revision: numbered(keptRevisions + i)}))
			wait(time.Second)
		}
		for _, where := range []string{"at once", "after a restart"} {
			for i := range keptRevisions + 3 {
				_, err := w.svc.GetApplicationRevision(t.Context(), &sdk.GetApplicationRevisionInput{ApplicationName: aws.String("shop"), Revision: numbered(i)})
				var unknown *types.RevisionDoesNotExistException
				if gone := errors.As(err, &unknown); gone != (i >= 1 && i <= 3) || err != nil && !gone {
					t.Fatalf("%s: revision %d: %v", where, i, err)
				}
			}
			w.reopen()
		}
	})
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
