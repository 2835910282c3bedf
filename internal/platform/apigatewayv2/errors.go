package apigatewayv2

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

func badRequest(format string, args ...any) error {
	return &types.BadRequestException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func conflict(format string, args ...any) error {
	return &types.ConflictException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func notFound(format string, args ...any) error {
	return &types.NotFoundException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// unsupported refuses by name what AWS has and this platform has not.
func unsupported(what string) error {
	return badRequest("%s is not supported by this platform: remove it, or use AWS", what)
}

func (s *Service) noAPI(id *string) error {
	return notFound("Invalid API identifier specified %s:%s", s.cfg.Account, aws.ToString(id))
}

func noIntegration(id *string) error {
	return notFound("Invalid Integration identifier specified %s", aws.ToString(id))
}

func noRoute(id *string) error {
	return notFound("Invalid Route identifier specified %s", aws.ToString(id))
}

func noStage(name *string) error {
	return notFound("Invalid stage identifier specified %s", aws.ToString(name))
}

func noDeployment(id *string) error {
	return notFound("Invalid deployment identifier specified %s", aws.ToString(id))
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
