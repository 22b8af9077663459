package config

import (
	"math"
	"strconv"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/redeliver/redeliver/consumer"
)

// Tenants divide a pipeline's handler slots.
type Tenants struct {
	Header        string // "": tenants are not told apart
	DefaultWeight float64
	Weights       map[string]float64
	MaxInFlight   int // 0: none
	MaxTenants    int
}

// Priority lets some records go first.
type Priority struct {
	Header  string // "": priorities are not told apart
	Default int
	Ageing  time.Duration
}

func tenantKeys(t *Tenants) []key {
	return []key{
		text("header", &t.Header).like("redeliver-tenant").
			means("The header that tells whose a record is, such as redeliver-tenant; records without it are one tenant's. Tenants are told apart only with it."),
		factor("default_weight", &t.DefaultWeight, 0.001, 1000).byDefault("1").like("1").
			means("The weight of a tenant that weights does not name."),
		weights("weights", &t.Weights).
			means("Weights of tenants: of those that have something to run, each gets slots by its weight."),
		number("max_in_flight", &t.MaxInFlight, 0, 100_000).byDefault("0").like("16").
			means("The most handler calls of one tenant in this process; 0 is no bound but concurrency."),
		number("max_tenants", &t.MaxTenants, 1, 100_000).byDefault("1000").like("1000").
			means("The most tenants that are told apart at once; the rest are one."),
	}
}

func priorityKeys(p *Priority) []key {
	return []key{
		text("header", &p.Header).like("redeliver-priority").
			means("The header that tells a record's priority, from 0 to 9, such as redeliver-priority. Priorities are told apart only with it."),
		number("default", &p.Default, 0, 9).byDefault("0").like("0").
			means("The priority of a record that does not tell."),
		duration("ageing", &p.Ageing, time.Millisecond, day).byDefault("10s").like("10s").
			means("How long a record waits to be treated as one of the next higher priority, so that none waits for ever."),
	}
}

// weights is a section with names of the user's own and numbers above 0.
func weights(name string, p *map[string]float64) key {
	k := key{
		name: name, want: "a section of tenants and weights", example: "{acme: 3}",
		read: func(v *value) *mistake {
			if v.kind != mapping {
				return wrongf(v, "%s is no section of tenants and weights", v.kind)
			}
			all := make(map[string]float64, len(v.entries))
			for _, e := range v.entries {
				if e.value.kind != scalar {
					return wrongf(e.value, "%s is %s, not a weight", e.name, e.value.kind)
				}
				w, err := strconv.ParseFloat(e.value.text, 64)
				if err != nil || !(w > 0) || math.IsInf(w, 0) {
					return wrongf(e.value, "%s: %s is no number above 0", e.name, quote(e.value.text))
				}
				all[e.name] = w
			}
			*p = all
			return nil
		},
	}
	k.write = func() any { return *p }
	above := 0.0
	k.shape = jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "number", ExclusiveMinimum: &above}}
	return k
}

func (t Tenants) tenants() *consumer.Tenants {
	if t.Header == "" {
		return nil
	}
	return &consumer.Tenants{Header: t.Header, DefaultWeight: t.DefaultWeight, Weights: t.Weights, MaxInFlight: t.MaxInFlight, MaxTenants: t.MaxTenants}
}

func (p Priority) priority() *consumer.Priority {
	if p.Header == "" {
		return nil
	}
	return &consumer.Priority{Header: p.Header, Default: p.Default, Ageing: p.Ageing}
}

func (r *reader) flowRules(p *Pipeline, at string) {
	for _, section := range []struct {
		name, header, example string
		moot                  string // a key that does nothing without the header
	}{
		{"tenants", p.Tenants.Header, "redeliver-tenant", p.Tenants.moot()},
		{"priority", p.Priority.Header, "redeliver-priority", p.Priority.moot()},
	} {
		header := at + "." + section.name + ".header"
		switch path := at + "." + section.name + "." + section.moot; {
		case section.header != "" && p.Ordering == "partition" && r.sound(header):
			r.wrong(header, "%s.header does not go with ordering: partition, where there is nothing to choose from; write ordering: key", section.name)
		case section.header == "" && section.moot != "" && r.sound(path, header):
			r.wrong(path, "%s.%s is for a header; add header: %s beside it", section.name, section.moot, section.example)
		}
	}
}

// moot is a key that is set and does nothing without a header, or "".
func (t Tenants) moot() string {
	switch {
	case len(t.Weights) > 0:
		return "weights"
	case t.MaxInFlight > 0:
		return "max_in_flight"
	}
	return ""
}

func (p Priority) moot() string {
	if p.Default > 0 {
		return "default"
	}
	return ""
}
