package apigatewayv2

import (
	"net/http"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/jsontext"
)

// checkSignature holds a request for a route with AWS_IAM, whose body has been read, against the platform's credentials; it returns 0 or
// the status of its answer. Whoever has them may call every route: the platform has no identity policies.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
func (x *exchange) checkSignature() int {
	key, err := awsproto.VerifySignature(x.R, x.Body, x.s.cfg.Verify, x.At)
	if err != nil {
		return x.message(http.StatusForbidden, messageForbidden)
	}
	x.caller = key
	return 0
}

// appendIAM writes who signed the request; the platform has no users but the account's root.
func (x *exchange) appendIAM(b []byte) []byte {
	b = append(b, `{"accessKey":`...)
	b = jsontext.AppendString(b, x.caller)
	b = append(b, `,"accountId":`...)
	b = jsontext.AppendString(b, x.Account)
	b = append(b, `,"callerId":`...)
	b = jsontext.AppendString(b, x.Account)
	b = append(b, `,"cognitoIdentity":null,"principalOrgId":null,"userArn":`...)
	b = jsontext.AppendString(b, x.rootARN())
	b = append(b, `,"userId":`...)
	return append(jsontext.AppendString(b, x.Account), '}')
}

func (x *exchange) rootARN() string { return "arn:aws:iam::" + x.Account + ":root" }
