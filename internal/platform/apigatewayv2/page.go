package apigatewayv2

import "github.com/tealdeploy/teal/internal/executeapi"

// page is one page of m's values, with AWS's error for a bad size or token.
func page[T any](m map[string]T, maxResults, nextToken *string) ([]T, *string, error) {
	items, next, err := executeapi.Page(m, "maxResults", "nextToken", maxResults, nextToken)
	if err != nil {
		return nil, nil, badRequest("%s", err)
	}
	return items, next, nil
}

func checkTags(tags map[string]string) error {
	if err := executeapi.CheckTags(tags); err != nil {
		return badRequest("%s", err)
	}
	return nil
}
