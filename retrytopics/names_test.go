package retrytopics_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redeliver/redeliver/retrytopics"
	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		names      retrytopics.Names
		topic      string
		delay      time.Duration
		retry, dlq string
	}{
		{retrytopics.Names{Group: "billing"}, "orders", time.Minute, "billing.orders.retry-60s", "billing.orders.dlq"},
		{retrytopics.Names{Group: "billing"}, "orders.eu", 1500 * time.Millisecond, "billing.orders.eu.retry-1500ms", "billing.orders.eu.dlq"},
		{retrytopics.Names{Group: "billing", Retry: "retry-{delay}.{group}", DLQ: "dead.{group}"}, "orders", 10 * time.Minute, "retry-10m.billing", "dead.billing"},
		{retrytopics.Names{Group: "team a/billing"}, "orders", time.Second, "team-a-billing-363c0c8b.orders.retry-1s", "team-a-billing-363c0c8b.orders.dlq"},
	} {
		equal(t, tt.names.RetryTopic(tt.topic, tt.delay), tt.retry)
		equal(t, tt.names.DLQTopic(tt.topic), tt.dlq)
		equal(t, retrytopics.LedgerTopic(tt.dlq), tt.dlq+".ledger")
	}
}

func TestLegal(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct{ text, prefix string }{
		{"orders", "orders"},
		{"A.b_c-9", "A.b_c-9"},
		{"naïve", "na-ve-"},
		{"a b", "a-b-"},
		{"", "-"},
		{".", ".-"},
		{"..", "..-"},
		{long, long[:240] + "-"},
	} {
		got := retrytopics.Legal(tt.text)
		if !strings.HasPrefix(got, tt.prefix) || !legal.MatchString(got) {
			t.Fatalf("%q: got %q, want %q and perhaps a hash", tt.text, got, tt.prefix)
		}
		equal(t, retrytopics.Legal(got), got)
	}
	// What was replaced stays apart.
	equal(t, retrytopics.Legal("a b") == retrytopics.Legal("a/b"), false)
	equal(t, retrytopics.Legal("a b") == retrytopics.Legal("a-b"), false)
}

var legal = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

var templates = []retrytopics.Names{
	{},
	{Retry: "{topic}-{group}-{delay}", DLQ: "{topic}-{group}-dead"},
	{Retry: "retry.{delay}.{topic}.{group}", DLQ: "dlq.{topic}.{group}"},
	{Retry: "{group}_retry_{delay}_{topic}_v2", DLQ: "{group}_dead_{topic}"},
}

// Whatever group and topic are called, the names are legal, all different, and
// can be read backwards.
func TestNamesAreLegalDistinctAndReadable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom(templates).Draw(t, "templates")
		names.Group = rapid.OneOf(
			rapid.StringMatching(`[a-zA-Z0-9._-]{1,250}`),
			rapid.StringN(1, 40, 160),
		).Draw(t, "group")
		sources := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z.{}]{0,3}[a-zA-Z0-9._-]{1,20}(xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx){0,6}[0-9a-f]?`).
			Filter(func(s string) bool { return legal.MatchString(s) && s != "." && s != ".." }), 1, 5, rapid.ID).Draw(t, "sources")
		tiers := append(retrytopics.DefaultTiers(), 1500*time.Millisecond, 719*time.Hour, 2591999999*time.Millisecond, retrytopics.Park)
		noError(t, names.Validate(len(sources)+1))

		seen := map[string]bool{}
		for _, source := range sources {
			for _, tier := range tiers {
				name := names.RetryTopic(source, tier)
				if !legal.MatchString(name) || seen[name] {
					t.Fatalf("%q is illegal (%d characters) or used twice", name, len(name))
				}
				seen[name] = true
				gotSource, gotDelay, ok := names.Match(name)
				if !ok || gotDelay != tier || (gotSource != source && gotSource != "") {
					t.Fatalf("%q reads as %q, %v, %v; want %q, %v", name, gotSource, gotDelay, ok, source, tier)
				}
				if gotSource == "" && strings.Contains(name, source) {
					t.Fatalf("%q: the source is not read although it is in there", name)
				}
				other := names
				other.Group += "x"
				if names.RetryTopic(source, tier) == other.RetryTopic(source, tier) {
					t.Fatalf("%q is the name for group %q, too", name, other.Group)
				}
			}
			dlq := names.DLQTopic(source)
			ledger := retrytopics.LedgerTopic(dlq)
			for _, name := range []string{dlq, ledger} {
				if !legal.MatchString(name) || seen[name] {
					t.Fatalf("%q is illegal (%d characters) or used twice", name, len(name))
				}
				seen[name] = true
				if _, _, ok := names.Match(name); ok {
					t.Fatalf("%q reads as a retry topic", name)
				}
			}
		}
	})
}

func TestMatch(t *testing.T) {
	names := retrytopics.Names{Group: "billing"}
	for _, tt := range []struct {
		topic, source string
		delay         time.Duration
	}{
		{"billing.orders.retry-10s", "orders", 10 * time.Second},
		{"billing.orders.retry-1s.retry-10s", "orders.retry-1s", 10 * time.Second},
		{"billing.orders.retry-60s", "orders", time.Minute},
		{"billing.orders-deadbeef.retry-10s", "orders-deadbeef", 10 * time.Second}, // no hash, for nothing was cut
		{"billing.orders.retry-1m", "", 0},                                         // not as this package writes it
		{"billing.orders.retry-ten", "", 0},
		{"billing.orders.retry-", "", 0},
		{"billing..retry-10s", "", 0},
		{"billing.retry-10s", "", 0},
		{"shipping.orders.retry-10s", "", 0},
		{"billing.orders.dlq", "", 0},
		{"orders", "", 0},
	} {
		source, delay, ok := names.Match(tt.topic)
		equal(t, source, tt.source)
		equal(t, delay, tt.delay)
		equal(t, ok, tt.delay > 0)
	}
	one := retrytopics.Names{Group: "billing", Retry: "{group}-retry-{delay}"}
	source, delay, ok := one.Match("billing-retry-90s")
	equal(t, []any{source, delay, ok}, []any{"", 90 * time.Second, true})
	_, _, ok = one.Match("billing-retry-90s-old")
	equal(t, ok, false)
}

func TestIsOurs(t *testing.T) {
	for _, topic := range []string{"g.orders.retry-1s", "any.thing.retry-1500ms", "a.retry-10m", "g.orders.retry-park", "g.orders.dlq", "g.orders.dlq.ledger"} {
		equal(t, retrytopics.IsOurs(topic), true)
	}
	for _, topic := range []string{"orders", "retry-1s", "g.orders.retry-1m", "g.orders.retry-soon", "dlq", ".dlq", "g.orders.dlq.old", "general.ledger", "dlq.orders", "orders.retry"} {
		equal(t, retrytopics.IsOurs(topic), false)
	}
}

func TestNamesMistakes(t *testing.T) {
	for _, tt := range []struct {
		names   retrytopics.Names
		sources int
		field   string
		says    string
	}{
		{retrytopics.Names{}, 1, "group", "is empty"},
		{retrytopics.Names{Group: "g", Retry: "{topic}.retry-{delay}"}, 1, "topic", "needs {group}: without it two groups would share a topic"},
		{retrytopics.Names{Group: "g", Retry: "{group}.{topic}.retry"}, 1, "topic", "needs {delay}: without it all tiers would be one topic"},
		{retrytopics.Names{Group: "g", Retry: "{group}.retry-{delay}"}, 2, "topic", "needs {topic}: without it several source topics"},
		{retrytopics.Names{Group: "g", DLQ: "{group}.dlq"}, 2, "dlq.topic", "needs {topic}"},
		{retrytopics.Names{Group: "g", DLQ: "{group}.{topic}.dlq-{delay}"}, 1, "dlq.topic", "a dead letter has no {delay}"},
		{retrytopics.Names{Group: "g", Retry: "{group}.{group}.{delay}"}, 1, "topic", "has {group} 2 times"},
		{retrytopics.Names{Group: "g", Retry: "{group}.{name}.{delay}"}, 1, "topic", "only {group}, {topic} and {delay}"},
		{retrytopics.Names{Group: "g", Retry: "{group}.retry {delay}"}, 1, "topic", `" " may not stand`},
		{retrytopics.Names{Group: "g", Retry: "{group}{topic}.{delay}"}, 1, "topic", "put a separator"},
		{retrytopics.Names{Group: "g", Retry: "{group}.{delay}" + strings.Repeat("x", 200)}, 1, "topic", "too long"},
		{retrytopics.Names{Group: "g", Retry: "{group}.{topic}.{delay}", DLQ: "{group}.{topic}.60s"}, 1, "dlq.topic", "makes names that"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			got := errorAs[*retrytopics.FieldError](t, tt.names.Validate(tt.sources))
			equal(t, got.Field, tt.field)
			fails(t, got, tt.says)
		})
	}
	noError(t, retrytopics.Names{Group: "g", Retry: "{group}.retry-{delay}", DLQ: "{group}.dlq"}.Validate(1))
	noError(t, retrytopics.Names{Group: "any group at all ✓"}.Validate(5))

	both := retrytopics.Names{Group: "g", Retry: "{topic}", DLQ: "{topic}"}.Validate(1)
	var joined interface{ Unwrap() []error }
	equal(t, errors.As(both, &joined) && len(joined.Unwrap()) == 3, true)
}

// Kafka's metrics cannot tell '.' and '_' apart, so it allows only one of such
// names.
func TestCollisions(t *testing.T) {
	equal(t, retrytopics.Collisions([]string{"a.b", "c", "a-b"}), nil)
	got := strings.Join(retrytopics.Collisions([]string{"a.b", "c", "a_b", "c"}), "; ")
	equal(t, got, "a.b and a_b differ only in '.' and '_', which Kafka does not allow side by side; c is used twice")
}

func TestDeadLetterTopicsAreKnownByTheirNames(t *testing.T) {
	for _, c := range []struct {
		names retrytopics.Names
		topic string
		want  bool
	}{
		{retrytopics.Names{Group: "shop"}, "shop.orders.dlq", true},
		{retrytopics.Names{Group: "shop"}, "shop.dlq", false},
		{retrytopics.Names{Group: "shop"}, "other.orders.dlq", false},
		{retrytopics.Names{Group: "shop"}, retrytopics.Names{Group: "shop"}.DLQTopic(strings.Repeat("long", 60)), true},
		{retrytopics.Names{Group: "shop", DLQ: "dead-{group}"}, "dead-shop", true},
		{retrytopics.Names{Group: "shop", DLQ: "dead-{group}"}, "dead-shop-orders", false},
		{retrytopics.Names{Group: "shop", DLQ: "{topic}-dead-{group}"}, "orders-dead-shop", true},
	} {
		if got := c.names.MatchDLQ(c.topic); got != c.want {
			t.Errorf("%+v: %s: %v", c.names, c.topic, got)
		}
	}
}

// A ledger of a dead-letter topic that another program named has a legal name, however long that is, and its own.
func TestLedgerOfALongName(t *testing.T) {
	seen := make(map[string]bool)
	for _, end := range []string{"a", "b"} {
		for length := 240; length <= 249; length++ {
			name := retrytopics.LedgerTopic(strings.Repeat("x", length-1) + end)
			if !legal.MatchString(name) || seen[name] || !strings.HasSuffix(name, ".ledger") {
				t.Errorf("of %d characters: %q (%d) is illegal or used twice", length, name, len(name))
			}
			seen[name] = true
		}
	}
	equal(t, retrytopics.LedgerTopic(strings.Repeat("x", 242)), strings.Repeat("x", 242)+".ledger")
}
