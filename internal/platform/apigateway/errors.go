package apigateway

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/executeapi"
)

func badRequest(format string, args ...any) error {
	return &types.BadRequestException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func conflict(format string, args ...any) error {
	return &types.ConflictException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// missing says that an identifier names nothing, in AWS's words.
func missing(what string) error {
	return &types.NotFoundException{Message: aws.String("Invalid " + what + " identifier specified")}
}

// unsupported refuses by name what AWS has and this platform has not.
func unsupported(what string) error {
	return badRequest("%s is not supported by this platform: remove it, or use AWS", what)
}

func (s *Service) noAPI(id *string) error {
	return &types.NotFoundException{Message: aws.String("Invalid API identifier specified " + s.cfg.Account + ":" + aws.ToString(id))}
}

// find returns an API or AWS's error.
func (s *Service) find(id *string) (*api, error) {
	a := s.lookup(aws.ToString(id))
	if a == nil {
		return nil, s.noAPI(id)
	}
	return a, nil
}

// now is the time of the configured clock, to the second as AWS gives it.
func (s *Service) now() *time.Time {
	t := s.cfg.Clock.Now().UTC().Truncate(time.Second)
	return &t
}

// page is one page of m's values. Without a limit it has 25 as on AWS; 500 is the most.
func page[T any](m map[string]T, limit *int32, position *string) ([]T, *string, error) {
	size := "25"
	if limit != nil {
		if *limit < 1 || *limit > 500 {
			return nil, nil, badRequest("Invalid value for limit: it must be between 1 and 500")
		}
		size = fmt.Sprint(*limit)
	}
	items, next, err := executeapi.Page(m, "limit", "position", &size, position)
	if err != nil {
		return nil, nil, badRequest("%s", err)
	}
	return items, next, nil
}
