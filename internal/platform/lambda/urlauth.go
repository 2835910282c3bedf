package lambda

import (
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/awsproto"
)

// mayCall tells who calls a URL, or why he may not. A URL with AuthType NONE is open to whom its function's policy opens
// it, which must be everyone, by lambda:InvokeFunctionUrl. One with AWS_IAM takes the requests that are signed with the
// credentials of the platform; where the platform takes any credentials, so does the URL, but a signature there must be.
//
// AWS asks for lambda:InvokeFunction too since October 2025; policies without it still work here, with a warning.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
func (s *Service) mayCall(n *snapshot, to urlTarget, u *urlRecord, r *http.Request, body []byte) (*urlCaller, error) {
	if u.Auth == string(types.FunctionUrlAuthTypeAwsIam) {
		key, err := awsproto.VerifySignature(r, body, s.cfg.Verify, s.cfg.Clock.Now())
		if err != nil {
			return nil, err
		}
		root := "arn:aws:iam::" + s.cfg.Account + ":root"
		return &urlCaller{AccessKey: key, AccountID: s.cfg.Account, CallerID: s.cfg.Account, UserARN: root, UserID: s.cfg.Account}, nil
	}
	p := n.policies[to.qualifier]
	if p == nil || !p.opens("lambda:InvokeFunctionUrl", u.Auth) {
		return nil, errors.New(forbidden)
	}
	if !p.opens("lambda:InvokeFunction", u.Auth) {
		s.cfg.Logger.Warn("lambda: on AWS this URL answers 403: since October 2025 its policy must allow lambda:InvokeFunction too, with InvokedViaFunctionUrl",
			"function", s.arn(to.function, to.qualifier))
	}
	return nil, nil
}

// opens reports whether a policy lets everyone do an action through a URL of this AuthType.
func (p *policyRecord) opens(action, auth string) bool {
	return slices.ContainsFunc(p.Statements, func(st statement) bool {
		if st.Effect != "Allow" || st.Principal != "*" || st.Action != action && st.Action != "lambda:*" && st.Action != "*" {
			return false
		}
		for operator, wants := range st.Condition {
			for key, want := range wants {
				switch operator + " " + key {
				case "StringEquals lambda:FunctionUrlAuthType":
					if want != auth {
						return false
					}
				case "Bool lambda:InvokedViaFunctionUrl":
					if want != "true" {
						return false
					}
				default:
					return false // nobody who calls a URL without signing meets it
				}
			}
		}
		return true
	})
}
