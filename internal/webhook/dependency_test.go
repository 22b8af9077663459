package webhook

import (
	"errors"
	"net/http"
	"testing"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/consumer"
)

// An answer that names a dependency is a failure of that one, whatever else it says; its class is that of its status.
func TestAnAnswerNamesTheDependencyThatFailed(t *testing.T) {
	w := open(t, Config{URL: "http://127.0.0.1/orders"})
	for _, tt := range []struct {
		status int
		action string
		names  string
		want   string // the dependency that failed, "": no one in particular
		class  classify.Class
	}{
		{503, "", "ledger", "ledger", classify.Transient},
		{503, "", " ledger ", "ledger", classify.Transient},
		{503, "", "", "", classify.Transient},
		{429, "retry", "ledger", "ledger", classify.RateLimited},
		{200, "", "ledger", "", classify.None},
	} {
		header := http.Header{"Redeliver-Action": {tt.action}, "Redeliver-Dependency": {tt.names}}
		for of, err := range map[string]error{
			"an answer": w.outcome(answer{url: w.name, status: tt.status, header: header}.verdict(), 1),
			"a result":  w.outcome(w.resultVerdict(batchResult{Status: tt.status, Action: tt.action, Dependency: tt.names}), 1),
		} {
			var named *consumer.DependencyError
			got := ""
			if errors.As(err, &named) {
				got = named.Dependency
			}
			if got != tt.want || classify.New(nil).Classify(err).Class != tt.class {
				t.Errorf("%s %d that names %q: of %q, %v; want of %q, %v", of, tt.status, tt.names, got, err, tt.want, tt.class)
			}
		}
	}
}
