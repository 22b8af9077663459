package config

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/redeliver/redeliver/internal/certs"
)

// tokenTimeout is how long an authorization server may take for a token.
const tokenTimeout = 10 * time.Second

// source returns what gives the token of a new connection: the one of the configuration or of a file, or one that an authorization
// server gives for the client's credentials, which is used until it expires. It may be called concurrently.
func (o OAuth) source() func(context.Context) (string, error) {
	if o.TokenURL == "" {
		return func(context.Context) (string, error) { return secret(o.Token, o.TokenFile) }
	}
	var (
		mu    sync.Mutex
		token *oauth2.Token
	)
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if !token.Valid() {
			fresh, err := o.ask(ctx)
			if err != nil {
				return "", err
			}
			token = fresh
		}
		return token.AccessToken, nil
	}
}

// ask asks the authorization server for a token (RFC 6749, client credentials).
func (o OAuth) ask(ctx context.Context) (*oauth2.Token, error) {
	password, err := secret(o.ClientSecret, o.ClientSecretFile)
	if err != nil {
		return nil, fmt.Errorf("kafka.sasl.oauth.client_secret_file: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.CAFile != "" {
		authorities, err := certs.Authorities(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.sasl.oauth.ca_file: %w", err)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities}
	}
	defer transport.CloseIdleConnections()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: transport, Timeout: tokenTimeout})
	credentials := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: password, TokenURL: o.TokenURL, Scopes: o.Scopes}
	token, err := credentials.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("kafka.sasl.oauth.token_url gives no token: %w", err)
	}
	return token, nil
}
