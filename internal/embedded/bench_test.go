package embedded

import (
	"log/slog"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What an acknowledged record costs, written to disk and not.
func BenchmarkProduce(b *testing.B) {
	for name, c := range map[string]Config{"synced": {DataDir: b.TempDir()}, "temporary": {Temporary: true}} {
		b.Run(name, func(b *testing.B) {
			c.Listen, c.Topics, c.Log = "127.0.0.1:0", map[string]int32{"orders": 1}, slog.New(slog.DiscardHandler)
			broker, err := Start(b.Context(), c)
			if err != nil {
				b.Fatal(err)
			}
			client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.ProducerLinger(0), kgo.DefaultProduceTopic("orders"))
			if err != nil {
				b.Fatal(err)
			}
			value := make([]byte, 100)
			for b.Loop() {
				if err := client.ProduceSync(b.Context(), &kgo.Record{Value: value}).FirstErr(); err != nil {
					b.Fatal(err)
				}
			}
			client.Close()
			if err := broker.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// What it takes to start on a directory with some data, and to stop.
func BenchmarkStart(b *testing.B) {
	c := Config{DataDir: b.TempDir(), Listen: "127.0.0.1:0", Topics: map[string]int32{"orders": 64}, Log: slog.New(slog.DiscardHandler)}
	for b.Loop() {
		broker, err := Start(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		if err := broker.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
