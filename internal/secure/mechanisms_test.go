package secure

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// unsigned is a token that Kafka takes where nobody has told it whose signature to trust (RFC 7515, alg none).
func unsigned(subject string) string {
	part := func(v map[string]any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now()
	return part(map[string]any{"alg": "none"}) + "." + part(map[string]any{"sub": subject, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}) + "."
}

func TestEveryMechanismReachesTheBroker(t *testing.T) {
	b := setup(t, "")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(unsigned(b.user)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, ok := r.BasicAuth(); !ok || id != "redeliver" || secret != "client-secret" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, unsigned(b.user))
	}))
	defer server.Close()
	tls := fmt.Sprintf("{enabled: true, ca_file: %q}", b.tls("ca.pem"))
	mutual := fmt.Sprintf("{enabled: true, ca_file: %q, cert_file: %q, key_file: %q}", b.tls("ca.pem"), b.tls("client.pem"), b.tls("client.key"))
	host, port, err := net.SplitHostPort(b.brokers)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	mutualPort := net.JoinHostPort(host, strconv.Itoa(number+50))
	user := func(mechanism, name, password string) string {
		return fmt.Sprintf("{mechanism: %s, username: %q, password: %q}", mechanism, name, password)
	}
	for _, tt := range []struct {
		name, brokers, tls, sasl string
		refused                  string // "": it is let in
	}{
		{"scram-sha-512", b.brokers, tls, user("scram-sha-512", b.user, password), ""},
		{"scram-sha-256", b.brokers, tls, user("scram-sha-256", b.user, password), ""},
		{"plain", b.brokers, tls, user("plain", "plain", "plain-secret"), ""},
		{"a token out of a file", b.brokers, tls, fmt.Sprintf("{mechanism: oauthbearer, oauth: {token_file: %q}}", token), ""},
		{"a token for a secret", b.brokers, tls, fmt.Sprintf("{mechanism: oauthbearer, oauth: {token_url: %q, client_id: redeliver, client_secret: client-secret, scopes: [kafka]}}", server.URL), ""},
		{"a certificate", mutualPort, mutual, "", ""},

		{"a wrong password", b.brokers, tls, user("scram-sha-512", b.user, "wrong"), "the broker refuses user or password"},
		{"a wrong plain password", b.brokers, tls, user("plain", "plain", "wrong"), "the broker refuses user or password"},
		{"no token", b.brokers, tls, "{mechanism: oauthbearer, oauth: {token: nonsense}}", "the broker refuses the token"},
		{"a wrong client secret", b.brokers, tls, fmt.Sprintf("{mechanism: oauthbearer, oauth: {token_url: %q, client_id: redeliver, client_secret: wrong}}", server.URL), "kafka.sasl.oauth.token_url gives no token"},
		{"another mechanism than the broker's", b.brokers, tls, "{mechanism: aws-msk-iam, aws: {access_key_id: a, secret_access_key: b}}", "the broker wants another kafka.sasl.mechanism"},
		{"no certificate", mutualPort, tls, "", "the broker refuses the client's certificate, or wants one"},
		{"another authority", b.brokers, "{enabled: true}", user("scram-sha-512", b.user, password), "name the authority that signed the broker's certificate in kafka.tls.ca_file"},
		{"another name", b.brokers, fmt.Sprintf("{enabled: true, ca_file: %q, server_name: kafka.example.com}", b.tls("ca.pem")), user("scram-sha-512", b.user, password), "set kafka.tls.server_name to a name of the broker's certificate"},
		{"no TLS", b.brokers, "{}", user("scram-sha-512", b.user, password), "set kafka.tls.enabled to true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kafka := fmt.Sprintf("brokers: [%q], tls: %s", tt.brokers, tt.tls)
			if tt.sasl != "" {
				kafka += ", sasl: " + tt.sasl
			}
			file := b.file(t, fmt.Sprintf("kafka: {%s}\npipelines: [{name: orders, topics: [%q], handler: {http: {url: %q}}}]\n", kafka, b.topic, b.service.url))
			out, status := redeliver(t, file, "validate", "--connect")
			if tt.refused == "" {
				if !strings.Contains(out, "ok       broker "+tt.brokers+": answers") {
					t.Errorf("exit status %d\n%s", status, out)
				}
				return
			}
			if status != 1 || !strings.Contains(out, tt.refused) {
				t.Errorf("exit status %d, want 1 and %q\n%s", status, tt.refused, out)
			}
			if strings.Contains(out, "client-secret") || strings.Contains(out, "plain-secret") || strings.Contains(out, password) {
				t.Errorf("it tells a secret\n%s", out)
			}
		})
	}
}
