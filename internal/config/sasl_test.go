package config

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

func TestATokenFileIsReadAtEveryConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	source := OAuth{TokenFile: path}.source("kafka.sasl.oauth")
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := source(context.Background())
		if err != nil || got != token {
			t.Errorf("got %q, %v, want %q", got, err, token)
		}
	}
}

func TestATokenIsUsedUntilItExpires(t *testing.T) {
	asked, seconds := 0, 3600
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka more" {
			t.Errorf("asked for %v", r.Form)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%d}`, asked, seconds)
	}))
	defer server.Close()
	get := func(source func(context.Context) (string, error), want string) {
		t.Helper()
		if got, err := source(context.Background()); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	o := OAuth{TokenURL: server.URL, ClientID: "redeliver", ClientSecret: "s", Scopes: []string{"kafka", "more"}}
	source := o.source("kafka.sasl.oauth")
	get(source, "token-1")
	get(source, "token-1")
	seconds = 1 // which is over before it is used
	source = o.source("kafka.sasl.oauth")
	get(source, "token-2")
	get(source, "token-3")
}

func TestAnAuthorizationServerThatRefusesIsNamed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
	}))
	defer server.Close()
	_, err := OAuth{TokenURL: server.URL, ClientID: "redeliver", ClientSecret: "hunter2"}.source("clusters[0].sasl.oauth")(context.Background())
	if err == nil || !strings.Contains(err.Error(), "clusters[0].sasl.oauth.token_url gives no token") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// What fails when a connection is made names the section that the connection is of, which may be that of another cluster.
func TestASecretThatCannotBeReadNamesItsSection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mechanism, key := range map[string]string{
		"{mechanism: plain, username: u, password_file: FILE}":                                               "password_file",
		"{mechanism: scram-sha-512, username: u, password_file: FILE}":                                       "password_file",
		"{mechanism: oauthbearer, oauth: {token_file: FILE}}":                                                "oauth.token_file",
		"{mechanism: oauthbearer, oauth: {token_url: 'https://h/', client_id: i, client_secret_file: FILE}}": "oauth.client_secret_file",
		"{mechanism: aws-msk-iam, aws: {access_key_id: i, secret_access_key_file: FILE}}":                    "aws.secret_access_key_file",
	} {
		section := strings.ReplaceAll(mechanism, "FILE", file)
		c := mustParse(t, atTop("kafka: {brokers: [a:1], sasl: "+section+"}\nclusters: [{name: east, brokers: [b:1]}, {name: west, brokers: [c:1], sasl: "+section+"}]"), nil)
		if err := os.Rename(file, file+".gone"); err != nil {
			t.Fatal(err)
		}
		for under, k := range map[string]Kafka{"kafka": c.Kafka, "clusters[1]": c.Clusters[1].Kafka} {
			opts, err := k.ClientOptions()
			if err != nil {
				t.Fatal(err)
			}
			client, err := kgo.NewClient(opts...)
			if err != nil {
				t.Fatal(err)
			}
			mechanisms := client.OptValue(kgo.SASL).([]sasl.Mechanism)
			client.Close()
			_, _, err = mechanisms[0].Authenticate(t.Context(), "a:1")
			if want := under + ".sasl." + key + ": " + file; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: got %v, want %s", section, err, want)
			}
		}
		if err := os.Rename(file+".gone", file); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAWSCredentialsComeFromWhereAWSPutsThem(t *testing.T) {
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte("file-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "container-token" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, `{"AccessKeyId":"container-id","SecretAccessKey":"container-secret","Token":"container-session","Expiration":"2030-01-01T00:00:00Z"}`)
	}))
	defer container.Close()
	for name, tt := range map[string]struct {
		aws  AWS
		env  map[string]string
		want awsKeys
		err  string
	}{
		"the configuration": {AWS{AccessKeyID: "id", SecretAccessKey: "s", SessionToken: "t"}, map[string]string{"AWS_ACCESS_KEY_ID": "other"}, awsKeys{"id", "s", "t"}, ""},
		"its file":          {AWS{AccessKeyID: "id", SecretAccessKeyFile: secretFile}, nil, awsKeys{"id", "file-secret", ""}, ""},
		"the environment":   {AWS{}, map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}, awsKeys{"id", "s", "t"}, ""},
		"the container's host": {AWS{}, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.URL + "/v1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "container-token"},
			awsKeys{"container-id", "container-secret", "container-session"}, ""},
		"a host that refuses": {AWS{}, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.URL}, awsKeys{}, "gives no AWS credentials, but 403 forbidden"},
		"a host elsewhere":    {AWS{}, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://203.0.113.1/v1"}, awsKeys{}, "neither https nor on this machine"},
		"nowhere":             {AWS{}, nil, awsKeys{}, "kafka.sasl.aws names no keys, and neither AWS_ACCESS_KEY_ID"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tt.aws.keys(context.Background(), func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok }, "kafka.sasl.aws")
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, %v; want %v, %s", got, err, tt.want, tt.err)
			}
		})
	}
}

// A secret of a list is masked as any other is.
func TestSecretsInAListAreMasked(t *testing.T) {
	c := mustParse(t, with("drain: 30s", "{url:", "{sign: {secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}, url:"), nil)
	printed, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(printed, "MfKQ9r8") || !strings.Contains(printed, masked) {
		t.Errorf("printed:\n%s", printed)
	}
}

// What a pattern of sources may match is allowed by prefix, and so are its retry topics.
func TestPrivilegesOfAPatternArePrefixed(t *testing.T) {
	c := mustParse(t, `
kafka: {brokers: [a:1]}
pipelines: [{name: orders, topics: ['/eu[.]orders-[0-9]+/'], handler: {http: {url: "http://h/"}}, retry: {tiers: [1s]}}]
`, nil)
	all, err := c.Privileges(&c.Pipelines[0])
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, p := range all {
		names[p.Resource+" "+p.Pattern+" "+p.Name] = true
	}
	check(t, "resources", names, map[string]bool{
		"topic prefixed eu.orders-": true, "topic prefixed orders.eu.orders-": true,
		"group literal orders": true, "transactional_id prefixed redeliver.orders.eu.orders-": true,
	})
}

// Who marks a dead letter as done for the first time makes the ledger, or gives it the partitions that the dead letters have got since, where
// topics are made at all.
func TestWhoOperatesMayMakeTheLedger(t *testing.T) {
	for create, want := range map[string][]string{
		"true":  {"ALTER", "CREATE", "DESCRIBE_CONFIGS", "READ", "WRITE"},
		"false": {"DESCRIBE_CONFIGS", "READ", "WRITE"},
	} {
		c := mustParse(t, `
kafka: {brokers: [a:1]}
topics: {create: `+create+`}
pipelines: [{name: orders, topics: [orders], handler: {http: {url: "http://h/"}}}]
`, nil)
		all, err := c.Privileges(&c.Pipelines[0])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range all {
			if strings.HasSuffix(p.Name, ".ledger") && slices.Contains(p.For, ForOperate) {
				got = append(got, p.Operation)
			}
		}
		check(t, "operations on the ledger, topics.create: "+create, got, want)
	}
}

// Who operates may replay into the retry topics, and see there what became of it.
func TestWhoOperatesMayWaitForOutcomes(t *testing.T) {
	c := mustParse(t, `
kafka: {brokers: [a:1]}
pipelines: [{name: orders, topics: [orders], handler: {http: {url: "http://h/"}}, delivery: exactly_once_routing, retry: {tiers: [1s], hold_key: true}}]
`, nil)
	all, err := c.Privileges(&c.Pipelines[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"orders.orders.retry-1s", "orders.orders.retry-park"} {
		var got []string
		for _, p := range all {
			if p.Name == topic && slices.Contains(p.For, ForOperate) {
				got = append(got, p.Operation)
			}
		}
		check(t, "operations on "+topic, got, []string{"READ", "WRITE"})
	}
}

// The transactional id of a static member is allowed as its pipeline uses it.
func TestPrivilegeOfAStaticMembersTransactionalID(t *testing.T) {
	for instance, want := range map[string]string{
		"":       "prefixed redeliver-eu-orders-",
		"first":  "literal redeliver-eu-orders-first",
		"node-1": "literal redeliver-eu-orders-node%2D1",
	} {
		c := mustParse(t, `
kafka: {brokers: [a:1]}
pipelines: [{name: orders, group: eu-orders, instance_id: "`+instance+`", delivery: exactly_once_routing, topics: [orders], handler: {http: {url: "http://h/"}}}]
`, nil)
		all, err := c.Privileges(&c.Pipelines[0])
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range all {
			if p.Resource == "transactional_id" && strings.HasPrefix(p.Name, "redeliver-") {
				got += p.Pattern + " " + p.Name
			}
		}
		if got != want {
			t.Errorf("instance %q: got %s, want %s", instance, got, want)
		}
	}
}
