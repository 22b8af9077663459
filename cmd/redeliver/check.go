package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

// result of a check.
const (
	checkOK      = "ok"
	checkWarning = "warning" // works, and is worth a look
	checkFailed  = "failed"
)

// check is one thing that was looked at in the cluster.
type check struct {
	Result string `json:"result"`
	What   string `json:"what"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

func failures(checks []check) int {
	n := 0
	for _, c := range checks {
		if c.Result == checkFailed {
			n++
		}
	}
	return n
}

func printChecks(w io.Writer, checks []check) error {
	if len(checks) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	for _, c := range checks {
		fmt.Fprintf(w, "%-7s  %s: %s\n", c.Result, c.What, printable(c.Found))
		if c.Remedy != "" {
			fmt.Fprintf(w, "         %s\n", c.Remedy)
		}
	}
	return nil
}

// checkCluster looks at everything that the configuration needs of the cluster. It takes at most a few seconds when
// nothing answers.
func (p *program) checkCluster(ctx context.Context, c *config.Config) []check {
	checks := p.checkBrokers(ctx, c, c.Kafka, "kafka", "")
	if failures(checks) > 0 {
		return checks
	}
	client, err := p.connect(ctx, c)
	if err != nil {
		return append(checks, check{Result: checkFailed, What: "cluster", Found: err.Error()})
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	adm.SetTimeoutMillis(10_000)
	bounded, cancel := context.WithTimeout(ctx, 4*connectTimeout)
	defer cancel()

	checks = append(checks, checkMetadata(bounded, adm))
	for i := range c.Pipelines {
		checks = append(checks, checkPipeline(bounded, client, adm, c, &c.Pipelines[i])...)
	}
	checks = append(checks, checkControl(bounded, adm, c)...)
	return append(checks, p.checkClusters(bounded, c)...)
}

// checkControl looks at the control topic, where a pipeline is one of a fleet.
func checkControl(ctx context.Context, adm *kadm.Client, c *config.Config) []check {
	if !c.HasFleet() {
		return nil
	}
	what := func(of string) string { return "fleet, " + of }
	want := retrytopics.Want{ReplicationFactor: c.Topics.ReplicationFactor, AllowCreate: c.Topics.Create}
	plan, err := retrytopics.PlanControl(ctx, adm, c.Fleet.Topic, want)
	if err != nil {
		return []check{{checkFailed, what("topics"), err.Error(), "see " + c.At("fleet.topic")}}
	}
	return checkPlan(ctx, what, adm, plan)
}

// checkBrokers asks every seed broker by itself, side by side: a client is content with one. The section is kafka, or that of another
// cluster, whose brokers it names so.
func (p *program) checkBrokers(ctx context.Context, c *config.Config, k config.Kafka, section, of string) []check {
	checks := make([]check, len(k.Brokers))
	var all sync.WaitGroup
	for i, broker := range k.Brokers {
		all.Go(func() {
			one := k
			one.Brokers = []string{broker}
			checks[i] = check{Result: checkOK, What: of + "broker " + broker, Found: "answers"}
			if err := probe(ctx, one, cmp.Or(p.patience, connectTimeout)); err != nil {
				checks[i].Result, checks[i].Found, checks[i].Remedy = checkFailed, err.Error(), connectRemedy(c, k, section, err)
			}
		})
	}
	all.Wait()
	// A wrong one among right ones is worth a look and stops nothing.
	if slices.ContainsFunc(checks, func(c check) bool { return c.Result == checkOK }) {
		warnOnly(checks)
	}
	return checks
}

func warnOnly(checks []check) {
	for i := range checks {
		if checks[i].Result == checkFailed {
			checks[i].Result = checkWarning
		}
	}
}

// checkClusters asks the brokers of the other clusters. Pipelines do without them, and only a replay there needs one.
func (p *program) checkClusters(ctx context.Context, c *config.Config) []check {
	var checks []check
	for i, one := range c.Clusters {
		checks = append(checks, p.checkBrokers(ctx, c, one.Kafka, fmt.Sprintf("clusters[%d]", i), "cluster "+one.Name+", ")...)
	}
	warnOnly(checks)
	return checks
}

func checkMetadata(ctx context.Context, adm *kadm.Client) check {
	c := check{Result: checkOK, What: "cluster"}
	brokers, err := adm.ListBrokers(ctx)
	if err != nil {
		c.Result, c.Found = checkFailed, err.Error()
		return c
	}
	c.Found = fmt.Sprintf("%d %s", len(brokers), plural(len(brokers), "broker"))
	if versions, err := adm.ApiVersions(ctx); err == nil {
		// What is no release of Apache Kafka is guessed as "between …" or "at least …", which says little.
		if all := versions.Sorted(); len(all) > 0 && all[0].Err == nil && !strings.Contains(all[0].VersionGuess(), " ") {
			c.Found += ", Kafka " + strings.TrimPrefix(all[0].VersionGuess(), "v")
		}
	}
	if len(brokers) < 3 {
		c.Found += fmt.Sprintf(": topics can have at most %d %s", len(brokers), plural(len(brokers), "replica"))
	}
	return c
}

// checkPipeline looks at what one pipeline needs.
func checkPipeline(ctx context.Context, client *kgo.Client, adm *kadm.Client, c *config.Config, p *config.Pipeline) []check {
	what := func(of string) string { return "pipeline " + p.Name + ", " + of }
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return []check{{checkFailed, what("topics"), err.Error(), "does the user have DESCRIBE on the topics?"}}
	}
	sources := p.Sources(topics.Names())
	// A broker lists no topic that the user may not see; asked for it by name, it says so.
	for _, source := range sources {
		if _, there := topics[source]; !there {
			if named, err := adm.ListTopics(ctx, source); err == nil && errors.Is(named[source].Err, kerr.TopicAuthorizationFailed) {
				topics[source] = named[source]
			}
		}
	}
	checks := checkSources(what, c, p, sources, topics)
	checks = append(checks, checkGroup(ctx, what("group "+p.Group), client, p))
	if privileges, err := c.PrivilegesOn(p, sources); err == nil {
		checks = append(checks, allowedIn(ctx, client, privileges).check(what("permissions"), privileges)...)
	}
	if failures(checks) > 0 {
		return checks
	}
	want, err := p.Wanted(c.Topics, sources)
	if err != nil {
		return append(checks, check{checkFailed, what("policy"), err.Error(), ""})
	}
	plan, err := retrytopics.MakePlan(ctx, adm, want)
	if err != nil {
		return append(checks, check{checkFailed, what("topics"), err.Error(), ""})
	}
	return append(checks, checkPlan(ctx, what, adm, plan)...)
}

func checkSources(what func(string) string, c *config.Config, p *config.Pipeline, sources []string, topics kadm.TopicDetails) []check {
	var checks []check
	for _, source := range sources {
		detail, there := topics[source]
		result := check{Result: checkOK, What: what("source " + source)}
		switch {
		case !there || errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
			result.Result, result.Found = checkFailed, "there is no such topic"
			result.Remedy = "create it, or correct " + c.At(p.Path(fmt.Sprintf("topics[%d]", slices.Index(p.Topics, source))))
			if near := config.Nearest(source, topics.Names()); near != "" {
				result.Remedy += "; there is " + near
			}
		case errors.Is(detail.Err, kerr.TopicAuthorizationFailed):
			result.Result, result.Found, result.Remedy = checkFailed, "not allowed to see it", "give the user READ on it"
		case detail.Err != nil:
			result.Result, result.Found = checkFailed, detail.Err.Error()
		default:
			result.Found = fmt.Sprintf("%d %s", len(detail.Partitions), plural(len(detail.Partitions), "partition"))
		}
		checks = append(checks, result)
	}
	for _, pattern := range p.Unmatched(sources) {
		checks = append(checks, check{checkWarning, what("sources " + pattern), "no topic matches yet", "the pipeline waits until one does"})
	}
	return checks
}

func checkGroup(ctx context.Context, what string, client *kgo.Client, p *config.Pipeline) check {
	group := p.Group
	result := check{Result: checkOK, What: what}
	speaks := func(protocol string) {
		if protocol != p.GroupProtocol {
			result.Result = checkWarning
			result.Found += ", speaking group_protocol: " + protocol
			result.Remedy = "all members of a group speak one protocol: stop those members first, or write group_protocol: " + protocol
			if (protocol == "consumer") != (p.GroupProtocol == "consumer") {
				result.Remedy += "; Apache Kafka 4 also lets a group go over to or from consumer by a rolling restart"
			}
		}
	}
	if p.GroupProtocol == "consumer" && lacksNextGen(ctx, kadm.NewClient(client)) {
		result.Result, result.Found = checkFailed, "the brokers do not speak group_protocol: consumer, which is KIP-848"
		result.Remedy = "use Apache Kafka 4.0 or newer, better 4.3, or write group_protocol: classic"
		return result
	}
	if next, there := nextGenGroup(ctx, kadm.NewClient(client), group); there {
		result.Found = fmt.Sprintf("%s, %d %s", strings.ToLower(next.State), len(next.Members), plural(len(next.Members), "member"))
		speaks("consumer")
		return result
	}
	described, err := describeGroup(ctx, client, group)
	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		result.Found = "is new"
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		result.Result, result.Found, result.Remedy = checkFailed, "not allowed to read it", "give the user READ on the group "+group
	case err != nil:
		result.Result, result.Found = checkFailed, err.Error()
	default:
		switch g := described; {
		case g.State == "Dead":
			result.Found = "is new"
		case g.ProtocolType != "" && g.ProtocolType != "consumer":
			result.Result = checkFailed
			result.Found = "is used as a group of type " + g.ProtocolType
			result.Remedy = "choose another group for the pipeline"
		case len(g.Members) == 0:
			result.Found = "has no members"
		default:
			result.Found = fmt.Sprintf("%s, %d %s", strings.ToLower(g.State), len(g.Members), plural(len(g.Members), "member"))
			if ours := protocolOf(g.Protocol); ours != "" {
				speaks(ours)
			}
			if g.Protocol != "" && protocolOf(g.Protocol) == "" && g.State == "Stable" {
				result.Result = checkWarning
				result.Found += ", balanced by " + g.Protocol
				result.Remedy = "its members seem to be other programs; they cannot share a group with Redeliver: choose another group, or stop them first"
			}
		}
	}
	return result
}

// describeGroup waits a little for a cluster that is only just making its offsets topic.
func describeGroup(ctx context.Context, client *kgo.Client, group string) (kmsg.DescribeGroupsResponseGroup, error) {
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups = []string{group}
	bounded, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for {
		response, err := request.RequestWith(bounded, client)
		if err == nil && len(response.Groups) == 1 {
			err = kerr.ErrorForCode(response.Groups[0].ErrorCode)
		}
		if err == nil && len(response.Groups) == 1 {
			return response.Groups[0], nil
		}
		if !kerr.IsRetriable(err) {
			return kmsg.DescribeGroupsResponseGroup{}, err
		}
		select {
		case <-bounded.Done():
			return kmsg.DescribeGroupsResponseGroup{}, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// checkPlan tells what is to be done to the topics, and asks the broker whether it would let us.
func checkPlan(ctx context.Context, what func(string) string, adm *kadm.Client, plan retrytopics.Plan) []check {
	result := check{Result: checkOK, What: what("retry and dead-letter topics"), Found: "are as they should be"}
	if !plan.Empty() {
		result.Found = "to do: " + strings.ToLower(summary([]pipelinePlan{{Plan: plan}}))
		result.Remedy = "`redeliver run` does it at the start; `redeliver topics plan` shows it"
		if plan.ReadOnly {
			result.Remedy = "do it with `redeliver topics apply`, as topics.create is false"
			if len(plan.Missing()) > 0 {
				result.Result = checkFailed
			} else {
				result.Result = checkWarning
			}
		}
	}
	checks := []check{result}
	for _, warning := range plan.Warnings {
		checks = append(checks, check{Result: checkWarning, What: what("topics"), Found: warning})
	}
	if !plan.ReadOnly {
		checks = append(checks, checkCreation(ctx, what("making topics"), adm, plan)...)
	}
	return checks
}

// checkCreation has the broker judge the topics to be made without making them: it knows permissions, policies and how
// many replicas there can be.
func checkCreation(ctx context.Context, what string, adm *kadm.Client, plan retrytopics.Plan) []check {
	for _, action := range plan.Actions {
		if action.Kind != retrytopics.Create {
			continue
		}
		configs := make(map[string]*string, len(action.Configs))
		for name, value := range action.Configs {
			configs[name] = kadm.StringPtr(value)
		}
		answer, err := adm.ValidateCreateTopics(ctx, action.Partitions, action.Replication, configs, action.Topic)
		message := ""
		if err == nil {
			err, message = answer[action.Topic].Err, answer[action.Topic].ErrMessage
		}
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			continue
		}
		result := check{Result: checkFailed, What: what, Found: fmt.Sprintf("the broker refuses %s: %v", action.Topic, err)}
		if message != "" {
			result.Found += ": " + message
		}
		switch {
		case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
			result.Remedy = "give the user CREATE on the cluster or on these topics, or have an operator make them with `redeliver topics apply` and set topics.create: false"
		case errors.Is(err, kerr.InvalidReplicationFactor):
			result.Remedy = "set topics.replication_factor to at most the number of brokers"
		case errors.Is(err, kerr.PolicyViolation):
			result.Remedy = "the cluster's policy for new topics forbids it; have an operator make the topics, and set topics.create: false"
		}
		return []check{result} // the others would be refused for the same reason
	}
	return nil
}
