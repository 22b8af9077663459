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
// server gives for the client's credentials, which is used until it expires. It may be called concurrently. under is the path of the section, for errors.
func (o OAuth) source(under string) func(context.Context) (string, error) {
	if o.TokenURL == "" {
		return func(context.Context) (string, error) { return secretUnder(under+".token_file", o.Token, o.TokenFile) }
	}
	var (
		mu    sync.Mutex
		token *oauth2.Token
	)
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if !token.Valid() {
			fresh, err := o.ask(ctx, under)
			if err != nil {
				return "", err
			}
			token = fresh
		}
		return token.AccessToken, nil
	}
}

// ask asks the authorization server for a token (RFC 6749, client credentials).
func (o OAuth) ask(ctx context.Context, under string) (*oauth2.Token, error) {
	password, err := secretUnder(under+".client_secret_file", o.ClientSecret, o.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.CAFile != "" {
		authorities, err := certs.Authorities(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%s.ca_file: %w", under, err)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities}
	}
	defer transport.CloseIdleConnections()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: transport, Timeout: tokenTimeout})
	credentials := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: password, TokenURL: o.TokenURL, Scopes: o.Scopes}
	token, err := credentials.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s.token_url gives no token: %w", under, err)
	}
	return token, nil
}
