package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/dlq"
	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

func newClassifyCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "classify [TEXT]",
		Short: "Try an error or a dead letter against the rules",
		Long: `Try an error against the rules of the configuration, and say which rule matched and why, and why those before it did not.
The error is described by its text and by flags, or taken from a dead letter with --id. Only --id connects to the cluster.

Built-in rules know errors by what they carry (--status, --grpc, --sqlstate) and by their Go type (--type, as dead letters
show it), hardly by their text. A dead letter keeps the text and the type, and of a status what the text says of it: add
the flags for what else its error carried.`,
		Example: `  redeliver classify 'quota exceeded' --status 429
  redeliver classify --type '*net.DNSError' --header region=eu-1 --tenant acme
  redeliver classify --id orders/3/1042`,
		Args: argument("the text of an error", true),
	}
	format := addOutput(cmd)
	t := &trial{cmd: cmd}
	t.addFlags(p)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			t.described.text = args[0]
		}
		if err := t.check(len(args) == 1); err != nil {
			return err
		}
		verdict, err := p.tryRules(cmd.Context(), t)
		if err != nil {
			return err
		}
		if *format != asTable {
			return printOne(p.out, *format, verdict)
		}
		return verdict.print(p.out)
	}
	return cmd
}

// trial is what the flags describe.
type trial struct {
	cmd        *cobra.Command
	described  described
	retryAfter time.Duration
	headers    []string
	job        classify.Job
	topic      string
	dependency string
	attempt    int
	id         string
	letters    filterFlags // the pipeline, and where the dead letter of the id is
}

func (t *trial) addFlags(p *program) {
	flags := t.cmd.Flags()
	flags.StringVar(&t.described.typ, "type", "", "the Go `type` of the innermost cause, as dead letters show it: *net.OpError")
	flags.IntVar(&t.described.status, "status", 0, "the HTTP status that it carries")
	flags.StringVar(&t.described.grpc, "grpc", "", "the `name` of the gRPC status that it carries: UNAVAILABLE")
	flags.StringVar(&t.described.sqlState, "sqlstate", "", "the SQLSTATE that it carries: 40001")
	flags.DurationVar(&t.retryAfter, "retry-after", 0, "how long it asks to wait: 30s")
	flags.StringArrayVar(&t.headers, "header", nil, "a header of the record, `name=value`; may be repeated")
	flags.StringVar(&t.job.Type, "job-type", "", "the record's redeliver-job-type")
	flags.StringVar(&t.job.User, "user", "", "the record's redeliver-user")
	flags.StringVar(&t.job.Project, "project", "", "the record's redeliver-project")
	flags.StringVar(&t.job.Tenant, "tenant", "", "the record's redeliver-tenant")
	flags.StringVar(&t.topic, "topic", "", "the source topic of the record (default the pipeline's, where it names one)")
	flags.StringVar(&t.dependency, "dependency", "", "the dependency that was called (default the pipeline's)")
	flags.IntVar(&t.attempt, "attempt", 1, "the number of the failed attempt")
	flags.StringVar(&t.id, "id", "", "the `id` of a dead letter, as 'redeliver dlq list' shows it, or that of its origin, instead of a text")
	flags.StringVar(&t.letters.pipeline, "pipeline", "", "the pipeline's `name`; may be left out when there is one")
	addQueueFlag(t.cmd, &t.letters)
	_ = t.cmd.RegisterFlagCompletionFunc("pipeline", p.completePipelines)
	_ = t.cmd.RegisterFlagCompletionFunc("grpc", cobra.FixedCompletions(classify.GRPCNames(), cobra.ShellCompDirectiveNoFileComp))
}

// check refuses what no error can be.
func (t *trial) check(text bool) error {
	changed := t.cmd.Flags().Changed
	switch {
	case changed("queue") && t.id == "":
		return usagef("--queue: it is where a dead letter is: name one with --id")
	case text && t.id != "":
		return usagef("give the text of an error, or --id for a dead letter, not both")
	case !text && t.id == "" && !changed("type") && !changed("status") && !changed("grpc") && !changed("sqlstate"):
		return usagef("describe an error: its text, --type, --status, --grpc or --sqlstate, or name a dead letter with --id")
	case changed("status") && (t.described.status < 100 || t.described.status > 599):
		return usagef("--status %d: want an HTTP status from 100 to 599", t.described.status)
	case t.attempt < 1:
		return usagef("--attempt %d: want the number of an attempt, from 1", t.attempt)
	case t.retryAfter < 0:
		return usagef("--retry-after %v: want 0 or more", t.retryAfter)
	case strings.ContainsAny(t.described.typ, " \t"):
		return usagef("--type %q: want the name of a Go type, like *net.OpError", t.described.typ)
	}
	if t.id != "" {
		if err := dlq.CheckID(t.id); err != nil {
			return usagef("%w", err)
		}
	}
	if t.described.grpc != "" {
		if err := classify.CheckGRPC(t.described.grpc); err != nil {
			return usagef("--grpc: %w", err)
		}
	}
	if s := t.described.sqlState; s != "" && (classify.CheckSQLState(s) != nil || len(s) != 5) {
		return usagef("--sqlstate %q: want five digits and capital letters, like 40001", s)
	}
	for _, h := range t.headers {
		name, _, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return usagef("--header %q: want name=value", h)
		}
		if retrytopics.IsOwnHeader(name) {
			return usagef("--header %s: it is Redeliver's own, which no rule can ask for", name)
		}
	}
	return nil
}

// tryRules puts the error before the rules of the pipeline.
func (p *program) tryRules(ctx context.Context, t *trial) (*tried, error) {
	load := p.load
	if t.id == "" {
		load = p.loadEmbedded // brokers need not be named
	}
	c, err := load()
	if err != nil {
		return nil, err
	}
	if t.id != "" {
		return p.tryLetter(ctx, c, t)
	}
	one, err := pipeline(c, t.letters.pipeline)
	if err != nil {
		return nil, err
	}
	return t.of(c, one, classify.Context{Topic: onlyTopic(one)}, nil)
}

// onlyTopic is the topic of a pipeline that names one.
func onlyTopic(p *config.Pipeline) string {
	if len(p.Topics) == 1 {
		if _, is := config.Pattern(p.Topics[0]); !is {
			return p.Topics[0]
		}
	}
	return ""
}

// tryLetter puts the error of a dead letter before the rules of its pipeline.
func (p *program) tryLetter(ctx context.Context, c *config.Config, t *trial) (*tried, error) {
	t.letters.cmd, t.letters.ids = t.cmd, []string{t.id}
	if err := refuseEmpty(t.cmd, "pipeline", "queue"); err != nil {
		return nil, err
	}
	qs, err := p.openQueues(ctx, &t.letters, false)
	if err != nil {
		return nil, err
	}
	defer qs.close()
	q, e, err := p.entryOf(ctx, qs, t.id)
	if err != nil {
		return nil, err
	}
	t.described = t.described.orOf(e.State.Error)
	if !t.cmd.Flags().Changed("attempt") {
		t.attempt = max(e.State.Attempt, 1)
	}
	verdict, err := t.of(c, q.pipeline, classify.Context{Topic: e.State.Topic}, e.Record.Headers)
	if verdict != nil {
		verdict.Error = q.redact.Why(verdict.Error)
		verdict.ID, verdict.Was = e.ID(), e.State.Class.String()
		verdict.died(e)
	}
	return verdict, err
}

// of asks the rules of a pipeline, in a context in which the flags are above what is known.
func (t *trial) of(c *config.Config, one *config.Pipeline, in classify.Context, headers []kgo.RecordHeader) (*tried, error) {
	schedule, err := one.Policy().Compile()
	if err != nil {
		return nil, err
	}
	headers = slices.Clone(headers)
	for _, h := range t.headers {
		name, value, _ := strings.Cut(h, "=")
		headers = append(headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	for _, h := range []struct{ name, value string }{
		{retrytopics.HeaderJobType, t.job.Type}, {retrytopics.HeaderJobUser, t.job.User},
		{retrytopics.HeaderJobProject, t.job.Project}, {retrytopics.HeaderJobTenant, t.job.Tenant},
	} {
		if h.value != "" {
			headers = append(headers, kgo.RecordHeader{Key: h.name, Value: []byte(h.value)})
		}
	}
	in.Job = retrytopics.JobOf(headers)
	in.Header = func(name string) ([]byte, bool) { return retrytopics.UserHeader(headers, name) }
	in.Attempt = t.attempt
	in.Dependency = one.Breaker.Dependency
	if t.dependency != "" {
		in.Dependency = t.dependency
	}
	if t.topic != "" {
		in.Topic = t.topic
	}
	if t.described.text == "" && t.described.status != 0 {
		t.described.text = strings.TrimSpace(fmt.Sprintf("%d %s", t.described.status, http.StatusText(t.described.status)))
	}
	e := one.Classifier().Explain(&in, t.described.asError(t.retryAfter))
	verdict := triedOf(c, one, schedule, &in, e)
	if d := t.described; e.Failure.Rule == "default" && d.typ == "" && d.status == 0 && d.grpc == "" && d.sqlState == "" {
		verdict.note("built-in rules know errors by type and codes, hardly by text: describe those too, with --type, --status, --grpc or --sqlstate")
	}
	verdict.note(undeclared(one, t.dependency))
	return verdict, nil
}

// undeclared tells of a dependency that the pipeline has no breaker for, "" where it has one or none is given.
func undeclared(p *config.Pipeline, dependency string) string {
	var declared []string
	for _, b := range p.AllBreakers() {
		declared = append(declared, b.Dependency)
	}
	if dependency == "" || slices.Contains(declared, dependency) {
		return ""
	}
	return fmt.Sprintf("no breaker is declared for %s: a failure that names it counts against %s; the declared ones are %s", dependency, declared[0], strings.Join(declared, ", "))
}
