package config

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The values of kafka.sasl.mechanism.
const (
	saslPlain    = "plain"
	saslSCRAM256 = "scram-sha-256"
	saslSCRAM512 = "scram-sha-512"
	saslOAuth    = "oauthbearer"
	saslAWS      = "aws-msk-iam"
)

// mechanism asks for secrets at every new connection, and when the broker wants to hear them again, so that those in files may change.
func (s SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case saslOAuth:
		source := s.OAuth.source()
		return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := source(ctx)
			return oauth.Auth{Token: token, Extensions: s.OAuth.Extensions}, err
		})
	case saslAWS:
		return aws.ManagedStreamingIAM(func(ctx context.Context) (aws.Auth, error) {
			k, err := s.AWS.keys(ctx, os.LookupEnv)
			return aws.Auth{AccessKey: k.ID, SecretKey: k.Secret, SessionToken: k.Token, UserAgent: "redeliver"}, err
		})
	case saslPlain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := secret(s.Password, s.PasswordFile)
			return plain.Auth{User: s.Username, Pass: password}, err
		})
	}
	auth := func(context.Context) (scram.Auth, error) {
		password, err := secret(s.Password, s.PasswordFile)
		return scram.Auth{User: s.Username, Pass: password}, err
	}
	if s.Mechanism == saslSCRAM256 {
		return scram.Sha256(auth)
	}
	return scram.Sha512(auth)
}

// secret returns a secret that stands in the configuration, or in a file, without the end of line that editors put there.
func secret(text, path string) (string, error) {
	if path == "" {
		return text, nil
	}
	read, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, cause(err))
	}
	if text = strings.TrimRight(string(read), "\r\n"); text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return text, nil
}
