package config

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// awsKeys are the credentials that a connection to Amazon MSK is signed with.
type awsKeys struct{ ID, Secret, Token string }

// containerHost is where Amazon ECS gives a container its credentials.
const containerHost = "http://169.254.170.2"

// keys returns the credentials: those of the configuration; else those of AWS's environment variables; else those that Amazon ECS and EKS
// (Pod Identity) give a container, which are asked for at each new connection, for they expire. under is the path of the section, for errors.
func (a AWS) keys(ctx context.Context, lookup func(string) (string, bool), under string) (awsKeys, error) {
	if a.AccessKeyID != "" {
		password, err := secretUnder(under+".secret_access_key_file", a.SecretAccessKey, a.SecretAccessKeyFile)
		return awsKeys{a.AccessKeyID, password, a.SessionToken}, err
	}
	env := func(name string) string {
		value, _ := lookup(name)
		return value
	}
	if id := env("AWS_ACCESS_KEY_ID"); id != "" {
		return awsKeys{id, env("AWS_SECRET_ACCESS_KEY"), env("AWS_SESSION_TOKEN")}, nil
	}
	address := env("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if path := env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		address = containerHost + path
	}
	if address == "" {
		return awsKeys{}, fmt.Errorf("%s names no keys, and neither AWS_ACCESS_KEY_ID nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set", under)
	}
	token := env("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	if path := env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); path != "" {
		var err error
		if token, err = secretUnder("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "", path); err != nil {
			return awsKeys{}, err
		}
	}
	return containerKeys(ctx, address, token)
}

// containerKeys asks the container's host for its credentials. As AWS's own libraries do, it talks without TLS only to addresses that
// do not leave the machine.
func containerKeys(ctx context.Context, address, token string) (awsKeys, error) {
	u, err := url.Parse(address)
	if err != nil {
		return awsKeys{}, fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI: %w", err)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && ip.String() != "fd00:ec2::23") {
		return awsKeys{}, fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI: %s is neither https nor on this machine", u.Host)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return awsKeys{}, err
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return awsKeys{}, fmt.Errorf("ask the container's host for AWS credentials: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return awsKeys{}, fmt.Errorf("ask the container's host for AWS credentials: %w", err)
	}
	var answer struct{ AccessKeyID, SecretAccessKey, Token string } // JSON's names differ in case only
	if err := json.Unmarshal(text, &answer); response.StatusCode != http.StatusOK || err != nil || answer.AccessKeyID == "" || answer.SecretAccessKey == "" {
		return awsKeys{}, fmt.Errorf("the container's host at %s gives no AWS credentials, but %s", u.Host, strings.ToLower(response.Status))
	}
	return awsKeys{answer.AccessKeyID, answer.SecretAccessKey, answer.Token}, nil
}
