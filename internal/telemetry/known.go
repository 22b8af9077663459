package telemetry

import (
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// maxTopics and maxTenants bound the topics and tenants of one pipeline that have series of their own. Prometheus keeps every
	// series that it has ever seen, so that who has one is settled for as long as the process runs.
	maxTopics  = 1000
	maxTenants = 50
	// other stands for the rest. A topic or tenant that is itself called so is counted with it.
	other = "other"
	// maxValue is how long a value may be, in bytes: producers choose the names of tenants, and Prometheus refuses a scrape for one that is
	// too long for it. What is cut to the same is counted together.
	maxValue = 256
)

// known are the values of an open set that have been given series of their own, first come, by pipeline. It may be used
// concurrently.
type known struct {
	most int

	mu     sync.Mutex
	values map[string]map[string]bool
}

// label returns the value, or other when there are too many.
func (k *known) label(pipeline, value string) string {
	value = labelText(value)
	k.mu.Lock()
	defer k.mu.Unlock()
	values := k.values[pipeline]
	if values == nil {
		values = make(map[string]bool)
		if k.values == nil {
			k.values = make(map[string]map[string]bool)
		}
		k.values[pipeline] = values
	}
	if !values[value] {
		if len(values) >= k.most {
			return other
		}
		values[value] = true
	}
	return value
}

// labelText makes of what a header says what a label may be, which is text: the library panics at anything else.
func labelText(value string) string {
	if len(value) > maxValue {
		cut := maxValue
		for cut > maxValue-utf8.UTFMax && !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut]
	}
	return strings.ToValidUTF8(value, string(utf8.RuneError))
}
