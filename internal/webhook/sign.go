package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Secret signs requests as Standard Webhooks say (https://www.standardwebhooks.com): by HMAC-SHA-256 over id, time and body.
type Secret []byte

const (
	secretPrefix = "whsec_"
	// Standard Webhooks want secrets of 24 to 64 bytes.
	secretLeast, secretMost = 24, 64
)

// ParseSecret reads a secret: whsec_ and base64.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), secretPrefix)
	secret, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case !ok || err != nil:
		return nil, fmt.Errorf("a secret is %s and base64; make one with: echo %s$(openssl rand -base64 32)", secretPrefix, secretPrefix)
	case len(secret) < secretLeast || len(secret) > secretMost:
		return nil, fmt.Errorf("a secret has %d to %d bytes, and one has %d; make one with: echo %s$(openssl rand -base64 32)", secretLeast, secretMost, len(secret), secretPrefix)
	}
	return secret, nil
}

// ParseSecrets reads secrets, a line each.
func ParseSecrets(text string) (all []Secret, err error) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		one, err := ParseSecret(line)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// sign adds the signature of a request, one for each secret.
func (w *Webhook) sign(h http.Header, id string, body []byte) error {
	if w.config.Secrets == nil {
		return nil
	}
	secrets, err := w.config.Secrets()
	if err != nil {
		return fmt.Errorf("the request cannot be signed: %w", err)
	}
	// A full stop ends the id in what is signed, and topics may have one.
	id = strings.ReplaceAll(legal(id), ".", "%2E")
	at := strconv.FormatInt(time.Now().Unix(), 10)
	var signatures []string
	for _, s := range secrets {
		signatures = append(signatures, s.signature(id, at, body))
	}
	h["Webhook-Id"], h["Webhook-Timestamp"], h["Webhook-Signature"] = []string{id}, []string{at}, []string{strings.Join(signatures, " ")}
	return nil
}

func (s Secret) signature(id, at string, body []byte) string {
	mac := hmac.New(sha256.New, s)
	fmt.Fprintf(mac, "%s.%s.", id, at)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// batchID is the same for the same records, in whichever attempt.
func batchID(deliveries []delivery) string {
	hash := sha256.New()
	for _, d := range deliveries {
		fmt.Fprintln(hash, d.id)
	}
	return fmt.Sprintf("batch-%x", hash.Sum(nil)[:16])
}
