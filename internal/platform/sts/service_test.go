package sts_test

import (
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/platform/sts"
)

func TestGetCallerIdentity(t *testing.T) {
	for _, c := range []struct {
		cfg              sts.Config
		account, arn, id string
	}{
		{sts.Config{}, "000000000000", "arn:aws:iam::000000000000:root", "^000000000000$"},
		{sts.Config{Account: "123456789012"}, "123456789012", "arn:aws:iam::123456789012:root", "^123456789012$"},
		{sts.Config{Account: "123456789012", User: "dev/jo"}, "123456789012", "arn:aws:iam::123456789012:user/dev/jo", "^AIDA[A-Z2-7]{17}$"},
	} {
		mux, err := awsproto.NewMux(awsproto.Config{}, sts.New(c.cfg).API())
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(mux)
		client := awssts.New(awssts.Options{
			Region: "eu-west-1", BaseEndpoint: aws.String(srv.URL),
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		})
		out, err := client.GetCallerIdentity(t.Context(), nil)
		srv.Close()
		if err != nil {
			t.Fatal(err)
		}
		if *out.Account != c.account || *out.Arn != c.arn || !regexp.MustCompile(c.id).MatchString(*out.UserId) {
			t.Errorf("%+v: got account %s, arn %s, user id %s", c.cfg, *out.Account, *out.Arn, *out.UserId)
		}
	}
}
