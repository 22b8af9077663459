package indexredis

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Of a transaction that Redis discarded one learns why: it is full, or a replica.
func TestWhyATransactionWasDiscarded(t *testing.T) {
	aborted := errors.New("EXECABORT Transaction discarded because of previous errors.")
	full := errors.New("OOM command not allowed when used memory > 'maxmemory'.")
	sent := func(errs ...error) (all []redis.Cmder) {
		for _, err := range errs {
			c := redis.NewStatusCmd(t.Context())
			c.SetErr(err)
			all = append(all, c)
		}
		return all
	}
	if err := because(sent(aborted, full), aborted); !errors.Is(err, aborted) || !errors.Is(err, full) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("full: %v", err)
	}
	if said := errors.New("EXECABORT Transaction discarded because of: " + full.Error()); because(sent(said, full), said) != said { //nolint:errorlint // the same one is wanted
		t.Errorf("it says why twice: %v", because(sent(said, full), said))
	}
	for name, err := range map[string]error{"no error": nil, "another error": full, "no reason": aborted} {
		if got := because(sent(nil, aborted), err); got != err { //nolint:errorlint // the same one is wanted
			t.Errorf("%s: %v", name, got)
		}
	}
}
