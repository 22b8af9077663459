package webhook

import (
	"context"
	"testing"
	"time"

	"github.com/redeliver/redeliver/consumer"
)

func TestARecordIsDescribedAsAnEvent(t *testing.T) {
	url, requests := service(t)
	w := open(t, Config{URL: url, CloudEvents: &CloudEvents{Type: "com.example.order"}})
	d := order()
	d.id, d.topic, d.key, d.timestamp = "orders/3/42", "orders", []byte("käse 7"), time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	if err := w.postOne(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	got := (<-requests).header
	for name, want := range map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "orders/3/42", "Ce-Source": "/kafka/orders", "Ce-Type": "com.example.order",
		"Ce-Time": "2026-01-02T12:00:00Z", "Ce-Partitionkey": "k%C3%A4se%207",
	} {
		if got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
	}
}

// A record that is an event in Kafka stays the same event.
func TestAnEventStaysTheEventThatItIs(t *testing.T) {
	url, requests := service(t)
	w := open(t, Config{URL: url, CloudEvents: &CloudEvents{Type: "ignored"}})
	d := order()
	d.headers = []consumer.Header{
		{Key: "ce_id", Value: []byte("a-1")}, {Key: "ce_source", Value: []byte("/shop")}, {Key: "ce_type", Value: []byte("paid")},
		{Key: "ce_tenant", Value: []byte("acme")}, {Key: "ce_Bad-Name", Value: []byte("x")}, {Key: "content-type", Value: []byte("application/json")},
	}
	if err := w.postOne(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	got := (<-requests).header
	for name, want := range map[string]string{
		"Ce-Id": "a-1", "Ce-Source": "/shop", "Ce-Type": "paid", "Ce-Tenant": "acme", "Ce-Specversion": "1.0", "Content-Type": "application/json", "Ce-Bad-Name": "",
	} {
		if got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
	}
}
