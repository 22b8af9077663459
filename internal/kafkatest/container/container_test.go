package container

import (
	"context"
	"strings"
	"testing"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// Where a Docker engine answers, the tests' broker is Apache Kafka in a container.
func TestContainer(t *testing.T) {
	if err := engine(context.Background()); err != nil {
		t.Skipf("no Docker engine answers: %v", err)
	}
	if kind := kafkatest.KindOf(t); kind == kafkatest.Named {
		t.Skipf("%s names a broker", kafkatest.EnvBrokers)
	} else if kind != kafkatest.Container {
		t.Errorf("got a broker of kind %s, want %s", kind, kafkatest.Container)
	}
	if got := kafkatest.Describe(t); !strings.HasPrefix(got, "Apache Kafka ") {
		t.Errorf("got %s, want Apache Kafka", got)
	}
}
