package config

import "testing"

func TestNearestFindsWhatWasMeant(t *testing.T) {
	keys := []string{"brokers", "client_id", "tls", "sasl", "timeout", "session_timeout", "max_retries"}
	for misspelt, want := range map[string]string{
		"broker":      "brokers",
		"borkers":     "brokers",
		"clientId":    "client_id",
		"client-id":   "client_id",
		"TLS":         "tls",
		"tsl":         "tls",
		"max-retires": "max_retries",
		"timeout_":    "timeout",
		"password":    "",
		"x":           "",
		"":            "",
	} {
		if got := Nearest(misspelt, keys); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", misspelt, got, want)
		}
	}
}
