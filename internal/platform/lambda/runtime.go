package lambda

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/tealdeploy/teal/internal/pool"
)

// runtimes are the identifiers that AWS takes for new functions, in the order of its message.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
var runtimes = []string{
	"nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x", "java25", "python3.10",
	"python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2", "python3.8", "python3.9", "java17", "nodejs16.x", "dotnet10", "dotnet8",
	"java11", "dotnet6", "nodejs18.x", "provided.al2", "java8.al2",
}

// retiredRuntimes are known to AWS, and refused.
var retiredRuntimes = []string{
	"nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "java8", "python2.7",
	"python3.6", "python3.7", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "go1.x", "ruby2.5", "ruby2.7", "provided",
}

// checkRuntime refuses what AWS refuses, and what this machine cannot run.
func (s *Service) checkRuntime(runtime string) error {
	switch {
	case slices.Contains(retiredRuntimes, runtime):
		return invalid("The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", runtime)
	case !slices.Contains(runtimes, runtime):
		return invalid("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", runtime, strings.Join(runtimes, ", "))
	}
	err := s.cfg.Executor.Check(runtime)
	var missing *pool.RuntimeMissingError
	if errors.As(err, &missing) {
		return invalid("The runtime %s cannot run on this machine: %s", runtime, missing.Install)
	}
	if err != nil {
		return invalid("The runtime %s cannot run on this machine: %v", runtime, err)
	}
	return nil
}

// runtimeVersionARN names the version of a managed runtime. Here a runtime is what the machine has, so it is always one.
func (s *Service) runtimeVersionARN(runtime string) string {
	sum := sha256.Sum256([]byte(runtime))
	return "arn:aws:lambda:" + s.cfg.Region + "::runtime:" + hex.EncodeToString(sum[:])
}
