package apigateway

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/fault"
)

// checkSignature holds a request for a method with AWS_IAM against the platform's credentials; it returns 0 or the status of its
// answer. Whoever has them may call every method: the platform has no identity policies.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/permissions.html
func (x *exchange) checkSignature() int {
	key, err := awsproto.VerifySignature(x.R, x.Body, x.s.cfg.Verify, x.At)
	if err == nil {
		x.caller = key
		return 0
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return x.fail(types.GatewayResponseTypeAuthorizerFailure, "")
	}
	switch {
	case f.Code == "MissingAuthenticationTokenException":
		return x.fail(types.GatewayResponseTypeMissingAuthenticationToken, "")
	case strings.HasPrefix(f.Message, "Signature expired"):
		return x.fail(types.GatewayResponseTypeExpiredToken, f.Message)
	}
	return x.fail(types.GatewayResponseTypeInvalidSignature, f.Message)
}
