// Package kafkatest gives integration tests their broker, and the words to speak to it.
//
// All tests of a process share one broker: the one that REDELIVER_TEST_BROKERS names; else one in a container, where the
// test imports internal/kafkatest/container and a Docker engine answers; else kfake in this process, over TCP. The tests
// are the same for all three. What they make has names of its own ([Topic], [Group]) and is deleted behind them, so they
// may run in parallel and against a cluster that others use.
//
//	REDELIVER_TEST_BROKERS   host:port, comma-separated; `scripts/kafka brokers` prints them
//	REDELIVER_REQUIRE_REAL   1: it is an error, not a fallback, if that gives no Apache Kafka
//	REDELIVER_REQUIRE_KCAT   1: it is an error, not a skip, if there is no kcat
//
// A package whose tests use it calls [Main] from its TestMain, which stops the broker and says what it was.
// Tests on virtual time have a broker each, see [NewVirtual].
package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The environment that says which broker the tests get.
const (
	EnvBrokers     = "REDELIVER_TEST_BROKERS"
	EnvRequireReal = "REDELIVER_REQUIRE_REAL"
	EnvRequireKcat = "REDELIVER_REQUIRE_KCAT"
)

// Kind is where a broker comes from.
type Kind string

// The kinds of broker, in the order in which they are tried.
const (
	Named     Kind = "named"     // by REDELIVER_TEST_BROKERS
	Container Kind = "container" // started in Docker
	Embedded  Kind = "embedded"  // kfake in this process
)

// embeddedClusterID is the cluster id of the embedded broker. It begins as that of `redeliver run --embedded` does, so
// that both are known for what they are.
const embeddedClusterID = "redeliver-embedded-test"

// Brokers returns the addresses to connect to, starting the broker if this is the first call in the process. It ends
// the test if there is none.
func Brokers(t testing.TB) []string {
	t.Helper()
	return broker(t).addresses
}

// KindOf returns where the broker comes from.
func KindOf(t testing.TB) Kind {
	t.Helper()
	return broker(t).kind
}

// Describe returns the broker's name and version as far as it tells them, like "Apache Kafka 4.3, 1 broker" or
// "embedded kfake".
func Describe(t testing.TB) string {
	t.Helper()
	return broker(t).description
}

// RequireReal skips a test of what only a real broker shows, saying so, where the broker is kfake.
func RequireReal(t testing.TB) {
	t.Helper()
	if b := broker(t); !b.real {
		t.Skipf("only on Apache Kafka, and this is %s: scripts/kafka start, then %s=$(scripts/kafka brokers)", b.description, EnvBrokers)
	}
}

// Main runs a package's tests, stops the broker that they were given and exits. What runs after the tests, such as a
// check for leaked goroutines, makes the process fail by returning an error.
func Main(m *testing.M, after ...func() error) {
	code := m.Run()
	if found.asked() {
		b, err := found.get()
		if err == nil {
			// For whoever counts tests by broker, see tools/runtests.
			fmt.Printf("kafkatest: ran on %s\n", b.description)
			err = b.close()
		}
		after = append([]func() error{func() error { return err }}, after...)
	}
	for _, f := range after {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, "kafkatest:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// testBroker is the broker of this process.
type testBroker struct {
	addresses   []string
	kind        Kind
	description string
	nodes       int
	real        bool           // no kfake
	fake        *kfake.Cluster // of an embedded one
	ports       map[int32]int  // of an embedded one, by node
	close       func() error
}

func broker(t testing.TB) *testBroker {
	t.Helper()
	b, err := found.get()
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	return b
}

// found finds the broker once.
var found finder

type finder struct {
	once   sync.Once
	mu     sync.Mutex
	called bool
	broker *testBroker
	err    error
}

func (f *finder) asked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.called
}

func (f *finder) get() (*testBroker, error) {
	f.mu.Lock()
	f.called = true
	f.mu.Unlock()
	f.once.Do(func() { f.broker, f.err = find() })
	return f.broker, f.err
}

// find gives the broker by the rules of the package's documentation.
func find() (*testBroker, error) {
	b, err := choose()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if b.description, b.nodes, b.real, err = describe(ctx, b.addresses); err != nil {
		return nil, errors.Join(fmt.Errorf("no broker answers at %s: %w; is it up? (scripts/kafka status)", strings.Join(b.addresses, ","), err), b.close())
	}
	if os.Getenv(EnvRequireReal) == "1" && !b.real {
		return nil, errors.Join(fmt.Errorf("%s=1 and the broker is %s; scripts/kafka start, then %s=$(scripts/kafka brokers)",
			EnvRequireReal, b.description, EnvBrokers), b.close())
	}
	return b, nil
}

func choose() (*testBroker, error) {
	if named := os.Getenv(EnvBrokers); named != "" {
		return &testBroker{addresses: strings.Split(named, ","), kind: Named, close: func() error { return nil }}, nil
	}
	if container != nil {
		addresses, stop, err := container()
		if err == nil {
			return &testBroker{addresses: addresses, kind: Container, close: stop}, nil
		}
		fmt.Fprintln(os.Stderr, "kafkatest: no container:", err)
	}
	return embedded()
}

// embeddedNodes is how many brokers the embedded cluster has, so that leaders have where to go.
const embeddedNodes = 3

// embedded starts kfake. Everybody may do everything there, until a test takes something away by an ACL.
func embedded() (*testBroker, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(embeddedNodes), kfake.ClusterID(embeddedClusterID), kfake.DefaultNumPartitions(1),
		kfake.EnableACLs(), kfake.User("PLAIN", strings.TrimPrefix(everybody, "User:"), "", everything()...))
	if err != nil {
		return nil, fmt.Errorf("starting kfake: %w", err)
	}
	b := &testBroker{addresses: cluster.ListenAddrs(), kind: Embedded, fake: cluster, ports: make(map[int32]int)}
	b.close = func() error { cluster.Close(); return nil }
	for node, address := range b.addresses {
		_, port, err := net.SplitHostPort(address)
		if err == nil {
			b.ports[int32(node)], err = strconv.Atoi(port)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("kfake listens on %q: %w", address, err), b.close())
		}
	}
	return b, nil
}

// everything is what nobody has to be told that he may.
func everything() (acls []kfake.ACL) {
	for resource, name := range map[kmsg.ACLResourceType]string{
		kmsg.ACLResourceTypeTopic: "*", kmsg.ACLResourceTypeGroup: "*", kmsg.ACLResourceTypeTransactionalId: "*",
		kmsg.ACLResourceTypeCluster: "kafka-cluster",
	} {
		acls = append(acls, kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAll, Allow: true})
	}
	return acls
}

// container starts a broker in a container, where the package container is linked.
var container func() (addresses []string, stop func() error, err error)

// ProvideContainer makes start the way to a broker in a container. It is called by the init function of the package
// container: a test has to import that to have containers, since it links Docker's client, which few tests should.
func ProvideContainer(start func() (addresses []string, stop func() error, err error)) {
	container = start
}

// describe asks the brokers who they are, and how many.
func describe(ctx context.Context, addresses []string) (description string, nodes int, real bool, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addresses...))
	if err != nil {
		return "", 0, false, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	meta, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return "", 0, false, err
	}
	if strings.HasPrefix(meta.Cluster, "redeliver-embedded-") || meta.Cluster == "kfake" {
		return "embedded kfake", len(meta.Brokers), false, nil // it offers what it has, which is no version of Kafka's
	}
	versions, err := admin.ApiVersions(ctx)
	if err != nil {
		return "", 0, false, err
	}
	version := "of unknown version"
	for _, v := range versions {
		version = strings.TrimPrefix(v.VersionGuess(), "v")
		break
	}
	brokers := "1 broker"
	if n := len(meta.Brokers); n > 1 {
		brokers = fmt.Sprintf("%d brokers", n)
	}
	return fmt.Sprintf("Apache Kafka %s, %s", version, brokers), len(meta.Brokers), true, nil
}
