package webhook

import (
	"context"
	"errors"
	"strings"
	"testing"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

// The vector of the reference implementations.
func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	secret, err := ParseSecret(oldSecret)
	if err != nil {
		t.Fatal(err)
	}
	got := secret.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// While one secret follows another both sign, so that whoever knows either can tell.
func TestEverySecretSigns(t *testing.T) {
	url, requests := service(t)
	secrets, err := ParseSecrets(newSecret + "\n" + oldSecret + "\n\n")
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, Config{URL: url, Secrets: func() ([]Secret, error) { return secrets, nil }})
	d := order()
	d.id = "eu.orders/3/42"
	if err := w.postOne(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	r := <-requests
	id, at := r.header.Get("Webhook-Id"), r.header.Get("Webhook-Timestamp")
	if id != "eu%2Eorders/3/42" {
		t.Errorf("webhook-id is %q: the id without a full stop, which ends it in what is signed", id)
	}
	got := strings.Split(r.header.Get("Webhook-Signature"), " ")
	if len(got) != 2 || got[0] != secrets[0].signature(id, at, r.body) || got[1] != secrets[1].signature(id, at, r.body) {
		t.Errorf("the signatures are %q", got)
	}
	if err := w.postOne(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if again := <-requests; again.header.Get("Webhook-Id") != id {
		t.Error("another attempt has another id")
	}
}

func TestABatchIsSignedAsAWhole(t *testing.T) {
	url, requests := service(t)
	secret, err := ParseSecret(newSecret)
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, Config{URL: url, BatchMax: 10, Secrets: func() ([]Secret, error) { return []Secret{secret}, nil }})
	w.postBatch(context.Background(), []delivery{order(), order()})
	r := <-requests
	if want := secret.signature(r.header.Get("Webhook-Id"), r.header.Get("Webhook-Timestamp"), r.body); r.header.Get("Webhook-Signature") != want {
		t.Errorf("got %s, want %s", r.header.Get("Webhook-Signature"), want)
	}
}

func TestARequestThatCannotBeSignedIsNotSent(t *testing.T) {
	url, requests := service(t)
	w := open(t, Config{URL: url, Secrets: func() ([]Secret, error) { return nil, errors.New("gone") }})
	if err := w.postOne(context.Background(), order()); err == nil || !strings.Contains(err.Error(), "cannot be signed: gone") || len(requests) > 0 {
		t.Errorf("got %v, and %d requests", err, len(requests))
	}
}

func TestASecretThatIsNone(t *testing.T) {
	for text, want := range map[string]string{
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "whsec_ and base64", "whsec_!": "whsec_ and base64", "whsec_AAEC": "24 to 64 bytes, and one has 3",
	} {
		if _, err := ParseSecret(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
