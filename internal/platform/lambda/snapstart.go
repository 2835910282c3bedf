package lambda

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// noSnapStart are the runtimes of which AWS takes no snapshots. There are no snapshots here: a function that asks for
// them is started as any other, and its OptimizationStatus says Off.
// https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
var noSnapStart = []string{
	"python3.8", "python3.9", "python3.10", "python3.11", "nodejs16.x", "nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x", "dotnet6",
	"ruby3.2", "ruby3.3", "ruby3.4", "provided.al2", "provided.al2023", "java8.al2",
}

func snapStarts(runtime string) bool { return !slices.Contains(noSnapStart, runtime) }

func snapStart(set string) types.SnapStartApplyOn {
	if set == "" {
		return types.SnapStartApplyOnNone
	}
	return types.SnapStartApplyOn(set)
}
