package config

import (
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/redeliver/redeliver/dlq"
)

// SchemaRegistry says where schemas of payloads are looked up, by commands that show them.
type SchemaRegistry struct {
	URL      string // "": nowhere
	Username string
	Password string
}

// registryPatience bounds one request to the registry.
const registryPatience = 10 * time.Second

func registryKeys(s *SchemaRegistry) []key {
	return []key{
		text("url", &s.URL).accepting("an http or https URL").like(`"http://127.0.0.1:8081"`).
			means("Where the schema registry is; \"\" is none."),
		text("username", &s.Username).like("redeliver").means("The user that it is asked as, with HTTP's basic authentication; \"\" is nobody."),
		text("password", &s.Password).hidden().like(`"${REGISTRY_PASSWORD}"`).means("The user's password; take it from the environment rather than writing it here."),
	}
}

// Client returns a client of the registry.
func (s SchemaRegistry) Client() (*sr.Client, error) {
	options := []sr.ClientOpt{sr.URLs(s.URL), sr.HTTPClient(&http.Client{Timeout: registryPatience})}
	if s.Username != "" {
		options = append(options, sr.BasicAuth(s.Username, s.Password))
	}
	return sr.NewClient(options...)
}

// registryRules judge the address of the registry.
func (r *reader) registryRules(s SchemaRegistry) {
	const path = "schema_registry.url"
	if !r.sound(path) || s.URL == "" {
		if r.sound(path, "schema_registry.username") && s.Username != "" {
			r.wrong("schema_registry.username", "schema_registry.username has no effect without url; add url: \"http://127.0.0.1:8081\", or remove it")
		}
		return
	}
	if wrong := WrongURL(s.URL); wrong != "" {
		r.wrong(path, "schema_registry.url: %s", wrong)
	}
}

// WrongURL says what is wrong with the address of an HTTP service; "" for nothing.
func WrongURL(text string) string {
	at, err := url.Parse(text)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return quote(text) + " is no http or https URL; write for example http://127.0.0.1:8081"
	}
	return ""
}

// Redact says what is hidden of dead letters.
type Redact struct {
	Headers []string // regular expressions over names
	Text    []string // over payloads, keys, values of headers and errors
}

func redactKeys(d *Redact) []key {
	return []key{
		patterns("headers", &d.Headers).like("['(?i)^authorization$']").
			means("Headers whose names match one of these have their values hidden."),
		patterns("text", &d.Text).like(`['\b\d{16}\b', '"iban": ?"([^"]*)"']`).
			means("What matches one of these is hidden in payloads, keys, values of headers and error texts; of a pattern with groups what the groups match."),
	}
}

// Redaction is what is hidden of the pipeline's dead letters, nil for nothing.
func (p *Pipeline) Redaction() *dlq.Redaction {
	d := p.DLQ.Redact
	if len(d.Headers)+len(d.Text) == 0 {
		return nil
	}
	compiled := func(texts []string) (all []*regexp.Regexp) {
		for _, text := range texts {
			all = append(all, regexp.MustCompile(text)) // it was checked when it was read
		}
		return all
	}
	return &dlq.Redaction{Headers: compiled(d.Headers), Text: compiled(d.Text)}
}
