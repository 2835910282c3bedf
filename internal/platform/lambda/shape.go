package lambda

import (
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// modifiedFormat is ISO 8601 with milliseconds, as Lambda writes it.
const modifiedFormat = "2006-01-02T15:04:05.000+0000"

// describe gives a version as AWS shows it; qualifier is how the caller asked for it, which the ARN repeats.
func (s *Service) describe(v *versionRecord, qualifier string) types.FunctionConfiguration {
	d := s.summarize(v, qualifier)
	d.State = types.State(v.State.Value)
	d.StateReason, d.StateReasonCode = text(v.State.Reason), types.StateReasonCode(v.State.Code)
	d.LastUpdateStatus = types.LastUpdateStatus(v.Update.Value)
	d.LastUpdateStatusReason, d.LastUpdateStatusReasonCode = text(v.Update.Reason), types.LastUpdateStatusReasonCode(v.Update.Code)
	d.RuntimeVersionConfig = &types.RuntimeVersionConfig{RuntimeVersionArn: aws.String(s.runtimeVersionARN(v.Config.Runtime))}
	return d
}

// summarize is describe for lists, where AWS leaves out the states and the runtime's version.
func (s *Service) summarize(v *versionRecord, qualifier string) types.FunctionConfiguration {
	c := v.Config
	d := types.FunctionConfiguration{
		CodeSha256: aws.String(codeSHA256(v.Code)), CodeSize: v.Code.Size,
		Description: aws.String(c.Description), FunctionArn: aws.String(s.arn(v.Function, qualifier)), FunctionName: aws.String(v.Function),
		Handler: aws.String(c.Handler), LastModified: aws.String(v.Modified.UTC().Format(modifiedFormat)),
		MemorySize: aws.Int32(c.Memory), PackageType: types.PackageTypeZip, RevisionId: aws.String(v.Revision),
		Role: aws.String(c.Role), Runtime: types.Runtime(c.Runtime), Timeout: aws.Int32(c.Timeout), Version: aws.String(v.Version),
		EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(c.Ephemeral)},
		SnapStart:        &types.SnapStartResponse{ApplyOn: snapStart(c.SnapStart), OptimizationStatus: types.SnapStartOptimizationStatusOff},
		Layers:           describeLayers(c.Layers),
		TracingConfig:    &types.TracingConfigResponse{Mode: types.TracingMode(c.Tracing)},
		LoggingConfig: &types.LoggingConfig{
			LogFormat: types.LogFormat(c.Logging.Format), LogGroup: aws.String(c.Logging.Group),
			ApplicationLogLevel: types.ApplicationLogLevel(c.Logging.Application), SystemLogLevel: types.SystemLogLevel(c.Logging.System),
		},
	}
	if c.DeadLetter != "" {
		d.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: aws.String(c.DeadLetter)}
	}
	for _, a := range slices.Clone(c.Architectures) {
		d.Architectures = append(d.Architectures, types.Architecture(a))
	}
	if c.Environment != nil {
		d.Environment = &types.EnvironmentResponse{Variables: maps.Clone(c.Environment.Variables)}
	}
	return d
}

// output is describe in the form that the operations on one version share.
func (s *Service) output(v *versionRecord, qualifier string) *sdk.GetFunctionConfigurationOutput {
	d := s.describe(v, qualifier)
	return &sdk.GetFunctionConfigurationOutput{
		Architectures: d.Architectures, CodeSha256: d.CodeSha256, CodeSize: d.CodeSize, Description: d.Description,
		DeadLetterConfig: d.DeadLetterConfig, Environment: d.Environment, Layers: d.Layers, EphemeralStorage: d.EphemeralStorage, FunctionArn: d.FunctionArn, FunctionName: d.FunctionName,
		Handler: d.Handler, LastModified: d.LastModified, LastUpdateStatus: d.LastUpdateStatus,
		LastUpdateStatusReason: d.LastUpdateStatusReason, LastUpdateStatusReasonCode: d.LastUpdateStatusReasonCode,
		LoggingConfig: d.LoggingConfig, MemorySize: d.MemorySize, PackageType: d.PackageType, RevisionId: d.RevisionId, Role: d.Role,
		Runtime: d.Runtime, RuntimeVersionConfig: d.RuntimeVersionConfig, SnapStart: d.SnapStart, State: d.State,
		StateReason: d.StateReason, StateReasonCode: d.StateReasonCode, Timeout: d.Timeout, TracingConfig: d.TracingConfig, Version: d.Version,
	}
}

// codeSHA256 is the digest as AWS shows it.
func codeSHA256(c codeRecord) string {
	raw, _ := hex.DecodeString(c.SHA256)
	return base64.StdEncoding.EncodeToString(raw)
}

// text gives nil for an empty string, which leaves the member out.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// modified is the time of a change in the precision in which it is shown.
func (s *Service) modified() time.Time { return s.cfg.Clock.Now().UTC().Truncate(time.Millisecond) }
