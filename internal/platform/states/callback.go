package states

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/asl/interp"
	"github.com/tealdeploy/teal/internal/store"
)

// maxTaskToken is AWS's limit for a task token, in characters.
const maxTaskToken = 2048

// SendTaskSuccess gives the output of a task that waits for its token to come back. It answers once that is durable.
func (s *Service) SendTaskSuccess(_ context.Context, in *sfn.SendTaskSuccessInput) (*sfn.SendTaskSuccessOutput, error) {
	var c constraints
	c.required("taskToken", in.TaskToken, 1, maxTaskToken)
	c.required("output", in.Output, 0, maxPayload)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if !json.Valid([]byte(*in.Output)) {
		return nil, &types.InvalidOutput{Message: sentence("Invalid Output: '%s'", *in.Output)}
	}
	ev := interp.Event{Kind: interp.EventTaskSucceeded, Output: json.RawMessage(*in.Output)}
	if err := s.callBack(*in.TaskToken, ev); err != nil {
		return nil, err
	}
	return &sfn.SendTaskSuccessOutput{}, nil
}

// SendTaskFailure fails a task that waits for its token to come back. It answers once that is durable.
func (s *Service) SendTaskFailure(_ context.Context, in *sfn.SendTaskFailureInput) (*sfn.SendTaskFailureOutput, error) {
	var c constraints
	c.required("taskToken", in.TaskToken, 1, maxTaskToken)
	c.text("error", in.Error, 0, 256)
	c.text("cause", in.Cause, 0, 32768)
	if err := c.Err(); err != nil {
		return nil, err
	}
	ev := interp.Event{Kind: interp.EventTaskFailed, Error: text(in.Error), Cause: text(in.Cause)}
	if err := s.callBack(*in.TaskToken, ev); err != nil {
		return nil, err
	}
	return &sfn.SendTaskFailureOutput{}, nil
}

// SendTaskHeartbeat tells that a task is still worked on: its HeartbeatSeconds begin anew. It answers once that is
// durable.
func (s *Service) SendTaskHeartbeat(_ context.Context, in *sfn.SendTaskHeartbeatInput) (*sfn.SendTaskHeartbeatOutput, error) {
	var c constraints
	c.required("taskToken", in.TaskToken, 1, maxTaskToken)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := s.callBack(*in.TaskToken, interp.Event{Kind: interp.EventHeartbeat}); err != nil {
		return nil, err
	}
	return &sfn.SendTaskHeartbeatOutput{}, nil
}

// callBack delivers an event to the task of a token.
func (s *Service) callBack(token string, ev interp.Event) error {
	arn, command, ok := interp.ParseToken(s.tokenKey, token)
	if !ok {
		return invalidToken()
	}
	id, err := s.executionID(arn)
	if err != nil {
		return invalidToken()
	}
	ev.Command = command
	switch err := s.engine.tell(id, ev); {
	case errors.Is(err, store.ErrNotFound):
		return &types.TaskDoesNotExist{Message: sentence("Task does not exist: 'Provided task does not exist'")}
	case errors.Is(err, errNotOpen), errors.Is(err, errStaleAnswer):
		return &types.TaskTimedOut{Message: sentence("Task Timed Out: 'Provided task does not exist anymore'")}
	default:
		return err
	}
}

// secret reads what task tokens are made with, and makes it when the store is new.
func secret(ctx context.Context, s store.Store) (string, error) {
	switch was, err := s.Get(ctx, bucketSecrets, "tokens"); {
	case err == nil:
		return string(was), nil
	case !errors.Is(err, store.ErrNotFound):
		return "", failure("reading the secret of task tokens", err)
	}
	key := rand.Text()
	b := &store.Batch{}
	b.ExpectAbsent(bucketSecrets, "tokens")
	b.Put(bucketSecrets, "tokens", []byte(key))
	if err := s.Commit(ctx, b); err != nil {
		return "", failure("keeping the secret of task tokens", err)
	}
	return key, nil
}
