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
// mechanism is how the client says who it is; under is the path of the section, for errors.
func (s SASL) mechanism(under string) sasl.Mechanism {
	switch s.Mechanism {
	case saslOAuth:
		source := s.OAuth.source(under + ".oauth")
		return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := source(ctx)
			return oauth.Auth{Token: token, Extensions: s.OAuth.Extensions}, err
		})
	case saslAWS:
		return aws.ManagedStreamingIAM(func(ctx context.Context) (aws.Auth, error) {
			k, err := s.AWS.keys(ctx, os.LookupEnv, under+".aws")
			return aws.Auth{AccessKey: k.ID, SecretKey: k.Secret, SessionToken: k.Token, UserAgent: "redeliver"}, err
		})
	case saslPlain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := secretUnder(under+".password_file", s.Password, s.PasswordFile)
			return plain.Auth{User: s.Username, Pass: password}, err
		})
	}
	auth := func(context.Context) (scram.Auth, error) {
		password, err := secretUnder(under+".password_file", s.Password, s.PasswordFile)
		return scram.Auth{User: s.Username, Pass: password}, err
	}
	if s.Mechanism == saslSCRAM256 {
		return scram.Sha256(auth)
	}
	return scram.Sha512(auth)
}

// secret returns a secret that stands in the configuration, or in a file, without the end of line that editors put there.
// secretUnder is secret, whose errors say which key names the file.
func secretUnder(key, text, path string) (string, error) {
	text, err := secret(text, path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return text, nil
}

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
