package lambda

import "testing"

func TestStatementGrants(t *testing.T) {
	const source = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/pets"
	base := func(change func(*statement)) *statement {
		st := &statement{Effect: "Allow", Action: "lambda:InvokeFunction", Principal: map[string]string{"Service": "apigateway.amazonaws.com"}}
		change(st)
		return st
	}
	condition := func(operator, key, v string) func(*statement) {
		return func(st *statement) { st.Condition = map[string]map[string]string{operator: {key: v}} }
	}
	for name, c := range map[string]struct {
		st   *statement
		want bool
	}{
		"plain":         {base(func(*statement) {}), true},
		"stored":        {base(func(st *statement) { st.Principal = map[string]any{"Service": "apigateway.amazonaws.com"} }), true},
		"everyone":      {base(func(st *statement) { st.Principal = "*" }), true},
		"other service": {base(func(st *statement) { st.Principal = map[string]string{"Service": "s3.amazonaws.com"} }), false},
		"an account":    {base(func(st *statement) { st.Principal = map[string]string{"AWS": "arn:aws:iam::000000000000:root"} }), false},
		"other action":  {base(func(st *statement) { st.Action = "lambda:GetFunction" }), false},
		"this API":      {base(condition("ArnLike", "AWS:SourceArn", "arn:aws:execute-api:us-east-1:000000000000:abc/*/*")), true},
		"other API":     {base(condition("ArnLike", "AWS:SourceArn", "arn:aws:execute-api:us-east-1:000000000000:abd/*/*")), false},
		"other method":  {base(condition("ArnLike", "AWS:SourceArn", "arn:aws:execute-api:us-east-1:000000000000:abc/*/POST/pets")), false},
		"this account":  {base(condition("StringEquals", "AWS:SourceAccount", "000000000000")), true},
		"other account": {base(condition("StringEquals", "AWS:SourceAccount", "000000000001")), false},
		"organisation":  {base(condition("StringEquals", "aws:PrincipalOrgID", "o-1234567890")), false},
	} {
		if got := c.st.grants("apigateway.amazonaws.com", source); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
