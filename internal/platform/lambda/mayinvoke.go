package lambda

import (
	"strings"

	"github.com/tealdeploy/teal/internal/arn"
)

// MayInvoke tells whether the resource policy of function (a name or ARN; the policy is that of its exact qualifier) lets
// principal, a service such as apigateway.amazonaws.com, invoke it on behalf of source, an ARN. Other services' calls go
// through it as on AWS; a caller of Invoke itself may invoke everything. It takes no lock, and a change of the policy that
// was answered before is seen. A function that does not exist may not be invoked.
//
// https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
func (s *Service) MayInvoke(principal, source, function string) bool {
	r, err := s.parse(longName, &function, nil, nil)
	if err != nil {
		return false
	}
	n, err := s.look(r.name)
	if err != nil {
		s.cfg.Logger.Error("lambda: a resource policy cannot be read; the call is refused", "function", function, "error", err)
	}
	if n == nil {
		return false
	}
	p := n.policies[policyKey(r)]
	if p == nil {
		return false
	}
	for i := range p.Statements {
		if p.Statements[i].grants(principal, source) {
			return true
		}
	}
	return false
}

// grants tells whether a statement allows principal to invoke on behalf of source. A condition on what such a call does
// not have is not met.
func (st *statement) grants(principal, source string) bool {
	switch st.Action {
	case "lambda:InvokeFunction", "lambda:*", "*":
	default:
		return false
	}
	if st.Effect != "Allow" || !st.names(principal) {
		return false
	}
	for operator, keys := range st.Condition {
		for key, want := range keys {
			switch {
			case operator == "ArnLike" && key == "AWS:SourceArn":
				if !arn.Like(want, source) {
					return false
				}
			case operator == "StringEquals" && key == "AWS:SourceAccount":
				if want != accountOf(source) {
					return false
				}
			default:
				return false
			}
		}
	}
	return true
}

// names tells whether the statement's principal is everyone or this service.
func (st *statement) names(principal string) bool {
	switch p := st.Principal.(type) {
	case string:
		return p == "*"
	case map[string]string:
		return p["Service"] == principal
	case map[string]any: // read from the store
		return p["Service"] == principal
	}
	return false
}

// accountOf is the account of an ARN, or "".
func accountOf(source string) string {
	parts := strings.SplitN(source, ":", 6)
	if len(parts) != 6 {
		return ""
	}
	return parts[4]
}
