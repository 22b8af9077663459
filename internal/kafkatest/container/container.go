// Package container lets kafkatest start Apache Kafka in a container. A test package that wants that imports it for its
// effect, as it would a database driver:
//
//	import _ "github.com/redeliver/redeliver/internal/kafkatest/container"
//
// It links Docker's client, which is why kafkatest does not do so by itself.
package container

import (
	"context"
	"fmt"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/kafka"

	"github.com/redeliver/redeliver/internal/kafkatest"
)

// image is what testcontainers' Kafka module is made for.
const image = "confluentinc/confluent-local:7.5.0"

// startWithin includes the download of the image.
const startWithin = 5 * time.Minute

func init() { kafkatest.ProvideContainer(start) }

func start() (addresses []string, stop func() error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	if err := engine(ctx); err != nil {
		return nil, nil, fmt.Errorf("no Docker engine answers: %w", err)
	}
	// As scripts/kafka sets them: what is wrong is to show, and soon.
	ctr, err := kafka.Run(ctx, image, testcontainers.WithEnv(map[string]string{
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE":       "false",
		"KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS": "5000",
		"KAFKA_LOG_SEGMENT_DELETE_DELAY_MS":     "1000",
	}))
	stop = func() error { return testcontainers.TerminateContainer(ctr) }
	if err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", image, err)
	}
	addresses, err = ctr.Brokers(ctx)
	return addresses, stop, err
}

// engine asks whether there is a Docker engine: what testcontainers.SkipIfProviderIsNotHealthy asks, which can only skip.
func engine(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil { // how testcontainers says that it finds no socket
			err = fmt.Errorf("%v", r)
		}
	}()
	provider, err := testcontainers.ProviderDocker.GetProvider()
	if err != nil {
		return err
	}
	return provider.Health(ctx)
}
