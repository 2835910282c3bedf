// Package sts is the part of AWS Security Token Service that tells a caller who it is. AWS's tools ask this first.
package sts

import (
	"context"
	"crypto/sha256"
	"encoding/base32"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tealdeploy/teal/internal/awsproto"
)

// Config says whose account the platform is.
type Config struct {
	Account string // 12 digits; "" means 000000000000
	User    string // IAM user name, with its path if it has one; "" means the account's root user
}

// Service answers as STS. It has no state and may be used from any goroutine.
type Service struct{ account, user string }

// New makes the service.
func New(cfg Config) *Service {
	s := &Service{account: cfg.Account, user: cfg.User}
	if s.account == "" {
		s.account = "000000000000"
	}
	return s
}

// API returns the operation table.
func (s *Service) API() *awsproto.Service {
	return &awsproto.Service{
		Name:       "sts",
		APIVersion: "2011-06-15",
		Namespace:  "https://sts.amazonaws.com/doc/2011-06-15/",
		Protocols:  []awsproto.Protocol{awsproto.AWSQuery},
		Operations: []awsproto.Operation{
			awsproto.Op(s.GetCallerIdentity),
		},
	}
}

// GetCallerIdentity tells account, ARN and unique id of the caller. It cannot fail.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func (s *Service) GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	out := &sts.GetCallerIdentityOutput{
		Account: aws.String(s.account),
		Arn:     aws.String("arn:aws:iam::" + s.account + ":root"),
		UserId:  aws.String(s.account),
	}
	if s.user != "" {
		out.Arn = aws.String("arn:aws:iam::" + s.account + ":user/" + s.user)
		out.UserId = aws.String(userID(s.account, s.user))
	}
	return out, nil
}

// userID makes a unique id as IAM's are (AIDA and 17 letters or digits), the same for the same user.
func userID(account, user string) string {
	sum := sha256.Sum256([]byte(account + "/" + user))
	return "AIDA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}
