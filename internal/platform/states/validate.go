package states

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tealdeploy/teal/internal/asl"
)

// ValidateStateMachineDefinition tells what CreateStateMachine would say about a definition, and creates nothing.
func (s *Service) ValidateStateMachineDefinition(_ context.Context, in *sfn.ValidateStateMachineDefinitionInput) (*sfn.ValidateStateMachineDefinitionOutput, error) {
	var c constraints
	c.required("definition", in.Definition, 1, maxDefinition)
	c.Enum("type", string(in.Type), "STANDARD", "EXPRESS")
	c.Enum("severity", string(in.Severity), "ERROR", "WARNING")
	c.Between("maxResults", int(in.MaxResults), 0, 100)
	if err := c.Err(); err != nil {
		return nil, err
	}
	kind := in.Type
	if kind == "" {
		kind = types.StateMachineTypeStandard
	}
	_, found := s.definitions.diagnose(*in.Definition, kind)
	out := &sfn.ValidateStateMachineDefinitionOutput{
		Result: types.ValidateStateMachineDefinitionResultCodeOk, Diagnostics: []types.ValidateStateMachineDefinitionDiagnostic{},
	}
	if asl.HasErrors(found) {
		out.Result = types.ValidateStateMachineDefinitionResultCodeFail
	}
	limit, truncated := pageSize(in.MaxResults), false
	for _, d := range found {
		if d.Severity == asl.SeverityWarning && in.Severity != types.ValidateStateMachineDefinitionSeverityWarning {
			continue
		}
		if truncated = len(out.Diagnostics) == limit; truncated {
			break
		}
		out.Diagnostics = append(out.Diagnostics, types.ValidateStateMachineDefinitionDiagnostic{
			Code: &d.Code, Message: &d.Message, Severity: types.ValidateStateMachineDefinitionSeverity(d.Severity), Location: given(d.Location),
		})
	}
	out.Truncated = &truncated
	return out, nil
}
